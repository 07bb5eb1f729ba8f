package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are the GenAI metrics: as a client of the upstreams by try, and
// as a server of its callers by request.
type instruments struct {
	tokens                      metric.Int64Histogram
	operation, request, firstly metric.Float64Histogram
}

func (i *instruments) make(m metric.Meter) error {
	var errs [4]error
	i.tokens, errs[0] = m.Int64Histogram(clientTokenUsage, metric.WithUnit("{token}"),
		metric.WithDescription("Number of input and output tokens used."), metric.WithExplicitBucketBoundaries(tokenBuckets...))
	i.operation, errs[1] = m.Float64Histogram(clientOperationDuration, metric.WithUnit("s"),
		metric.WithDescription("GenAI operation duration."), metric.WithExplicitBucketBoundaries(durationBuckets...))
	i.request, errs[2] = m.Float64Histogram(serverRequestDuration, metric.WithUnit("s"),
		metric.WithDescription("Generative AI server request duration."), metric.WithExplicitBucketBoundaries(durationBuckets...))
	i.firstly, errs[3] = m.Float64Histogram(serverTimeToFirstToken, metric.WithUnit("s"),
		metric.WithDescription("Time to generate the first token for successful responses."), metric.WithExplicitBucketBoundaries(firstTokenBuckets...))
	return errors.Join(errs[:]...)
}
