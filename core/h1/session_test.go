package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestConnectionsAreUsedAgain(t *testing.T) {
	var seen sync.Map
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.RemoteAddr, true)
		echo(w, r)
	})})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 20 {
		r, err := client.Post("http://"+address+"/", "a/b", strings.NewReader(strings.Repeat("x", i*1000)))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A client that leaves ends its request's context: while it is waited for, in
// the middle of its answer, and when it left before all of it was read.
func TestLeavingEndsTheContext(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
		began <- struct{}{}
		if r.URL.Path == "/late" {
			<-began
			io.Copy(io.Discard, r.Body)
		}
		<-r.Context().Done()
		ended <- struct{}{}
	})})
	for _, test := range []struct {
		name, sent string
		leave      func(*net.TCPConn)
	}{
		{name: "closes", sent: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", leave: func(c *net.TCPConn) { c.Close() }},
		{name: "resets", sent: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", leave: func(c *net.TCPConn) { c.SetLinger(0); c.Close() }},
		{name: "says no more", sent: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", leave: func(c *net.TCPConn) { c.CloseWrite() }},
		{name: "in the middle", sent: "GET /begun HTTP/1.1\r\nHost: h\r\n\r\n", leave: func(c *net.TCPConn) { c.Close() }},
		{name: "before it was read", sent: "POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", leave: func(c *net.TCPConn) { c.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, address)
			io.WriteString(c, test.sent)
			<-began
			test.leave(c)
			if strings.HasPrefix(test.sent, "POST") {
				began <- struct{}{}
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("nobody noticed")
			}
		})
	}
}

// The context ends with the handler, and that of one connection's request never
// with that of another.
func TestContextOfARequest(t *testing.T) {
	contexts := make(chan context.Context, 2)
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil {
			t.Error("it has ended before it began")
		}
		contexts <- r.Context()
	})})
	c := dial(t, address)
	in := bufio.NewReader(c)
	for range 2 {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
		<-(<-contexts).Done()
	}
}

func TestTimesOfAClient(t *testing.T) {
	const short = time.Second // within which a busy machine reads what is there
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Method == http.MethodPost {
			control.SetReadDeadline(time.Now().Add(short))
			_, err := io.ReadAll(r.Body)
			var late net.Error
			if !errors.As(err, &late) || !late.Timeout() {
				t.Errorf("a slow body: %v", err)
			}
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		if r.URL.Path == "/long" {
			piece := bytes.Repeat([]byte("x"), 1<<20)
			for {
				control.SetWriteDeadline(time.Now().Add(short))
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}
	}), Limits: Limits{HeadTimeout: short, IdleTimeout: short}})
	for _, test := range []struct {
		name, sent, want string
	}{
		{name: "says nothing"},
		{name: "a slow head", sent: "GET / HTTP/1.1\r\nHo"},
		{name: "idle", sent: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200"},
		{name: "a slow body", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", want: "HTTP/1.1 408"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := exchangeRaw(t, address, test.sent)
			if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("%q", got)
			}
		})
	}
	t.Run("reads nothing", func(t *testing.T) {
		t.Parallel()
		c := dial(t, address)
		c.SetReadBuffer(4 << 10)
		io.WriteString(c, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
		waitFor(t, func() bool { // until the server's end of it is gone, writing fails
			_, err := c.Write([]byte("x"))
			return err != nil
		})
	})
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never comes")
		}
	}
}

// An answer that comes before its question was read is seen by a client that
// goes on sending.
func TestEarlyAnswerIsSeen(t *testing.T) {
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusUnauthorized)
	})})
	for range 20 {
		c := dial(t, address)
		go func() {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 100<<10)
			for range 100 {
				if _, err := c.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusUnauthorized || string(body) != "no\n" || err != nil || !r.Close {
			t.Fatalf("%s %q %v", r.Status, body, err)
		}
	}
}

// Who waits for a word before it sends its body gets it when that is read, and
// not where it is not wanted.
func TestExpectation(t *testing.T) {
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		echo(w, r)
	})})
	for path, want := range map[string]string{"/": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", "/no": "HTTP/1.1 403"} {
		c := dial(t, address)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n", path)
		got := make([]byte, len(want))
		if path == "/" {
			io.ReadFull(c, got[:len("HTTP/1.1 100 Continue\r\n\r\n")])
			io.WriteString(c, "abc")
			io.ReadFull(c, got[len("HTTP/1.1 100 Continue\r\n\r\n"):])
		} else {
			io.ReadFull(c, got)
		}
		if string(got) != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestShutdown(t *testing.T) {
	let := make(chan struct{})
	var asked atomic.Int32
	s, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			<-let
		}
		io.WriteString(w, "done")
	})})
	unused, busy := dial(t, address), dial(t, address)
	io.WriteString(unused, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	in := bufio.NewReader(unused)
	r, err := http.ReadResponse(in, nil)
	if err != nil || r.Close {
		t.Fatal(err, r)
	}
	io.Copy(io.Discard, r.Body)
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	waitFor(t, func() bool { return asked.Load() == 2 })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a request under way: %v", err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("an unused connection: %v", err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	close(let)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	r, err = http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil || !r.Close {
		t.Fatalf("the request that was under way: %v %v", r, err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "done" || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

// TestCloseEndsConnectionsAtOnce: a client does not wait for a handler that does
// not look.
func TestCloseEndsConnectionsAtOnce(t *testing.T) {
	let, asked := make(chan struct{}), make(chan struct{})
	s, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-let
	})})
	defer close(let)
	c := dial(t, address)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
	<-asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q %v", b, err)
	}
}

// TestLastRequest: a client that says with its last request, or right behind it,
// that it has no more is answered, and its connection ends.
func TestLastRequest(t *testing.T) {
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(echo)})
	for i := range 200 {
		c := dial(t, address)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
		for range i % 8 {
			runtime.Gosched()
		}
		c.CloseWrite()
		b, err := io.ReadAll(c)
		if err != nil || strings.Count(string(b), "HTTP/1.1 200") != 1 {
			t.Fatalf("connection %d: %q, then %v", i, b, err)
		}
		c.Close()
	}
}

func TestKeepAlivesEnd(t *testing.T) {
	s, address := serve(t, ServerOptions{Handler: http.HandlerFunc(echo)})
	c := dial(t, address)
	in := bufio.NewReader(c)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, r.Body)
	other := dial(t, address) // it has not said anything yet
	s.SetKeepAlivesEnabled(false)
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("an unused connection: %v", err)
	}
	if got := func() string {
		io.WriteString(other, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
		b, _ := io.ReadAll(other)
		return string(b)
	}(); !strings.Contains(got, "Connection: close") || !strings.Contains(got, "/late") {
		t.Errorf("a connection that was new: %q", got)
	}
}
