// The race detector has pools lose what they were given, now and then, so that
// pieces of memory can't be counted: make test runs this file without it.

//go:build !race

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/h1"
	routers "github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/plugins"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestMain makes the test's program one that serves first-party plugins, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		build, ok := plugins.Lookup(os.Args[3])
		if !ok {
			fmt.Fprintln(os.Stderr, "no such plugin:", os.Args[3])
			os.Exit(2)
		}
		sdk.Serve(build())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	// A forwarded request may need so many pieces of memory beyond those of the
	// HTTP library on both sides of it.
	mostAllocations = 10
	// mostCalls of plugins there are for 1,000 requests, once leases are there.
	mostCalls = 1
	warmUps   = 200
	counted   = 2000 // requests
)

// TestForwardedRequestsAreCheap counts what time can't tell exactly: pieces of
// memory and calls of plugins, with a real router, its five plugin processes and
// real sockets.
func TestForwardedRequestsAreCheap(t *testing.T) {
	mock := mockUpstream(t)
	bare := perRequest(t, bareProxy(t, mock))
	r := startOwn(t, mock)
	before := r.calls(t)
	ours := perRequest(t, r.public)
	calls := r.calls(t) - before
	t.Logf("pieces of memory for a request: %v, the HTTP library alone %v; %v calls of plugins for %d requests", ours, bare, calls, warmUps+counted)
	if ours-bare > mostAllocations {
		t.Errorf("a forwarded request takes %v pieces of memory, %v more than the HTTP library", ours, ours-bare)
	}
	if perThousand := (calls - float64(firstCalls)) * 1000 / (warmUps + counted); perThousand >= mostCalls {
		t.Errorf("%v calls of plugins for 1,000 requests", perThousand)
	}
}

// firstCalls bring the leases: a plan, and how the target is spoken to.
const firstCalls = 2

// perRequest counts the pieces of memory for one request.
func perRequest(t *testing.T, addr string) float64 {
	t.Helper()
	c := newClient(target{addr: addr}, load{body: 1 << 10}, 1, time.Now().Add(time.Minute))
	defer c.hangUp()
	ask := func() {
		if _, err := c.do(); err != nil {
			t.Fatal(err)
		}
	}
	for range warmUps {
		ask()
	}
	return testing.AllocsPerRun(counted, ask)
}

// mockUpstream answers without memory of its own.
func mockUpstream(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerFrugally(c)
		}
	}()
	return l.Addr().String()
}

func answerFrugally(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 16<<10)
	for {
		answer, length := noSuchPath, 0
		for first := true; ; first = false {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			line = bytes.TrimRight(line, "\r\n")
			if len(line) == 0 {
				break
			}
			if first && bytes.HasPrefix(line, []byte("GET /v1/models ")) {
				answer = modelsAnswer
			} else if first && bytes.HasPrefix(line, []byte("POST /v1/chat/completions ")) {
				answer = chatAnswer
			}
			if digits, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(digits))
			}
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// bareProxy is the HTTP library on both sides, and nothing between them.
func bareProxy(t *testing.T, upstream string) string {
	t.Helper()
	to := h1.New(h1.Options{MaxIdle: 16, Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", upstream)
	}})
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sk-mock"}}
	buf := make([]byte, 64<<10)
	s, err := h1.NewServer(h1.ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.ReadFull(r.Body, buf[:r.ContentLength]) // what is missing shows in the answer
		a, err := to.Do(r.Context(), &h1.Request{Method: r.Method, Target: r.URL.Path, Host: upstream, Header: header, Body: buf[:n]})
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer a.Body.Close()
		w.Header()["Content-Length"] = []string{a.Header["Content-Length"][0]}
		n, _ = io.ReadFull(a.Body, buf[:a.ContentLength])
		w.Write(buf[:n])
		a.Recycle()
		w.(interface{ Recycle() }).Recycle()
	})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close(); to.CloseIdle() })
	return l.Addr().String()
}

// ownRouter is a router in the test's own process.
type ownRouter struct{ public, admin, token string }

// startOwn starts one whose only provider is the mock.
func startOwn(t *testing.T, upstream string) ownRouter {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	cfg, err := config.Parse("router.hcl", fmt.Appendf(nil, routerHCL, "http://"+upstream))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := routers.Open(ctx, routers.Options{
		Config: cfg, DataDir: data, Self: []string{"/proc/self/exe", "plugin", "serve"}, Log: hclog.NewNullLogger(), Version: "test",
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ready, ended := make(chan ownRouter, 1), make(chan error, 1)
	go func() {
		ended <- r.Serve(ctx, func(public, admin net.Addr) {
			ready <- ownRouter{public: public.String(), admin: admin.String()}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case own := <-ready:
		token, err := os.ReadFile(filepath.Join(data, "admin.token"))
		if err != nil {
			t.Fatal(err)
		}
		own.token = string(bytes.TrimSpace(token))
		return own
	case err := <-ended:
		ended <- err
		t.Fatalf("the router does not serve: %v", err)
		return ownRouter{}
	}
}

// calls is how many calls of plugins there were.
func (o ownRouter) calls(t *testing.T) float64 {
	t.Helper()
	n, err := (&router{admin: o.admin, token: o.token}).pluginCalls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
