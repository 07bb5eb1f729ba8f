package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Telemetry sends what requests tell of themselves. A nil one does nothing.
type Telemetry struct {
	propagate bool
	spans     *sdktrace.TracerProvider
	metrics   *sdkmetric.MeterProvider
	tracer    trace.Tracer
	w3c       propagation.TraceContext
	instruments
	open sync.WaitGroup // requests that are followed
}

// maxSeries bounds the sets of attributes of each metric; what is beyond is
// counted with the attribute otel.metric.overflow.
const maxSeries = 2000

// New begins to export; nil where the configuration has no telemetry block. A
// collector that can't be reached is told to the log, and stops nothing.
func New(ctx context.Context, cfg *config.Telemetry, version string, log hclog.Logger) (*Telemetry, error) {
	if cfg.Endpoint == "" {
		return nil, nil
	}
	spans, metrics, err := exporters(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	// OpenTelemetry has one place for its errors, which is the process's.
	otel.SetErrorHandler(&complaints{log: log})
	res := resource.NewSchemaless(attribute.String(serviceName, cfg.Service), attribute.String(serviceVersion, version))
	t := &Telemetry{propagate: cfg.Propagate}
	t.spans = sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(spans, sdktrace.WithExportTimeout(cfg.Timeout)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Sample))),
		sdktrace.WithResource(res),
	)
	t.tracer = t.spans.Tracer(scopeName)
	t.metrics = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(cfg.Interval), sdkmetric.WithTimeout(cfg.Timeout))),
		sdkmetric.WithResource(res),
		sdkmetric.WithCardinalityLimit(maxSeries),
	)
	if err := t.instruments.make(t.metrics.Meter(scopeName)); err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: %w", err), t.Close(ctx))
	}
	return t, nil
}

// complaints are what the exporters could not do. A collector that is gone is
// one each few seconds, and the log needs only some of them.
type complaints struct {
	log  hclog.Logger
	next atomic.Int64 // when to warn again, in Unix nanoseconds
}

// warnEvery is how often the log is warned of exports that fail.
const warnEvery = time.Minute

// Handle is part of otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	now := time.Now()
	if next := c.next.Load(); now.UnixNano() < next || !c.next.CompareAndSwap(next, now.Add(warnEvery).UnixNano()) {
		c.log.Debug("not exported", "err", err)
		return
	}
	c.log.Warn("not exported", "err", err)
}

// exporters speak the protocol that the configuration names.
func exporters(ctx context.Context, cfg *config.Telemetry) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	if cfg.Protocol == "grpc" {
		spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(cfg.Endpoint),
			otlptracegrpc.WithHeaders(cfg.Headers), otlptracegrpc.WithTimeout(cfg.Timeout))
		if err != nil {
			return nil, nil, err
		}
		metrics, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(cfg.Endpoint),
			otlpmetricgrpc.WithHeaders(cfg.Headers), otlpmetricgrpc.WithTimeout(cfg.Timeout))
		return spans, metrics, err
	}
	base := strings.TrimRight(cfg.Endpoint, "/")
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"),
		otlptracehttp.WithHeaders(cfg.Headers), otlptracehttp.WithTimeout(cfg.Timeout))
	if err != nil {
		return nil, nil, err
	}
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"),
		otlpmetrichttp.WithHeaders(cfg.Headers), otlpmetrichttp.WithTimeout(cfg.Timeout))
	return spans, metrics, err
}

// Wait returns when the last request has ended that is followed. No other may
// begin meanwhile.
func (t *Telemetry) Wait() { t.open.Wait() }

// Close sends what is left, until ctx ends.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	// Both at once: a collector that is gone is waited for once.
	failed := make(chan error, 1)
	go func() { failed <- t.metrics.Shutdown(ctx) }()
	err := t.spans.Shutdown(ctx)
	return errors.Join(err, <-failed)
}
