package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// gated is a provider that begins an answer and ends it when it is told to.
type gated struct {
	*httptest.Server
	calls, left atomic.Int64
	open        chan struct{}
	once        sync.Once
}

func startGated(t *testing.T) *gated {
	g := &gated{open: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"x"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := g.calls.Add(1)
		stream := bytes.Contains(body, []byte(`"stream":true`))
		if stream {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"id\":\"c%d\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"begin \"},\"finish_reason\":null}]}\n\n", n)
			w.(http.Flusher).Flush()
		}
		select {
		case <-g.open:
		case <-r.Context().Done():
			g.left.Add(1)
			return
		}
		if stream {
			fmt.Fprintf(w, "data: {\"id\":\"c%d\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"end\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", n)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c%d","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"begin end"},"finish_reason":"stop"}]}`, n)
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Server.Close)
	t.Cleanup(g.release)
	return g
}

func (g *gated) release() { g.once.Do(func() { close(g.open) }) }

func startDeduping(t *testing.T, g *gated, attributes string) *router {
	t.Helper()
	return startRouter(t, listen+tenants+channel("a", g.URL+"/v1", upstreamKey, `models = ["m"]`)+answersPipeline("dedupe = true\n"+attributes))
}

// coldBody is a chat that is to be answered always alike.
func coldBody(stream bool, text string) []byte {
	b, _ := json.Marshal(map[string]any{
		"model": "m", "stream": stream, "temperature": 0, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	return b
}

// part is a request under way.
type part struct {
	leave context.CancelFunc
	ended chan struct{}
	cache string
	body  string
	err   error
}

func (r *router) begin(body []byte, header ...string) *part {
	ctx, cancel := context.WithTimeout(r.t.Context(), waitLimit)
	p := &part{leave: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		defer cancel()
		resp, answer, err := r.post(ctx, "/chat/completions", body, header...)
		p.err, p.body = err, string(answer)
		if resp != nil {
			p.cache = resp.Header.Get("X-Cache")
			if resp.StatusCode != http.StatusOK {
				p.err = fmt.Errorf("%s: %s", resp.Status, answer)
			}
		}
	}()
	return p
}

func (r *router) deduplicated() float64 {
	r.t.Helper()
	return r.metric("smartrouter_deduplicated_total")
}

func TestFiftyEqualRequestsAreOneCall(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			t.Parallel()
			g := startGated(t)
			r := startDeduping(t, g, "")
			const clients = 50
			var all []*part
			for range clients {
				all = append(all, r.begin(coldBody(stream, "the same"), asUs()...))
			}
			wait(t, "all but one take part", func() bool { return r.deduplicated() == clients-1 })
			g.release()
			shared := 0
			for _, p := range all {
				<-p.ended
				whole := strings.Contains(p.body, "begin") && strings.Contains(p.body, "end") && strings.Contains(p.body, `"c1"`)
				if p.err != nil || !whole || stream && !strings.HasSuffix(p.body, "data: [DONE]\n\n") || !stream && !json.Valid([]byte(p.body)) {
					t.Errorf("%v: %s", p.err, p.body)
				}
				if p.cache == "shared" {
					shared++
				}
			}
			if n := g.calls.Load(); n != 1 || shared != clients-1 {
				t.Errorf("%d upstream calls, %d answers say that they were shared", n, shared)
			}
			r.counts(clients, "smartrouter_requests_total", `status="200"`)
		})
	}
}

func TestTheLeaderOfASharedCallLeaves(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			t.Parallel()
			g := startGated(t)
			r := startDeduping(t, g, `ttl = "10m"`)
			leader := r.begin(coldBody(stream, "the same"), asUs()...)
			wait(t, "the call has begun", func() bool { return g.calls.Load() == 1 })
			var others []*part
			for range 5 {
				others = append(others, r.begin(coldBody(stream, "the same"), asUs()...))
			}
			wait(t, "the others take part", func() bool { return r.deduplicated() == 5 })
			leader.leave()
			<-leader.ended
			wait(t, "the router has noticed", func() bool { return r.metric("smartrouter_requests_cancelled_total") == 1 })
			g.release()
			for _, p := range others {
				if <-p.ended; p.err != nil || !strings.Contains(p.body, "end") {
					t.Errorf("%v: %s", p.err, p.body)
				}
			}
			if g.calls.Load() != 1 || g.left.Load() != 0 {
				t.Errorf("%d upstream calls, %d of them ended early", g.calls.Load(), g.left.Load())
			}
			// The answer was kept although nobody who began it was left.
			if got, _, _ := r.asks(coldBody(stream, "the same"), asUs()...); got != "hit" {
				t.Errorf("then %s", got)
			}
		})
	}
}

func TestAllLeaveASharedCall(t *testing.T) {
	t.Parallel()
	g := startGated(t)
	r := startDeduping(t, g, "")
	var all []*part
	for range 5 {
		all = append(all, r.begin(coldBody(true, "the same"), asUs()...))
	}
	wait(t, "all take part", func() bool { return r.deduplicated() == 4 && g.calls.Load() == 1 })
	for _, p := range all {
		p.leave()
	}
	wait(t, "the upstream call has ended", func() bool { return g.left.Load() == 1 })
	// What comes after is a call of its own.
	next := r.begin(coldBody(true, "the same"), asUs()...)
	wait(t, "a second call", func() bool { return g.calls.Load() == 2 })
	g.release()
	if <-next.ended; next.err != nil || next.cache != "" {
		t.Errorf("%v, x-cache %q", next.err, next.cache)
	}
}

func TestWhatIsNotEqualIsNotShared(t *testing.T) {
	t.Parallel()
	g := startGated(t)
	r := startDeduping(t, g, "")
	warm := bytes.Replace(coldBody(false, "x"), []byte(`"temperature":0`), []byte(`"temperature":0.7`), 1)
	unsaid := bytes.Replace(coldBody(false, "x"), []byte(`,"temperature":0`), nil, 1)
	several := bytes.Replace(coldBody(false, "x"), []byte(`{`), []byte(`{"n":2,`), 1)
	var all []*part
	for _, body := range [][]byte{coldBody(false, "x"), coldBody(true, "x"), coldBody(false, "y"), warm, warm, unsaid, unsaid, several, several} {
		all = append(all, r.begin(body, asUs()...))
	}
	all = append(all, r.begin(coldBody(false, "x"), "Authorization", "Bearer sk-them"),
		r.begin(coldBody(false, "x"), asUs("Cache-Control", "no-cache")...))
	wait(t, "each has a call of its own", func() bool { return g.calls.Load() == int64(len(all)) })
	g.release()
	for _, p := range all {
		if <-p.ended; p.err != nil || p.cache == "shared" {
			t.Errorf("%v, x-cache %q", p.err, p.cache)
		}
	}
	if n := r.deduplicated(); n != 0 {
		t.Errorf("%v were shared", n)
	}
}
