package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// serverLab is a client of net/http's server.
func serverLab(t testing.TB, secure bool, o Options, do http.HandlerFunc) *lab {
	t.Helper()
	s := httptest.NewUnstartedServer(do)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are meant to fail
	if secure {
		s.StartTLS()
		o.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		o.TLS.ServerName, o.TLS.NextProtos = "example.com", []string{"http/1.1"}
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return clientOf(t, o, s.Listener.Addr().String())
}

// TestReuse: connections are used again, the last one first, over TLS as well.
func TestReuse(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		l := serverLab(t, secure, Options{}, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.RemoteAddr)
		})
		first := l.ask(t, post("{}"))
		if first.err != nil || first.Reused || first.At.IsZero() {
			t.Fatalf("got %+v", first)
		}
		// Two at once need two connections. The one that ends last is used next.
		var open [2]*Response
		for i := range open {
			var err error
			if open[i], err = l.Do(t.Context(), post("{}")); err != nil || open[i].Reused != (i == 0) {
				t.Fatalf("got %+v, %v", open[i], err)
			}
		}
		text, err := io.ReadAll(open[1].Body)
		if err != nil {
			t.Fatal(err)
		}
		end(t, open[0].Body)
		for i := range 10 {
			if a := l.ask(t, post("{}")); a.err != nil || !a.Reused || a.body != first.body || a.body == string(text) {
				t.Errorf("request %d: %+v", i, a)
			}
		}
		if n := l.dials.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
	}
}

// end reads a body to its end, which gives its connection back.
func end(t *testing.T, b io.ReadCloser) {
	t.Helper()
	if _, err := io.Copy(io.Discard, b); err != nil {
		t.Error(err)
	}
	b.Close()
}

// TestThousand: a thousand requests over as many connections as are allowed.
func TestThousand(t *testing.T) {
	t.Parallel()
	const requests, connections = 1000, 32
	l := serverLab(t, false, Options{MaxIdle: connections}, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	})
	slots := make(chan struct{}, connections)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			body := strings.Repeat(itoa(i)+",", 1+i%3000)
			if a := l.ask(t, post(body)); a.err != nil || a.body != body {
				t.Errorf("request %d: %d bytes, %v", i, len(a.body), a.err)
			}
		})
	}
	all.Wait()
	if n := l.dials.Load(); n > connections {
		t.Errorf("%d connections, want at most %d", n, connections)
	}
}

// TestMaxIdle: no more than that many are kept.
func TestMaxIdle(t *testing.T) {
	t.Parallel()
	l := serverLab(t, false, Options{MaxIdle: 2}, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hi")
	})
	var open []*Response
	for range 5 {
		r, err := l.Do(t.Context(), post("{}"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	for _, r := range open {
		end(t, r.Body)
	}
	l.mu.Lock()
	n := len(l.idle)
	l.mu.Unlock()
	if n != 2 || l.dials.Load() < 3 {
		t.Errorf("%d are kept of %d", n, l.dials.Load())
	}
}

// TestIdleTimeout: unused connections are closed in time, by one timer, and not
// those that are used again and again.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = time.Minute
		var mu sync.Mutex
		closed := map[int]time.Duration{}
		begun := time.Now()
		l := piped(t, Options{IdleTimeout: timeout}, func(n int, c net.Conn) {
			answering(t, ok("a"), ok("b"), ok("c"), ok("d"))(n, c)
			io.Copy(io.Discard, c)
			mu.Lock()
			closed[n] = time.Since(begun)
			mu.Unlock()
		})
		var open []*Response
		for range 3 {
			r, err := l.Do(t.Context(), post("{}"))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, r)
		}
		for _, r := range open { // 2 is the last one, and the first to be used again
			end(t, r.Body)
		}
		for _, at := range []time.Duration{40 * time.Second, 80 * time.Second} {
			time.Sleep(at - time.Since(begun))
			if a := l.ask(t, post("{}")); a.err != nil || !a.Reused {
				t.Errorf("after %v: %+v", at, a)
			}
		}
		synctest.Wait()
		mu.Lock()
		if len(closed) != 2 || closed[0] != timeout || closed[1] != timeout {
			t.Errorf("closed: %v", closed)
		}
		mu.Unlock()
		time.Sleep(2 * timeout)
		synctest.Wait()
		mu.Lock()
		if closed[2] != 80*time.Second+timeout {
			t.Errorf("closed: %v", closed)
		}
		mu.Unlock()
		if a := l.ask(t, post("{}")); a.err != nil || a.Reused {
			t.Errorf("after all were closed: %+v", a)
		}
		l.CloseIdle()
	})
}

// TestShrink: what is above MaxIdle is kept as long as it is used now and then.
func TestShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := piped(t, Options{MaxIdle: 1, ShrinkAfter: time.Second, IdleTimeout: time.Minute}, func(n int, c net.Conn) {
			answering(t, ok("a"), ok("b"), ok("c"))(n, c)
			io.Copy(io.Discard, c)
		})
		round := func() {
			var open []*Response
			for range 4 {
				r, err := l.Do(t.Context(), post("{}"))
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, r)
			}
			for _, r := range open {
				end(t, r.Body)
			}
		}
		kept := func() int {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.idle)
		}
		for range 3 {
			round()
			time.Sleep(900 * time.Millisecond)
		}
		if kept() != 4 || l.dials.Load() != 4 {
			t.Errorf("%d are kept of %d", kept(), l.dials.Load())
		}
		time.Sleep(200 * time.Millisecond)
		if kept() != 1 {
			t.Errorf("%d are kept", kept())
		}
		time.Sleep(time.Minute)
		if kept() != 0 {
			t.Errorf("%d are kept", kept())
		}
		l.CloseIdle()
	})
}

// TestCloseIdle: what is in use is closed when it is not any more, until there
// is another request.
func TestCloseIdle(t *testing.T) {
	t.Parallel()
	l := serverLab(t, false, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hi")
	})
	a, err := l.Do(t.Context(), post("{}"))
	if err != nil {
		t.Fatal(err)
	}
	l.CloseIdle()
	end(t, a.Body)
	for i, reused := range []bool{false, true} {
		if a := l.ask(t, post("{}")); a.err != nil || a.Reused != reused {
			t.Errorf("request %d after it: %+v", i, a)
		}
	}
}

// TestHandshake: a certificate that is not the origin's, or a server that does
// not speak TLS, is no connection.
func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*tls.Config)
		server func(int, net.Conn)
	}{
		{name: "other name", change: func(c *tls.Config) { c.ServerName = "other.invalid" }},
		{name: "unknown authority", change: func(c *tls.Config) { c.RootCAs = nil }},
		{name: "no TLS", server: func(_ int, c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{name: "closed", server: func(int, net.Conn) {}},
		{name: "silent", server: func(_ int, c net.Conn) { io.Copy(io.Discard, c) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := Options{ConnectTimeout: 200 * time.Millisecond}
			var l *lab
			if tc.server != nil {
				o.TLS = &tls.Config{ServerName: "example.com"}
				l = newLab(t, o, tc.server)
			} else {
				l = serverLab(t, true, Options{}, func(http.ResponseWriter, *http.Request) {})
				tc.change(l.options.TLS)
			}
			a := l.ask(t, post("{}"))
			var dial *DialError
			if !errors.As(a.err, &dial) {
				t.Errorf("got %v", a.err)
			}
			var late net.Error
			if tc.name == "silent" && (!errors.As(a.err, &late) || !late.Timeout()) {
				t.Errorf("no time-out: %v", a.err)
			}
		})
	}
}

// TestResumption: a TLS session is resumed, so its tickets are no bytes that
// nobody asked for.
func TestResumption(t *testing.T) {
	t.Parallel()
	l := serverLab(t, true, Options{}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, map[bool]string{true: "resumed", false: "new"}[r.TLS.DidResume])
	})
	l.options.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i, want := range []string{"new", "new", "resumed"} {
		if i == 2 {
			l.CloseIdle()
		}
		if a := l.ask(t, post("{}")); a.err != nil || a.body != want || a.Reused != (i == 1) {
			t.Errorf("request %d: %+v", i, a)
		}
	}
}

// TestDial: why there was no connection is told, and that nothing was sent.
func TestDial(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	k := New(Options{Dial: func(context.Context) (net.Conn, error) { return nil, refused }})
	_, err := k.Do(t.Context(), post("{}"))
	var dial *DialError
	if !errors.As(err, &dial) || !errors.Is(err, refused) || err.Error() != "refused" {
		t.Errorf("got %v", err)
	}
}
