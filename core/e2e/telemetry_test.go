package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// collector takes OTLP as protobuf over HTTP.
type collector struct {
	mu      sync.Mutex
	spans   []*spanpb.Span
	metrics map[string]bool
	all     strings.Builder // every byte that came
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Write(body)
	switch r.URL.Path {
	case "/v1/traces":
		var q tracepb.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &q)
		for _, res := range q.GetResourceSpans() {
			for _, s := range res.GetScopeSpans() {
				c.spans = append(c.spans, s.GetSpans()...)
			}
		}
	case "/v1/metrics":
		var q metricspb.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &q)
		for _, res := range q.GetResourceMetrics() {
			for _, s := range res.GetScopeMetrics() {
				for _, m := range s.GetMetrics() {
					c.metrics[m.GetName()] = true
				}
			}
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// The tries of a call that equal requests share are below the first of them, also
// where that leaves before the others.
func TestTriesOfASharedCallHaveSpans(t *testing.T) {
	t.Parallel()
	c := &collector{metrics: make(map[string]bool)}
	collect := httptest.NewServer(c)
	t.Cleanup(collect.Close)
	g := startGated(t)
	r := startRouter(t, listen+"telemetry { endpoint = \""+collect.URL+"\" }\n"+tenants+
		channel("a", g.URL+"/v1", upstreamKey, `models = ["m"]`)+answersPipeline("dedupe = true"))
	const trace = "0123456789abcdef0123456789abcdef"
	first := r.begin(coldBody(true, "the same"), asUs("Traceparent", "00-"+trace+"-0123456789abcdef-01")...)
	wait(t, "the first is under way", func() bool { return g.calls.Load() == 1 })
	second := r.begin(coldBody(true, "the same"), asUs()...)
	wait(t, "the second takes part", func() bool { return r.deduplicated() == 1 })
	first.leave()
	<-first.ended
	g.release()
	if <-second.ended; second.err != nil {
		t.Fatal(second.err)
	}
	r.stop(syscall.SIGTERM)

	c.mu.Lock()
	defer c.mu.Unlock()
	var requests, tries int
	parents := make(map[string]bool)
	for _, s := range c.spans {
		if s.GetKind() == spanpb.Span_SPAN_KIND_SERVER && hex.EncodeToString(s.GetTraceId()) == trace {
			parents[hex.EncodeToString(s.GetSpanId())] = true
		}
	}
	for _, s := range c.spans {
		if s.GetKind() == spanpb.Span_SPAN_KIND_SERVER {
			requests++
		} else if tries++; !parents[hex.EncodeToString(s.GetParentSpanId())] {
			t.Errorf("%s is not below the first request", s.GetName())
		}
	}
	if requests != 2 || tries != 1 {
		t.Errorf("%d requests and %d tries have spans, want 2 and 1", requests, tries)
	}
}

// A caller's trace goes through the router to the upstreams, a span for the
// request and one for each try, and nothing in it is a secret or a prompt.
func TestTracesGoThrough(t *testing.T) {
	t.Parallel()
	c := &collector{metrics: make(map[string]bool)}
	collect := httptest.NewServer(c)
	t.Cleanup(collect.Close)
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	a.Break(wall.Status(503).On("/v1/chat").Every(2))
	r := startRouter(t, listen+`
telemetry {
  endpoint  = "`+collect.URL+`"
  propagate = true
}
`+channel("a", a.URL(), upstreamKey, "priority = 1")+channel("b", b.URL(), upstreamKey, "priority = 2"))
	const requests = 8
	const prompt = "a prompt that nobody else may see"
	for i := range requests {
		trace := fmt.Sprintf("00-%032x-%016x-01", i+1, i+101)
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", i%2 == 0, prompt), "Traceparent", trace)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, body)
		}
	}
	if resp, _, err := r.post(t.Context(), "/chat/completions", chatBody("unknown", false, prompt)); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Fatal(resp, err)
	}
	// What is left is sent at the end.
	r.stop(syscall.SIGTERM)

	c.mu.Lock()
	defer c.mu.Unlock()
	type key struct{ trace, span string }
	server, tries := make(map[key]*spanpb.Span), make(map[key]*spanpb.Span)
	perTrace := make(map[string]int)
	for _, s := range c.spans {
		k := key{hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId())}
		if s.GetKind() == spanpb.Span_SPAN_KIND_SERVER {
			server[k] = s
		} else {
			tries[k] = s
			perTrace[k.trace]++
		}
	}
	if len(server) != requests+1 {
		t.Errorf("%d requests have spans, and %d were sent", len(server), requests+1)
	}
	sent := 0
	for _, w := range []*wall.Wall{a, b} {
		for _, q := range w.Requests() {
			if !strings.HasSuffix(q.Path, "/chat/completions") {
				continue
			}
			sent++
			parts := strings.Split(q.Header.Get("Traceparent"), "-")
			if len(parts) != 4 {
				t.Fatalf("an upstream was sent %v", q.Header)
			}
			try := tries[key{parts[1], parts[2]}]
			if try == nil || server[key{parts[1], hex.EncodeToString(try.GetParentSpanId())}] == nil {
				t.Errorf("%s names no try below a request: %v", q.Header.Get("Traceparent"), try)
			}
		}
	}
	if len(tries) != sent || sent <= requests {
		t.Errorf("%d tries have spans, and upstreams got %d", len(tries), sent)
	}
	for i := range requests {
		if perTrace[fmt.Sprintf("%032x", i+1)] == 0 {
			t.Errorf("no try is in the trace of request %d", i)
		}
	}
	for _, name := range []string{
		"gen_ai.client.token.usage", "gen_ai.client.operation.duration", "gen_ai.server.request.duration", "gen_ai.server.time_to_first_token",
	} {
		if !c.metrics[name] {
			t.Errorf("no metric %s in %v", name, c.metrics)
		}
	}
	for _, secret := range []string{prompt, upstreamKey} {
		if strings.Contains(c.all.String(), secret) {
			t.Errorf("the collector was told %q", secret)
		}
	}
}

// A collector that is not there costs no request and no end; and without
// propagate no upstream hears of a trace.
func TestDeadCollectorHarmsNobody(t *testing.T) {
	t.Parallel()
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+`
telemetry {
  endpoint = "`+wall.Dead(t)+`"
  interval = "50ms"
  timeout  = "1s"
}
`+channel("a", a.URL(), upstreamKey))
	if errs := r.load(t.Context(), 4, 40, "m"); len(errs) > 0 {
		t.Error(errs)
	}
	wait(t, "the log says that nothing is exported", func() bool { return strings.Contains(r.log.String(), "not exported") })
	r.stop(syscall.SIGTERM)
	for _, q := range a.Requests() {
		if q.Header.Get("Traceparent") != "" {
			t.Errorf("%s was sent a trace that is the router's own", q.Path)
		}
	}
}
