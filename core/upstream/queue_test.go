package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestMaxInFlight: a channel never works on more than it may, however many
// come, and every one is answered in the end.
func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	const limit, clients = 3, 40
	var now, most atomic.Int64
	url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		defer now.Add(-1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	})
	l := newLab(t, spec{url: url, change: func(c *config.Channel) { c.MaxInFlight = limit }})
	seen := &conns{}
	l.dispatcher.observer = seen
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range 5 {
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete || len(out.Attempts) != 1 {
					t.Errorf("outcome %+v", out)
				}
			}
		})
	}
	all.Wait()
	// The upstream's own count goes down a little after its answer is read.
	if most.Load() > 2*limit || seen.queued == 0 || seen.unserved != 0 {
		t.Errorf("%d at once, %d waited, %d in vain", most.Load(), seen.queued, seen.unserved)
	}
	if n := l.targets[0].Channel.Queued(); n != 0 {
		t.Errorf("%d still in line", n)
	}
	l.settled()
}

// TestQueue: a full channel means the next target at once; only where all are
// full the request waits, and then for the first that has a place.
func TestQueue(t *testing.T) {
	t.Parallel()
	one := func(c *config.Channel) { c.MaxInFlight, c.Queue, c.Timeouts.Pool = 1, 1, 10*time.Second }
	slow := func(d time.Duration) [][]step { return [][]step{{{d, whole(answered)}}, {{0, whole(answered)}}} }
	start := func(t *testing.T, l *lab, ctx context.Context) <-chan Outcome {
		done := make(chan Outcome, 1)
		c := l.call(sdk.Chat, http.Header{}, []byte(question))
		go func() { done <- l.dispatcher.Forward(ctx, newRecorder(), c, l.plan()) }()
		synctest.Wait()
		return done
	}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, l *lab, seen *conns)
	}{
		{name: "the next target at once", do: func(t *testing.T, l *lab, _ *conns) {
			start(t, l, t.Context())
			begun := time.Now()
			if out := <-start(t, l, t.Context()); !out.Complete || out.Target != l.targets[1] || time.Since(begun) != 2*time.Second {
				t.Errorf("after %s: %+v", time.Since(begun), out)
			}
		}},
		{name: "the first that has a place", do: func(t *testing.T, l *lab, seen *conns) {
			start(t, l, t.Context())
			start(t, l, t.Context())
			begun := time.Now()
			out := <-start(t, l, t.Context())
			if !out.Complete || out.Target != l.targets[1] || len(out.Attempts) != 1 || time.Since(begun) != 2*time.Second || seen.queued != 1 {
				t.Errorf("after %s: %+v", time.Since(begun), out)
			}
		}},
		{name: "the line is full", do: func(t *testing.T, l *lab, seen *conns) {
			for range 3 {
				start(t, l, t.Context())
			}
			// The third stands in both lines, each of which has room for one.
			begun := time.Now()
			out := <-start(t, l, t.Context())
			if out.Err == nil || out.Err.Status != 429 || out.Err.Code != "router_busy" || out.RetryAfter < time.Second || time.Since(begun) != 0 || len(out.Attempts) != 0 || seen.unserved != 1 {
				t.Errorf("after %s: %+v", time.Since(begun), out)
			}
		}},
		{name: "who leaves makes room", do: func(t *testing.T, l *lab, seen *conns) {
			start(t, l, t.Context())
			start(t, l, t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			third := start(t, l, ctx)
			cancel()
			if out := <-third; out.Err != nil || out.Committed || l.targets[0].Channel.Queued() != 0 {
				t.Errorf("the one who left: %+v", out)
			}
			if out := <-start(t, l, t.Context()); !out.Complete {
				t.Errorf("outcome %+v", out)
			}
		}},
		{name: "not for ever", do: func(t *testing.T, l *lab, _ *conns) {
			// Those under way take longer than the wait may.
			for _, x := range l.targets {
				x.Channel.Config.Timeouts.Pool = time.Second
			}
			start(t, l, t.Context())
			start(t, l, t.Context())
			begun := time.Now()
			if out := <-start(t, l, t.Context()); out.Err == nil || out.Err.Status != 429 || time.Since(begun) != time.Second {
				t.Errorf("after %s: %+v", time.Since(begun), out)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := scripted(t, slow(5*time.Second), slow(2*time.Second))
				for _, x := range l.targets {
					one(x.Channel.Config)
				}
				seen := &conns{}
				l.dispatcher.observer = seen
				tc.do(t, l, seen)
				time.Sleep(time.Minute) // of made-up time: all that is under way ends
				l.dispatcher.Close()
				l.settled()
			})
		})
	}
}

// TestPoolQueue: those who wait for a connection are no more than the queue has
// room for.
func TestPoolQueue(t *testing.T) {
	t.Parallel()
	busy := wall.Start(t, wall.Faults(wall.Silent().Times(1)))
	l := newLab(t, spec{url: busy.URL(), change: func(c *config.Channel) { c.Pool.MaxConnections, c.Queue = 1, 1 }})
	to, err := l.dispatcher.pools.route(busy.URL()+"/chat/completions", l.targets[0].Channel.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	forward := func(ctx context.Context) Outcome {
		return l.dispatcher.Forward(ctx, newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	}
	all.Go(func() { forward(ctx) })
	if err := busy.Wait(ctx, func(r []wall.Request) bool { return len(r) == 1 }); err != nil {
		t.Fatal(err)
	}
	all.Go(func() {
		if out := forward(t.Context()); !out.Complete {
			t.Errorf("the one who waits: %+v", out)
		}
	})
	until(t, "one waits", func() bool { return to.pool.queued() == 1 })
	if out := forward(t.Context()); out.Err == nil || out.Err.Status != 429 {
		t.Errorf("behind the end of the line: %+v", out)
	}
	cancel()
	all.Wait()
	l.settled()
}

// TestHTTP2Connections: max_connections bounds connections, not requests. One
// that is full of streams is a full pool.
func TestHTTP2Connections(t *testing.T) {
	t.Parallel()
	const streams = 3
	hold := make(chan struct{})
	d := &doors{}
	var held atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") == "hold" {
			held.Add(1)
			<-hold
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	}))
	s.EnableHTTP2, s.Config.ConnState, s.Config.ErrorLog = true, d.watch, quietLog()
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.StartTLS()
	t.Cleanup(s.Close)
	free := wall.Start(t)
	change := func(c *config.Channel) { c.Pool.MaxConnections = 1 }
	both := newLab(t, spec{url: s.URL, change: change}, at(free.URL()))
	both.dispatcher.pools.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	forward := func(l Targets, header http.Header) Outcome {
		return both.dispatcher.Forward(t.Context(), newRecorder(), both.call(sdk.Chat, header, []byte(question)), l)
	}
	alone := func() Targets { return &plan{lab: &lab{targets: both.targets[:1], fallback: []int{0}}} }

	if out := forward(alone(), http.Header{}); !out.Complete {
		t.Fatalf("outcome %+v", out)
	}
	var all sync.WaitGroup
	for range streams {
		all.Go(func() { forward(alone(), http.Header{"Idempotency-Key": {"hold"}}) })
	}
	until(t, "all streams are in use", func() bool { return held.Load() == streams })
	if out := forward(both.plan(), http.Header{}); !out.Complete || out.Target != both.targets[1] || len(out.Attempts) != 1 {
		t.Errorf("the next target: %+v", out)
	}
	all.Go(func() {
		if out := forward(alone(), http.Header{}); !out.Complete || len(out.Attempts) != 1 || !out.Attempts[0].Reused {
			t.Errorf("waits for a stream: %+v", out)
		}
	})
	to, err := both.dispatcher.pools.route(s.URL+"/chat/completions", both.targets[0].Channel.Config)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "one waits", func() bool { return to.pool.queued() == 1 })
	both.targets[0].Channel.Config.Timeouts.Pool = 2 * streamPoll
	if out := forward(alone(), http.Header{}); out.Err == nil || out.Err.Status != 429 || out.Target != nil || len(out.Attempts) != 0 {
		t.Errorf("not for ever: %+v", out)
	}
	close(hold)
	all.Wait()
	if opened, _ := d.count(); opened != 1 || both.targets[0].ErrorRate() != 0 {
		t.Errorf("%d connections, error rate %v", opened, both.targets[0].ErrorRate())
	}
	both.settled()
}
