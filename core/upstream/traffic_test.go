package upstream

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestClientLeaves: the upstream learns it at once, and nobody is blamed.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault wall.Fault
		body  string
		bytes int // that the client reads before it leaves
	}{
		{name: "before the first byte", fault: wall.Silent(), body: question},
		{name: "before the first byte of a stream", fault: wall.Silent(), body: streamed},
		{name: "before the first content", fault: wall.StallAfter(1), body: streamed},
		{name: "in the middle", fault: wall.StallAfter(4), body: streamed, bytes: 20},
		{name: "before a slow answer", fault: wall.Latency(time.Hour), body: question},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Faults(tc.fault))
			l := newLab(t, at(w.URL()), at(w.URL()))
			url := l.serve()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			rctx, leave := context.WithCancel(ctx)
			defer leave()
			r, err := http.NewRequestWithContext(rctx, http.MethodPost, url+"/chat", strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				res, err := http.DefaultClient.Do(r)
				if err == nil {
					_, err = io.ReadFull(res.Body, make([]byte, tc.bytes))
					leave()
					res.Body.Close()
				}
				done <- err
			}()
			if err := w.Wait(ctx, func(r []wall.Request) bool { return len(r) == 1 }); err != nil {
				t.Fatal(err)
			}
			if tc.bytes == 0 {
				leave()
			}
			if err := <-done; tc.bytes > 0 && err != nil {
				t.Fatal(err)
			}
			if err := w.Wait(ctx, func(r []wall.Request) bool { return r[0].Ended }); err != nil {
				t.Fatal("the upstream was not told")
			}
			out := l.outcome()
			if len(out.Attempts) != 1 || out.Attempts[0].Class != board.None || out.Err != nil || out.Complete {
				t.Errorf("outcome %+v", out)
			}
			if l.targets[0].ErrorRate() != 0 || w.Counts().Requests != 1 {
				t.Error("the client's leaving is counted as the target's failure")
			}
			l.settled()
		})
	}
}

// TestShutdown: a stream that the router itself ends is told so.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(wall.StallAfter(4)))
	l := newLab(t, at(w.URL()))
	ctx, cancel := context.WithCancelCause(t.Context())
	rec := newRecorder()
	done := make(chan Outcome)
	go func() {
		done <- l.dispatcher.Forward(ctx, rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	}()
	rec.await(t, `"content"`)
	cancel(errors.New("drained"))
	out := <-done
	if text := rec.text(); !strings.HasSuffix(text, "}\n\n") || !strings.Contains(text, "The router is shutting down.") || strings.Contains(text, "DONE") {
		t.Errorf("client got %s", text)
	}
	if out.Complete || out.Err == nil || l.targets[0].ErrorRate() != 0 {
		t.Errorf("outcome %+v", out)
	}
	l.settled()
}

// TestReuse: 500 requests, 10 at a time, on few connections.
func TestReuse(t *testing.T) {
	t.Parallel()
	w := wall.Start(t)
	l := newLab(t, at(w.URL()))
	seen := &conns{}
	l.dispatcher.observer = seen
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for i := range 50 {
				body := question
				if i%2 == 0 {
					body = streamed
				}
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
				if !out.Complete {
					t.Errorf("outcome %+v", out)
				}
			}
		})
	}
	all.Wait()
	if n := w.Counts().Conns; n > 20 {
		t.Errorf("%d connections", n)
	}
	if got := seen.fresh + seen.reused; got != 500 || seen.fresh > 20 || seen.attempts != 500 {
		t.Errorf("observed %d new and %d reused connections, %d attempts", seen.fresh, seen.reused, seen.attempts)
	}
	l.settled()
}

// TestReuseAfterAnError: a short error body is read to its end, a long one
// costs the connection.
func TestReuseAfterAnError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		size   int
		reused bool
	}{
		{name: "short", size: 500, reused: true},
		{name: "long", size: 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(answering(t, 429, "application/json", strings.Repeat("x", tc.size))))
			var last Outcome
			for range 2 {
				last = l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
			}
			if last.Attempts[0].Reused != tc.reused || last.Attempts[0].Status != 429 {
				t.Errorf("attempts %+v", last.Attempts)
			}
		})
	}
}

// conns counts what an observer is told.
type conns struct {
	mu                      sync.Mutex
	fresh, reused, attempts int
	queued, unserved        int
	rescues                 []Rescue
}

func (c *conns) Queued(_ string, _ time.Duration, got bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if got {
		c.queued++
	} else {
		c.unserved++
	}
}

func (c *conns) Rescue(r Rescue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rescues = append(c.rescues, r)
}

func (c *conns) Attempt(*board.Target, board.Class, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
}

func (c *conns) Connection(_ string, reused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reused {
		c.reused++
	} else {
		c.fresh++
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := tlsServer(t)
	for _, tc := range []struct {
		name, proto string
		change      func(*config.Channel)
	}{
		{name: "where it is offered", proto: "HTTP/2.0"},
		{name: "unless it is off", proto: "HTTP/1.1", change: func(c *config.Channel) { c.Pool.HTTP2 = false }},
		{name: "with one connection only", proto: "HTTP/2.0", change: func(c *config.Channel) { c.Pool.MaxConnections = 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, spec{url: s.URL, change: tc.change})
			l.dispatcher.pools.roots = x509.NewCertPool()
			l.dispatcher.pools.roots.AddCert(s.Certificate())
			for i := range 3 {
				rec := newRecorder()
				out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete || rec.Header().Get("X-Upstream-Request-Id") != tc.proto || out.Attempts[0].Reused != (i > 0) {
					t.Errorf("%v, outcome %+v", rec.Header(), out)
				}
			}
			l.settled()
		})
	}
}

// TestStaleConnection: an upstream that closes an idle connection under a
// request, as at a restart, is asked again at once and not blamed.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	const answer = `{"id":"1","choices":[{"finish_reason":"stop"}]}`
	url := raw(t, func(n int, c net.Conn) {
		br := bufio.NewReader(c)
		for i := 0; ; i++ {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if n == 0 && i == 1 {
				c.(*net.TCPConn).SetLinger(0)
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	})
	l := newLab(t, at(url))
	for i := range 3 {
		out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
		want := 1
		if i == 1 {
			want = 2
		}
		if !out.Complete || len(out.Attempts) != want {
			t.Errorf("request %d: %+v", i, out)
		}
	}
	if l.targets[0].ErrorRate() != 0 {
		t.Error("the target is blamed for a stale connection")
	}
	l.settled()
}

// TestFullPool: a full pool means the next target, and a wait only where there
// is none.
func TestFullPool(t *testing.T) {
	t.Parallel()
	one := func(c *config.Channel) { c.Pool.MaxConnections = 1; c.Timeouts.Pool = patience }
	hurried := func(c *config.Channel) { one(c); c.Timeouts.Pool = 20 * time.Millisecond }

	hang := func(t *testing.T, l *lab, w *wall.Wall) (release func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.dispatcher.Forward(ctx, newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), &plan{lab: l})
		}()
		if err := w.Wait(ctx, func(r []wall.Request) bool { return len(r) == 1 && r[0].Fault != "" }); err != nil {
			t.Error(err)
		}
		return func() { cancel(); <-done }
	}
	t.Run("the next target", func(t *testing.T) {
		t.Parallel()
		busy, free := wall.Start(t, wall.Faults(wall.Silent().Times(1))), wall.Start(t)
		l := newLab(t, spec{url: busy.URL(), change: one}, at(free.URL()))
		defer hang(t, l, busy)()
		out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
		if !out.Complete || out.Target != l.targets[1] || len(out.Attempts) != 1 || l.targets[0].ErrorRate() != 0 {
			t.Errorf("outcome %+v", out)
		}
	})
	t.Run("waits for the last", func(t *testing.T) {
		t.Parallel()
		busy := wall.Start(t, wall.Faults(wall.Silent().Times(1)))
		l := newLab(t, spec{url: busy.URL(), change: one})
		release := hang(t, l, busy)
		done := make(chan Outcome)
		go func() {
			done <- l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
		}()
		release()
		if out := <-done; !out.Complete || len(out.Attempts) != 1 {
			t.Errorf("outcome %+v", out)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		t.Parallel()
		busy := wall.Start(t, wall.Faults(wall.Silent().Times(1)))
		l := newLab(t, spec{url: busy.URL(), change: hurried})
		defer hang(t, l, busy)()
		out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
		if out.Committed || out.Err == nil || out.Err.Status != 429 || out.RetryAfter < time.Second || len(out.Attempts) != 0 || l.targets[0].ErrorRate() != 0 {
			t.Errorf("outcome %+v", out)
		}
	})
}

// TestLargeStreams: a stream of any length goes through in constant memory, and
// one endless event does not fill it.
func TestLargeStreams(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	chunk := `data: {"id":"1","choices":[{"index":0,"delta":{"content":"` + strings.Repeat("a", 4<<10) + `"}}]}` + "\n\n"
	url := handled(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.URL.Path == "/line/chat/completions" {
			io.WriteString(w, chunk+"data: ")
			for n := 0; n < size; n += len(chunk) {
				if _, err := io.WriteString(w, strings.TrimSpace(chunk)); err != nil {
					return
				}
			}
			return
		}
		for n := 0; n < size; n += len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
		io.WriteString(w, "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	l := newLab(t, at(url))
	l.change = func(c *Call) { c.Rules.Rescue = config.RescueVerify } // which remembers the answer, up to its limit
	sink := &counter{header: http.Header{}, at: size / 2, check: func() { runtime.GC(); runtime.ReadMemStats(&after) }}
	out := l.dispatcher.Forward(t.Context(), sink, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if !out.Complete || sink.n < size {
		t.Errorf("%d bytes, outcome %+v", sink.n, out)
	}
	// Other tests run at the same time; 100 MB would still show.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d MB in the middle", grown>>20)
	}

	l = newLab(t, at(url+"/line"))
	rec := newRecorder()
	out = l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if out.Complete || out.Attempts[0].Class != board.Upstream || !strings.Contains(out.Attempts[0].Reason, "longer than") {
		t.Errorf("outcome %+v", out)
	}
	if text := rec.text(); len(text) > 2*len(chunk) || !strings.Contains(text, `"error":{`) {
		t.Errorf("client got %d bytes", len(text))
	}
}

// counter is a client that only counts.
type counter struct {
	header http.Header
	n, at  int
	check  func()
}

func (c *counter) Header() http.Header { return c.header }
func (c *counter) WriteHeader(int)     {}
func (c *counter) Flush()              {}

func (c *counter) Write(p []byte) (int, error) {
	if c.n < c.at && c.n+len(p) >= c.at && c.check != nil {
		c.check()
	}
	c.n += len(p)
	return len(p), nil
}

// recorder is a client that remembers, and can be looked at meanwhile.
type recorder struct {
	mu      sync.Mutex
	header  http.Header
	status  int
	body    strings.Builder
	changed chan struct{}
}

func newRecorder() *recorder {
	return &recorder{header: http.Header{}, changed: make(chan struct{}, 1)}
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) Flush()              {}

func (r *recorder) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body.Write(p)
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.String()
}

func (r *recorder) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for !strings.Contains(r.text(), text) {
		select {
		case <-r.changed:
		case <-late:
			t.Fatalf("no %q in %s", text, r.text())
		}
	}
}
