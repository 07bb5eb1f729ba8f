package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// doors counts an upstream's connections.
type doors struct {
	mu           sync.Mutex
	opened, open int
}

func (d *doors) watch(_ net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew:
		d.opened++
		d.open++
	case http.StateClosed:
		d.open--
	}
}

func (d *doors) count() (opened, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened, d.open
}

// counted is an upstream that counts its connections.
func counted(t *testing.T, do http.HandlerFunc) (string, *doors) {
	t.Helper()
	d := &doors{}
	s := httptest.NewUnstartedServer(do)
	s.Config.ConnState = d.watch
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, d
}

// until polls for what must be so soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// TestPoolBreathes: more connections than max_idle stay open as long as they
// are needed, and no longer.
func TestPoolBreathes(t *testing.T) {
	t.Parallel()
	const clients, rounds, keep = 16, 20, 2
	// All clients of a round are there at the same time, as they wait for each
	// other: each needs a connection, and then all are idle at once.
	var gate *sync.WaitGroup
	url, d := counted(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		gate.Done()
		gate.Wait()
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	})
	l := newLab(t, spec{url: url, change: func(c *config.Channel) {
		c.Pool.MaxIdle, c.Pool.ShrinkAfter = keep, 300*time.Millisecond
	}})
	seen := &conns{}
	l.dispatcher.observer = seen
	for range rounds {
		gate = &sync.WaitGroup{}
		gate.Add(clients)
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete {
					t.Errorf("outcome %+v", out)
				}
			})
		}
		all.Wait()
	}
	// One may be in the making when another becomes free.
	if opened, _ := d.count(); opened > 2*clients {
		t.Errorf("%d connections for %d clients in %d rounds", opened, clients, rounds)
	}
	if seen.fresh+seen.reused != clients*rounds || seen.fresh > 2*clients {
		t.Errorf("%d new and %d reused connections", seen.fresh, seen.reused)
	}
	until(t, "the surplus is closed", func() bool { _, open := d.count(); return open <= keep })
	gate = &sync.WaitGroup{}
	gate.Add(1)
	out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	if !out.Complete || !out.Attempts[0].Reused {
		t.Errorf("after the quiet: %+v", out)
	}
}

// TestTrimHarmsNobody: a connection that is closed for being idle just when a
// request takes it costs the request nothing.
func TestTrimHarmsNobody(t *testing.T) {
	t.Parallel()
	url, d := counted(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	})
	l := newLab(t, spec{url: url, change: func(c *config.Channel) {
		c.Pool.MaxIdle, c.Pool.ShrinkAfter = 0, time.Nanosecond
	}})
	to, err := l.dispatcher.pools.route(url+"/chat/completions", l.targets[0].Channel.Config)
	if err != nil {
		t.Fatal(err)
	}
	// Our own client closes no connection that a request could be taking.
	theirs := newNetTransport(&to.pool.settings, guard{host: "127.0.0.1", plain: true}, nil, nil)
	to.pool.transport = theirs
	trimmed := func() bool { opened, _ := d.count(); return opened > 16 }
	done := make(chan struct{})
	var trims, all sync.WaitGroup
	trims.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				theirs.idlers.trim()
				runtime.Gosched()
			}
		}
	})
	for range 8 {
		all.Go(func() {
			// A busy machine gives the trims their turns late.
			for n := 0; n < 40 || n < 4000 && !trimmed(); n++ {
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete || len(out.Attempts) != 1 {
					t.Errorf("outcome %+v", out)
				}
			}
		})
	}
	all.Wait()
	close(done)
	trims.Wait()
	if !trimmed() {
		t.Error("hardly any connection was closed while it was idle")
	}
	l.settled()
}

// TestUses: net/http tells that a connection is idle when the next request may
// have it already. Only the last use counts.
func TestUses(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	s := &idlers{keep: 0, after: time.Hour}
	c := &conn{Conn: near, idlers: s}
	s.rest(c, 0)
	first := s.use(c)
	second := s.use(c)
	if s.rest(c, first); len(s.conns) != 0 {
		t.Error("a connection in use is taken for idle")
	}
	if s.rest(c, second); len(s.conns) != 1 {
		t.Error("an idle connection is not noted")
	}
	s.after = 0
	if out := s.surplus(); len(out) != 1 || len(s.conns) != 0 {
		t.Errorf("%d to close, %d stay", len(out), len(s.conns))
	}
	if _, err := c.Write([]byte("late")); err != net.ErrClosed {
		t.Errorf("written to a connection that is being closed: %v", err)
	}
	c.Close()
	if s.rest(c, second); len(s.conns) != 0 {
		t.Error("a closed connection is noted")
	}
}

// TestWarmUp: the first request of a channel makes no handshake.
func TestWarmUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		http2 bool
	}{{name: "HTTP/2", http2: true}, {name: "HTTP/1.1"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := &doors{}
			got := make(chan *http.Request, 8)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got <- r
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodHead {
					w.WriteHeader(404)
				}
				io.WriteString(w, answered)
			}))
			s.EnableHTTP2, s.Config.ConnState, s.Config.ErrorLog = tc.http2, d.watch, quietLog()
			s.StartTLS()
			t.Cleanup(s.Close)
			later := func(c *config.Channel) { c.Priority = 20 }
			off := func(c *config.Channel) { c.Off = "no key" }
			l := newLab(t, spec{url: s.URL + "/off", change: off}, spec{url: s.URL + "/later", change: later}, at(s.URL+"/a"), at(s.URL+"/b"))
			l.dispatcher.pools.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			l.dispatcher.WarmUp(t.Context(), 2)
			if opened, open := d.count(); opened != 2 || open != 2 {
				t.Fatalf("%d connections made, %d open", opened, open)
			}
			for range 2 {
				if r := <-got; r.Method != http.MethodHead || r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
					t.Errorf("warmed up by %s %s with %v", r.Method, r.URL, r.Header)
				}
			}
			for i, reused := range []bool{false, true, true} {
				l.targets, l.fallback = l.board.View().Targets[i:i+1], []int{0}
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete || out.Attempts[0].Reused != reused {
					t.Errorf("%s: %+v", l.targets[0].Name(), out)
				}
			}
			l.dispatcher.WarmUp(t.Context(), 0)
			if opened, _ := d.count(); opened != 3 {
				t.Errorf("%d connections made", opened)
			}
		})
	}
	t.Run("what is away harms nobody", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, at("http://127.0.0.1:1"), at("http://127.0.0.1:1"))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		l.dispatcher.WarmUp(ctx, 5)
		for _, x := range l.targets {
			if x.Ban() != nil || x.Channel.Availability() != nil {
				t.Errorf("%s is blamed", x.Name())
			}
		}
	})
}
