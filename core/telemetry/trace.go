package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Request is a client's request on its way; nil: nobody follows it. It is an
// upstream.Tracer, and used by one goroutine at a time.
type Request struct {
	t        *Telemetry
	span     trace.Span
	endpoint sdk.Endpoint
	stream   bool
	try      trace.Span
	begun    time.Time // of the try
	tries    int
}

// Begin follows a request that began at start, below the span that its headers
// name. The decision is the router's id of it.
func (t *Telemetry) Begin(header http.Header, start time.Time, decision string, e sdk.Endpoint, model string, stream bool) *Request {
	if t == nil {
		return nil
	}
	t.open.Add(1)
	ctx := t.w3c.Extract(context.Background(), propagation.HeaderCarrier(header))
	r := &Request{t: t, endpoint: e, stream: stream}
	model = text(model)
	_, r.span = t.tracer.Start(ctx, operation(e)+" "+model, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start),
		trace.WithAttributes(
			attribute.String(operationName, operation(e)), attribute.String(requestModel, model), attribute.Bool(requestStream, stream),
		))
	if decision != "" {
		r.span.SetAttributes(attribute.String(decisionID, decision))
	}
	return r
}

// Apart follows the tries of a call that may outlive the request which began it:
// their spans are below the request's.
func (r *Request) Apart() *Request {
	return &Request{t: r.t, span: r.span, endpoint: r.endpoint, stream: r.stream}
}

// Leave is the end of a request that was none: nothing is told of it.
func (r *Request) Leave() {
	if r != nil {
		r.t.open.Done()
	}
}

// in is a context that names the request's span, and holds nothing else.
func (r *Request) in() context.Context { return trace.ContextWithSpan(context.Background(), r.span) }

// longestText is what spans hold of texts that others wrote, in bytes.
const longestText = 300

// text is one that OTLP can carry, which asks for UTF-8.
func text(s string) string { return strings.ToValidUTF8(s[:min(len(s), longestText)], "") }

// Begin is part of upstream.Tracer.
func (r *Request) Begin(target *board.Target, header http.Header, begun time.Time) {
	c := target.Channel.Config
	attributes := append(r.about(target), attribute.String(channelName, c.Name), attribute.Bool(requestStream, r.stream))
	attributes = append(attributes, address(c.BaseURL)...)
	if r.tries > 0 {
		attributes = append(attributes, attribute.Int(resendCount, r.tries))
	}
	var ctx context.Context
	ctx, r.try = r.t.tracer.Start(r.in(), operation(r.endpoint)+" "+target.Upstream,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(begun), trace.WithAttributes(attributes...))
	r.begun = begun
	if r.t.propagate {
		r.t.w3c.Inject(ctx, propagation.HeaderCarrier(header))
	}
}

// End is part of upstream.Tracer.
func (r *Request) End(a *upstream.Attempt) {
	if r.try == nil {
		return
	}
	r.tries++
	failure := ""
	switch {
	case a.Class != board.None:
		failure = a.Class.String()
	case a.Status >= http.StatusBadRequest:
		failure = strconv.Itoa(a.Status)
	case a.Status == 0:
		failure = otherError // a connection that had been closed, or a client that left
	}
	if r.try.IsRecording() {
		r.try.SetAttributes(attribute.Float64(tryConnect, a.Connect.Seconds()), attribute.Bool(tryReused, a.Reused))
		if a.Status != 0 {
			r.try.SetAttributes(attribute.Int(httpStatus, a.Status))
		}
		if a.TTFT > 0 && r.stream {
			r.try.SetAttributes(attribute.Float64(timeToFirstChunk, a.TTFT.Seconds()))
		}
		if a.Rescue {
			r.try.SetAttributes(attribute.Bool(tryRescue, true))
		}
		if failure != "" {
			r.try.SetAttributes(attribute.String(errorType, failure))
			r.try.SetStatus(codes.Error, text(a.Reason))
		}
	}
	r.try.End(trace.WithTimestamp(r.begun.Add(a.Total)))
	r.try = nil
	attributes := r.about(a.Target)
	if failure != "" {
		attributes = append(attributes, attribute.String(errorType, failure))
	}
	r.t.operation.Record(r.in(), a.Total.Seconds(), metric.WithAttributes(attributes...))
}

// Answer is how a request ended.
type Answer struct {
	Status int
	// Cache is what the cache step did; empty: there is none.
	Cache string
	// Took is from the request's first byte to the answer's last, First to its
	// first content; 0: there was none, or it is no stream.
	Took, First time.Duration
	Forward     *upstream.Outcome
}

// Finish ends a request that began at start.
func (r *Request) Finish(start time.Time, a *Answer) {
	if r == nil {
		return
	}
	defer r.t.open.Done()
	f := a.Forward
	attributes := []attribute.KeyValue{attribute.String(operationName, operation(r.endpoint))}
	if f.Target != nil {
		attributes = append(r.about(f.Target), attribute.String(responseModel, f.Target.Model))
	}
	failure := ""
	switch {
	case a.Status >= http.StatusBadRequest:
		failure = strconv.Itoa(a.Status)
	case f.Committed && !f.Complete:
		failure = otherError // it broke off, or its client left
	}
	if failure != "" {
		attributes = append(attributes, attribute.String(errorType, failure))
	}
	ctx := r.in()
	measured := metric.WithAttributeSet(attribute.NewSet(attributes...))
	r.t.request.Record(ctx, a.Took.Seconds(), measured)
	if a.First > 0 {
		r.t.firstly.Record(ctx, a.First.Seconds(), measured)
	}
	if u := &f.Usage; f.Target != nil && u.Input+u.Output > 0 {
		about := r.about(f.Target)
		about = append(about, attribute.String(responseModel, f.Target.Model))
		for _, n := range []struct {
			kind   string
			tokens int64
		}{{typeInput, u.Input}, {typeOutput, u.Output}} {
			r.t.tokens.Record(ctx, n.tokens, metric.WithAttributes(append(about[:len(about):len(about)], attribute.String(tokenType, n.kind))...))
		}
		r.span.SetAttributes(attribute.Int64(inputTokens, u.Input), attribute.Int64(outputTokens, u.Output))
		if u.Cached > 0 {
			r.span.SetAttributes(attribute.Int64(cachedTokens, u.Cached))
		}
		if u.Reasoning > 0 {
			r.span.SetAttributes(attribute.Int64(reasoningTokens, u.Reasoning))
		}
	}
	if r.span.IsRecording() {
		r.describe(a, failure)
	}
	r.span.End(trace.WithTimestamp(start.Add(a.Took)))
}

// describe completes the request's span.
func (r *Request) describe(a *Answer, failure string) {
	f := a.Forward
	r.span.SetAttributes(
		attribute.Int(httpStatus, a.Status), attribute.Int(attemptsCount, len(f.Attempts)),
	)
	if f.Target != nil {
		r.span.SetAttributes(
			attribute.String(providerName, provider(f.Target.Channel.Config.Provider.Name)),
			attribute.String(channelName, f.Target.Channel.Config.Name), attribute.String(responseModel, f.Target.Model),
		)
	}
	if a.First > 0 {
		r.span.SetAttributes(attribute.Float64(timeToFirstChunk, a.First.Seconds()))
	}
	if a.Cache != "" {
		r.span.SetAttributes(attribute.String(cacheResult, a.Cache))
	}
	if failure == "" {
		return
	}
	r.span.SetAttributes(attribute.String(errorType, failure))
	// A span of a server is an error only where the server is to blame.
	if a.Status >= http.StatusInternalServerError || a.Status < http.StatusBadRequest {
		why := ""
		if f.Err != nil {
			why = text(f.Err.Message)
		}
		r.span.SetStatus(codes.Error, why)
	}
}

// about is what metrics and spans say of a target. The model is one that the
// configuration or a provider names, never what a client made up.
func (r *Request) about(t *board.Target) []attribute.KeyValue {
	return append(make([]attribute.KeyValue, 0, 12),
		attribute.String(operationName, operation(r.endpoint)),
		attribute.String(providerName, provider(t.Channel.Config.Provider.Name)),
		attribute.String(requestModel, t.Model),
	)
}

// address of a server by its URL.
func address(base string) []attribute.KeyValue {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	port := 443
	if u.Scheme == "http" {
		port = 80
	}
	if n, err := strconv.Atoi(u.Port()); err == nil {
		port = n
	}
	return []attribute.KeyValue{attribute.String(serverAddress, u.Hostname()), attribute.Int(serverPort, port)}
}
