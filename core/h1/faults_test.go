package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestStale: a connection that was closed, reset or spoken on while it was
// unused is not used again, and nobody notices.
func TestStale(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		then func(c net.Conn)
	}{
		{name: "closed", then: func(c net.Conn) { c.Close() }},
		{name: "reset", then: func(c net.Conn) {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}},
		{name: "farewell", then: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			c.Close()
		}},
		{name: "one byte", then: func(c net.Conn) { io.WriteString(c, "\n") }},
		{name: "answer nobody asked for", then: func(c net.Conn) { io.WriteString(c, ok("evil")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Options{}, func(n int, c net.Conn) {
				r := bufio.NewReader(c)
				request(t, r)
				io.WriteString(c, ok("fine"))
				if n == 0 {
					tc.then(c)
				}
				request(t, r)
			})
			if a := l.ask(t, post("{}")); a.err != nil || a.body != "fine" {
				t.Fatalf("got %+v", a)
			}
			l.unfit(t)
			if a := l.ask(t, post("{}")); a.err != nil || a.body != "fine" || a.Reused {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// TestRequestLargerThanItsSocket: what does not go in at once goes in later, also
// on a connection that had a request before.
func TestRequestLargerThanItsSocket(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	l := newLab(t, Options{}, func(_ int, c net.Conn) {
		c.(*net.TCPConn).SetReadBuffer(1)
		r := bufio.NewReaderSize(c, 16)
		for {
			body, more := request(t, r)
			if !more {
				return
			}
			io.WriteString(c, ok(body))
			<-read // and not before
		}
	})
	dial := l.options.Dial
	l.options.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if err == nil {
			c.(*net.TCPConn).SetWriteBuffer(1)
		}
		return c, err
	}
	if a := l.ask(t, post("{}")); a.err != nil || a.body != "{}" {
		t.Fatalf("got %+v", a)
	}
	large := strings.Repeat("x", smallBody)
	time.AfterFunc(10*writeTick, func() { close(read) })
	if a := l.ask(t, post(large)); a.err != nil || a.body != large || !a.Reused {
		t.Errorf("got %v, %d bytes, used again: %v", a.err, len(a.body), a.Reused)
	}
}

// unfit waits until the client could see that it has no connection to use again.
// It may have seen it with the answer.
func (l *lab) unfit(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	kept := slices.Clone(l.idle)
	l.mu.Unlock()
	for _, k := range kept {
		until(t, "the connection is unfit", func() bool { return !k.fit() })
	}
}

// TestStaleTLS: the same, where TLS may hide it.
func TestStaleTLS(t *testing.T) {
	t.Parallel()
	s, trusting := trust(t)
	for _, tc := range []struct {
		name string
		then func(c *tls.Conn)
	}{
		{name: "closed", then: func(c *tls.Conn) { c.Close() }},
		{name: "torn", then: func(c *tls.Conn) { c.NetConn().Close() }},
		{name: "within its last answer", then: func(c *tls.Conn) { io.WriteString(c, ok("fine")+ok("evil")) }},
		{name: "behind its last answer", then: func(c *tls.Conn) {
			io.WriteString(c, ok("fine"))
			io.WriteString(c, ok("evil"))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Options{TLS: trusting}, func(n int, raw net.Conn) {
				c := tls.Server(raw, s)
				r := bufio.NewReader(c)
				request(t, r)
				if n > 0 || !strings.Contains(tc.name, "its") {
					io.WriteString(c, ok("fine"))
				}
				if n == 0 {
					tc.then(c)
				}
				request(t, r)
			})
			// Reading just what belongs to the answer leaves the rest with TLS.
			res, err := l.Do(t.Context(), post("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != "fine" {
				t.Fatalf("got %q, %v", b, err)
			}
			l.unfit(t)
			if a := l.ask(t, post("{}")); a.err != nil || a.body != "fine" || a.Reused {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// trust is what a server behind TLS and its clients need.
func trust(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName, client.NextProtos = "example.com", []string{"http/1.1"}
	return &tls.Config{Certificates: s.TLS.Certificates}, client
}

// TestLostUnderneath: a connection that ends under a request, having said
// nothing, is told as such, so that the request can be sent again.
func TestLostUnderneath(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		request(t, r)
		io.WriteString(c, ok("fine"))
		request(t, r)
	})
	if a := l.ask(t, post("{}")); a.err != nil {
		t.Fatal(a.err)
	}
	a := l.ask(t, post("{}"))
	var failed *Error
	if !errors.As(a.err, &failed) || !failed.Reused || failed.At.IsZero() || !errors.Is(a.err, io.EOF) {
		t.Errorf("got %v", a.err)
	}
}

const large = 16 << 20 // more than sockets buffer, in bytes

// TestEarlyAnswer: a server that answers before it has read the request is
// heard, whatever it does with the rest.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge"
	body := strings.Repeat("x", large)
	for _, tc := range []struct {
		name   string
		do     func(c net.Conn, r *bufio.Reader, quit <-chan struct{})
		status int
		body   string
		reused bool
	}{
		{name: "and reads no more", status: 413, body: "large", do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, refusal)
			<-quit
		}},
		{name: "and closes for writing", status: 413, body: "large", do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, refusal)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, r)
		}},
		{name: "and reads the rest", status: 413, body: "large", reused: true, do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, refusal)
			io.CopyN(io.Discard, r, large)
			request(t, r)
			io.WriteString(c, ok("again"))
		}},
		{name: "until the end", status: 401, body: "who?", do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\n\r\nwho?")
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, r)
		}},
		{name: "with more than it reads", status: 200, body: body, do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, ok(body))
			<-quit
		}},
		{name: "as it reads", status: 200, body: body, reused: true, do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: "+itoa(large)+"\r\n\r\n")
			io.CopyN(c, r, large)
			request(t, r)
			io.WriteString(c, ok("again"))
		}},
		{name: "to go on", status: 200, body: "done", reused: true, do: func(c net.Conn, r *bufio.Reader, quit <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			time.Sleep(3 * writeTick) // the request waits meanwhile
			io.CopyN(io.Discard, r, large)
			io.WriteString(c, ok("done"))
			request(t, r)
			io.WriteString(c, ok("again"))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Options{WriteTimeout: patience}, func(n int, c net.Conn) {
				r := bufio.NewReader(c)
				if n > 0 {
					request(t, r)
					io.WriteString(c, ok("again"))
					return
				}
				if _, err := http.ReadRequest(r); err != nil {
					t.Error(err)
				}
				tc.do(c, r, t.Context().Done())
			})
			var moved progress
			q := post(body)
			q.Progress = &moved
			a := l.ask(t, q)
			if a.err != nil || a.Status != tc.status || a.body != tc.body {
				t.Fatalf("got %+.200v", a)
			}
			if tc.name == "to go on" && moved.Load() == 0 {
				t.Error("no progress is told")
			}
			// Whether all was written is up to the machine where the answer ended
			// before the request did. Never is a torn connection used.
			if again := l.ask(t, post("{}")); again.err != nil || again.body != "again" || again.Reused && !tc.reused {
				t.Errorf("then got %+.200v", again)
			}
		})
	}
}

// TestRefusedWrite: an answer that came before the connection broke is read.
func TestRefusedWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
		// Closed with unread bytes: whoever writes on is reset.
	})
	for range 10 {
		a := l.ask(t, post(strings.Repeat("x", 1<<20)))
		// The kernel may drop what came before a reset; then that is the error.
		var failed *Error
		if a.err == nil && (a.Status != 413 || a.body != "large") || a.err != nil && a.Response == nil && !errors.As(a.err, &failed) {
			t.Errorf("got %+v", a)
		}
	}
}

// TestSilentReader: a server that takes nothing, or only some of a request, is
// given up in time, whether it is behind TLS or not.
func TestSilentReader(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	for _, tc := range []struct {
		name string
		tls  bool
		want string
	}{
		{name: "plain", want: "in time"},
		{name: "TLS", tls: true, want: "in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := Options{WriteTimeout: timeout}
			var s *tls.Config
			if tc.tls {
				s, o.TLS = trust(t)
			}
			l := newLab(t, o, func(_ int, c net.Conn) {
				if s != nil {
					secure := tls.Server(c, s)
					if err := secure.Handshake(); err != nil {
						t.Error(err)
					}
				}
				<-t.Context().Done()
			})
			a := l.ask(t, post(strings.Repeat("x", large)))
			if !errors.Is(a.err, ErrWriteTimeout) {
				t.Errorf("got %v", a.err)
			}
		})
	}
}

// TestSlowReader: a server may take as long as it likes if only it goes on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	l := newLab(t, Options{WriteTimeout: timeout}, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		for range 8 {
			time.Sleep(timeout / 4)
			io.CopyN(io.Discard, r, large/8)
		}
		io.CopyN(io.Discard, r, int64(len("POST /v1/chat?a=b HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: 16777216\r\n\r\n")))
		io.WriteString(c, ok("at last"))
	})
	if a := l.ask(t, post(strings.Repeat("x", large))); a.err != nil || a.body != "at last" {
		t.Errorf("got %+v", a)
	}
}

var errStop = errors.New("stop it")

// TestCancel: a request ends when its context does, wherever it is, and says
// why. Its connection is closed, which the server sees.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		size  int
		stage func(c net.Conn, r *bufio.Reader, stop func())
		body  bool // an answer's head comes
	}{
		{name: "while writing", size: large, stage: func(c net.Conn, r *bufio.Reader, stop func()) { stop() }},
		{name: "before the answer", stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			stop()
		}},
		{name: "in the head", stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 200 O")
			stop()
		}},
		{name: "after an interim answer", stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			stop()
		}},
		{name: "in the body", body: true, stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
			stop()
		}},
		{name: "in a chunk", body: true, stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
			stop()
		}},
		{name: "before a chunk", body: true, stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
			stop()
		}},
		{name: "before the end", body: true, stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			request(t, r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhe")
			stop()
		}},
		{name: "early answer", size: large, body: true, stage: func(c net.Conn, r *bufio.Reader, stop func()) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
			time.Sleep(3 * writeTick)
			stop()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			seen := make(chan struct{})
			l := newLab(t, Options{}, func(_ int, c net.Conn) {
				defer close(seen)
				r := bufio.NewReader(c)
				if tc.size > 0 {
					if _, err := http.ReadRequest(r); err != nil {
						t.Error(err)
					}
				}
				tc.stage(c, r, func() { cancel(errStop) })
				if tc.size > 0 {
					return
				}
				_, _ = r.ReadByte() // ends with the connection
			})
			q := post("{}")
			if tc.size > 0 {
				q.Body = make([]byte, tc.size)
			}
			res, err := l.Do(ctx, q)
			var failed *Error
			switch {
			case err != nil && !errors.As(err, &failed):
				t.Errorf("got %v", err)
			case err == nil && tc.body:
				_, err = io.ReadAll(res.Body)
				if _, again := res.Body.Read(make([]byte, 1)); !errors.Is(again, errStop) {
					t.Errorf("then %v", again)
				}
				res.Body.Close()
			}
			if !errors.Is(err, errStop) {
				t.Errorf("got %v", err)
			}
			<-seen
			if len(l.idle) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

// TestCancelBefore: nothing is dialled for a context that has ended, and one
// that ends while dialling ends that.
func TestCancelBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	k := New(Options{Dial: func(ctx context.Context) (net.Conn, error) {
		cancel(errStop)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	for range 2 {
		_, err := k.Do(ctx, post("{}"))
		var dial *DialError
		if !errors.As(err, &dial) || !errors.Is(err, errStop) {
			t.Errorf("got %v", err)
		}
	}
}

// TestCancelAfter: an answer that was read to its end is not harmed by a late
// end of its context, nor is the connection that it came by.
func TestCancelAfter(t *testing.T) {
	t.Parallel()
	l := serverLab(t, false, Options{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hi") })
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		res, err := l.Do(ctx, post("{}"))
		if err != nil || res.Reused != (i > 0) {
			t.Fatalf("request %d: %+v, %v", i, res, err)
		}
		end(t, res.Body)
		cancel()
	}
}

// TestClose: a body that is closed early frees its connection if all of it has
// come, and closes it otherwise. Nothing is read of it any more.
func TestClose(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		answer string
		read   int
		reused bool
	}{
		{name: "length, all here", answer: ok("hello"), reused: true},
		{name: "length, not all", answer: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello"},
		{name: "chunks, all here", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", read: 1, reused: true},
		{name: "chunks, not the last", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n", read: 1},
		{name: "chunks, broken", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", read: 1},
		{name: "all read but not the end", answer: ok("hello"), read: 5, reused: true},
		{name: "until the end", answer: "HTTP/1.1 200 OK\r\n\r\nhello"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := piped(t, Options{}, answering(t, tc.answer, ok("again")))
			res, err := l.Do(t.Context(), post("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.ReadFull(res.Body, make([]byte, tc.read)); n != tc.read || err != nil {
				t.Fatal(n, err)
			}
			for range 2 {
				if err := res.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			if n, err := res.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errClosed) {
				t.Errorf("then reads %d, %v", n, err)
			}
			if n := len(l.idle); n > 0 != tc.reused {
				t.Errorf("%d connections are kept", n)
			}
		})
	}
}

// progress counts.
type progress struct{ atomic.Int32 }

func (p *progress) Progress() { p.Add(1) }
