package telemetry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	datapb "go.opentelemetry.io/proto/otlp/metrics/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// collector takes OTLP by both protocols.
type collector struct {
	mu      sync.Mutex
	spans   []*spanpb.Span
	service string
	metrics map[string]*datapb.Metric
	auth    []string
}

func (c *collector) took(auth string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.auth = append(c.auth, auth)
}

func (c *collector) traces(q *tracepb.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range q.GetResourceSpans() {
		c.service = text(r.GetResource().GetAttributes(), "service.name")
		for _, s := range r.GetScopeSpans() {
			c.spans = append(c.spans, s.GetSpans()...)
		}
	}
}

func (c *collector) figures(q *metricspb.ExportMetricsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range q.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				c.metrics[m.GetName()] = m
			}
		}
	}
}

func text(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return strings.Trim(strings.TrimPrefix(a.GetValue().String(), "string_value:"), `"`)
		}
	}
	return ""
}

func number(attributes []*commonpb.KeyValue, key string) int64 {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetIntValue()
		}
	}
	return -1
}

type traceService struct {
	tracepb.UnimplementedTraceServiceServer
	*collector
}

func (s traceService) Export(ctx context.Context, q *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.took(strings.Join(md.Get("x-token"), ","))
	s.traces(q)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type metricsService struct {
	metricspb.UnimplementedMetricsServiceServer
	*collector
}

func (s metricsService) Export(ctx context.Context, q *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.took(strings.Join(md.Get("x-token"), ","))
	s.figures(q)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// ServeHTTP is OTLP as protobuf over HTTP.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	c.took(r.Header.Get("x-token"))
	var traces tracepb.ExportTraceServiceRequest
	var figures metricspb.ExportMetricsServiceRequest
	switch r.URL.Path {
	case "/base/v1/traces":
		err = proto.Unmarshal(body, &traces)
		c.traces(&traces)
	case "/base/v1/metrics":
		err = proto.Unmarshal(body, &figures)
		c.figures(&figures)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func overHTTP(t *testing.T, c *collector) string {
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL + "/base"
}

func overGRPC(t *testing.T, c *collector) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(s, traceService{collector: c})
	metricspb.RegisterMetricsServiceServer(s, metricsService{collector: c})
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return "http://" + l.Addr().String()
}

func target(channel string) *board.Target {
	return &board.Target{Model: "gpt", Upstream: "gpt-2026", Channel: &board.Channel{Config: &config.Channel{
		Name: channel, BaseURL: "https://llm.example.com/v1", Provider: &config.Provider{Name: "mistral"},
	}}}
}

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// A request that a first channel fails and a second one answers is three spans
// and the GenAI metrics.
func TestWhatACollectorGets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, protocol string
		collect        func(*testing.T, *collector) string
	}{
		{name: "protobuf over HTTP", protocol: "http", collect: overHTTP},
		{name: "gRPC", protocol: "grpc", collect: overGRPC},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := &collector{metrics: make(map[string]*datapb.Metric)}
			cfg := config.Defaults.Telemetry
			cfg.Endpoint, cfg.Protocol, cfg.Propagate, cfg.Service = test.collect(t, c), test.protocol, true, "mine"
			cfg.Headers = config.Env{"x-token": "sesame"}
			tel, err := telemetry.New(t.Context(), &cfg, "v1", hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			sent := answerOne(tel)
			if err := tel.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.check(t, sent)
		})
	}
}

// answerOne has a request fail once, and answers what the tries were sent.
func answerOne(tel *telemetry.Telemetry) []http.Header {
	start := time.Now().Add(-2 * time.Second)
	from := http.Header{"Traceparent": {"00-" + callersTrace + "-" + callersSpan + "-01"}, "Tracestate": {"vendor=1"}}
	r := tel.Begin(from, start, "d-1", sdk.Chat, "gpt\xff", true)
	a, b := target("a"), target("b")
	sent := []http.Header{{}, {}}
	first := upstream.Attempt{Target: a, Class: board.Upstream, Status: 503, Reason: "it said \xff no", Total: 500 * time.Millisecond}
	r.Begin(a, sent[0], start)
	r.End(&first)
	second := upstream.Attempt{Target: b, Status: 200, TTFT: time.Second, Total: 1500 * time.Millisecond, Reused: true}
	r.Begin(b, sent[1], start.Add(500*time.Millisecond))
	r.End(&second)
	r.Finish(start, &telemetry.Answer{
		Status: 200, Cache: "miss", Took: 2 * time.Second, First: 1500 * time.Millisecond,
		Forward: &upstream.Outcome{
			Target: b, Attempts: []upstream.Attempt{first, second}, Status: 200, Committed: true, Complete: true,
			Usage: wire.Usage{Input: 30, Output: 12, Total: 42, Cached: 5},
		},
	})
	return sent
}

func (c *collector) check(t *testing.T, sent []http.Header) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spans) != 3 || c.service != "mine" {
		t.Fatalf("%d spans of the service %q: %v", len(c.spans), c.service, c.spans)
	}
	for _, a := range c.auth {
		if a != "sesame" {
			t.Errorf("an export came with the token %q", a)
		}
	}
	first, second, request := c.spans[0], c.spans[1], c.spans[2]
	hex := func(id []byte) string {
		const digits = "0123456789abcdef"
		var b strings.Builder
		for _, x := range id {
			b.WriteByte(digits[x>>4])
			b.WriteByte(digits[x&15])
		}
		return b.String()
	}
	if hex(request.GetTraceId()) != callersTrace || hex(request.GetParentSpanId()) != callersSpan {
		t.Errorf("the request is in %x below %x", request.GetTraceId(), request.GetParentSpanId())
	}
	if took := request.GetEndTimeUnixNano() - request.GetStartTimeUnixNano(); took != uint64(2*time.Second) {
		t.Errorf("the request took %d ns", took)
	}
	for i, try := range []*spanpb.Span{first, second} {
		if hex(try.GetParentSpanId()) != hex(request.GetSpanId()) || try.GetKind() != spanpb.Span_SPAN_KIND_CLIENT || try.GetName() != "chat gpt-2026" {
			t.Errorf("try %d is %v", i+1, try)
		}
		if want := "00-" + callersTrace + "-" + hex(try.GetSpanId()) + "-01"; sent[i].Get("traceparent") != want || sent[i].Get("tracestate") != "vendor=1" {
			t.Errorf("try %d was sent %v, want %s", i+1, sent[i], want)
		}
	}
	if request.GetName() != "chat gpt" || request.GetKind() != spanpb.Span_SPAN_KIND_SERVER || request.GetStatus().GetCode() != spanpb.Status_STATUS_CODE_UNSET {
		t.Errorf("the request is %v", request)
	}
	for key, want := range map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral_ai", "gen_ai.request.model": "gpt",
		"gen_ai.response.model": "gpt", "smartrouter.channel": "b", "smartrouter.cache": "miss", "smartrouter.decision": "d-1",
	} {
		if got := text(request.GetAttributes(), key); got != want {
			t.Errorf("the request's %s is %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string]int64{"gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 12, "smartrouter.attempts": 2} {
		if got := number(request.GetAttributes(), key); got != want {
			t.Errorf("the request's %s is %d, want %d", key, got, want)
		}
	}
	if text(first.GetAttributes(), "error.type") != "upstream" || first.GetStatus().GetMessage() != "it said  no" ||
		first.GetStatus().GetCode() != spanpb.Status_STATUS_CODE_ERROR || text(second.GetAttributes(), "error.type") != "" {
		t.Errorf("the tries are\n%v\n%v", first, second)
	}
	if text(first.GetAttributes(), "server.address") != "llm.example.com" || number(second.GetAttributes(), "http.request.resend_count") != 1 {
		t.Errorf("the tries are\n%v\n%v", first, second)
	}
	for name, want := range map[string]struct {
		points int
		sum    float64
	}{
		"gen_ai.client.token.usage": {2, 42}, "gen_ai.client.operation.duration": {2, 2},
		"gen_ai.server.request.duration": {1, 2}, "gen_ai.server.time_to_first_token": {1, 1.5},
	} {
		points, sum := c.metrics[name].GetHistogram().GetDataPoints(), 0.0
		for _, p := range points {
			sum += p.GetSum()
		}
		if len(points) != want.points || sum != want.sum {
			t.Errorf("%s has %d points, %g together; want %d, %g", name, len(points), sum, want.points, want.sum)
		}
	}
}

func TestOffCostsNothing(t *testing.T) {
	cfg := config.Defaults.Telemetry
	tel, err := telemetry.New(t.Context(), &cfg, "", hclog.NewNullLogger())
	if tel != nil || err != nil {
		t.Fatalf("without an endpoint there is %v, %v", tel, err)
	}
	header, start := http.Header{}, time.Now()
	if n := testing.AllocsPerRun(100, func() {
		tel.Begin(header, start, "", sdk.Chat, "m", false).Finish(start, nil)
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
	if err := tel.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is not sampled is not exported, and is still told to upstreams as such.
func TestSampling(t *testing.T) {
	t.Parallel()
	c := &collector{metrics: make(map[string]*datapb.Metric)}
	cfg := config.Defaults.Telemetry
	cfg.Endpoint, cfg.Sample, cfg.Propagate = overHTTP(t, c), 0, true
	tel, err := telemetry.New(t.Context(), &cfg, "", hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	sent := http.Header{}
	r := tel.Begin(http.Header{}, start, "", sdk.Chat, "m", false)
	r.Begin(target("a"), sent, start)
	r.End(&upstream.Attempt{Target: target("a"), Status: 200})
	r.Finish(start, &telemetry.Answer{Status: 200, Forward: &upstream.Outcome{}})
	if err := tel.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spans) != 0 || len(c.metrics) == 0 {
		t.Errorf("%d spans and %d metrics came", len(c.spans), len(c.metrics))
	}
	if !strings.HasSuffix(sent.Get("traceparent"), "-00") {
		t.Errorf("upstreams are told %v", sent)
	}
}
