package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		host, addr string
		plain, ok  bool
	}{
		{host: "api.openai.com", addr: "104.18.6.192", ok: true},
		{host: "api.openai.com", addr: "2606:4700::1", ok: true},
		{host: "api.openai.com", addr: "10.0.0.1", ok: true}, // behind TLS: the certificate decides
		{host: "api.openai.com", addr: "127.0.0.1", ok: true},
		{host: "api.openai.com", addr: "169.254.169.254"},
		{host: "api.openai.com", addr: "::ffff:169.254.169.254"},
		{host: "api.openai.com", addr: "fe80::1%eth0"},
		{host: "api.openai.com", addr: "fd00:ec2::254"},
		{host: "api.openai.com", addr: "100.100.100.200"},
		{host: "api.openai.com", addr: "0.0.0.0"},
		{host: "api.openai.com", addr: "::"},
		{host: "api.openai.com", addr: "224.0.0.1"},
		{host: "llm.example.com", addr: "8.8.8.8", plain: true, ok: true},
		{host: "llm.example.com", addr: "10.0.0.1", plain: true},
		{host: "llm.example.com.", addr: "192.168.1.1", plain: true},
		{host: "llm.example.com", addr: "127.0.0.1", plain: true},
		{host: "llm.example.com", addr: "::1", plain: true},
		{host: "llm.example.com", addr: "fd12::1", plain: true},
		{host: "llm.example.com", addr: "100.64.0.1", plain: true},
		{host: "llm.internal", addr: "10.0.0.1", plain: true, ok: true},
		{host: "llm.internal", addr: "169.254.169.254", plain: true},
		{host: "vllm", addr: "172.17.0.2", plain: true, ok: true},
		{host: "vllm", addr: "169.254.169.254", plain: true},
		{host: "localhost", addr: "127.0.0.1", plain: true, ok: true},
		{host: "localhost", addr: "::1", plain: true, ok: true},
		{host: "a.localhost", addr: "10.0.0.1", plain: true},
		{host: "10.0.0.1", addr: "10.0.0.1", plain: true, ok: true},
		{host: "169.254.1.1", addr: "169.254.1.1", plain: true, ok: true},
		{host: "::1", addr: "::1", plain: true, ok: true},
	} {
		g := guard{host: tc.host, plain: tc.plain}
		if err := g.check(netip.MustParseAddr(tc.addr)); (err == nil) != tc.ok {
			t.Errorf("%+v: %v", tc, err)
		}
		ap := net.JoinHostPort(tc.addr, "80")
		if err := g.control("tcp", ap, nil); (err == nil) != tc.ok {
			t.Errorf("%+v by control: %v", tc, err)
		}
	}
}

// TestRebinding: the guard is really asked when a name is dialled.
func TestRebinding(t *testing.T) {
	t.Parallel()
	url := strings.Replace(wall.Start(t).URL(), "127.0.0.1", "localhost", 1)
	l := newLab(t, at(url))
	out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	if !out.Complete {
		t.Fatalf("localhost is refused: %+v", out)
	}
	// A public name that stands for our own machine, with the wall behind it.
	tr := newNetTransport(&settings{connect: patience}, guard{host: "llm.example.com", plain: true}, nil, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	var info connInfo
	_, err = tr.send(r.Context(), r, &info)
	var connect errConnect
	if !errors.As(err, &connect) || !strings.Contains(err.Error(), "private address") || info.got {
		t.Errorf("got %v", err)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		left, reset string
		want        time.Duration
	}{
		{reset: "12ms", want: 12 * time.Millisecond},
		{reset: "6m0s", want: 6 * time.Minute},
		{reset: "7", want: 7 * time.Second},
		{left: "0", reset: "1s", want: time.Second},
		{left: "5", reset: "1s"},
		{reset: "-1"},
		{reset: "NaN"},
		{reset: "1e300"},
		{reset: "1893456000"},
		{reset: "soon"},
		{},
	} {
		h := http.Header{}
		if tc.left != "" {
			h.Set("x-ratelimit-remaining-tokens", tc.left)
		}
		h.Set("x-ratelimit-reset-tokens", tc.reset)
		if got := resetOf(h); got != tc.want {
			t.Errorf("%+v: got %v", tc, got)
		}
	}
}

// TestPools: each channel has its own, which is given up when no channel can
// use it.
func TestPools(t *testing.T) {
	t.Parallel()
	l := newLab(t, at("http://127.0.0.1:1/v1"), at("http://127.0.0.1:1/v2"), at("http://127.0.0.1:2/v1"),
		spec{url: "http://127.0.0.1:1/v1", change: func(c *config.Channel) { c.Pool.MaxIdle = 1 }})
	s := &l.dispatcher.pools
	var pools []*pool
	for _, target := range l.targets {
		r, err := s.route(target.Channel.Config.BaseURL+"/chat", target.Channel.Config)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.route(target.Channel.Config.BaseURL+"/chat", target.Channel.Config); again != r || err != nil {
			t.Error("a known URL is not found again")
		}
		pools = append(pools, r.pool)
	}
	for i, p := range pools {
		if slices.Index(pools, p) != i {
			t.Errorf("channel %d has the pool of another", i)
		}
	}
	l.dispatcher.Apply(l.board.View())
	if len(s.pools) != 4 || len(s.routes) != 4 {
		t.Errorf("%d pools and %d routes stay, want all", len(s.pools), len(s.routes))
	}
	only := &board.View{Channels: l.board.View().Channels[2:3]}
	l.dispatcher.Apply(only)
	if len(s.pools) != 1 || len(s.routes) != 1 {
		t.Errorf("%d pools and %d routes stay, want one", len(s.pools), len(s.routes))
	}
	for i := range 2 * maxRoutes {
		if _, err := s.route(fmt.Sprintf("http://127.0.0.1:2/v1/%d", i), l.targets[2].Channel.Config); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.routes) > maxRoutes || len(s.pools) != 1 {
		t.Errorf("%d pools and %d routes", len(s.pools), len(s.routes))
	}
}

// TestLend: what a plugin gets of the client that it is lent.
func TestLend(t *testing.T) {
	t.Parallel()
	url := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/large":
			io.CopyN(w, zeros{}, maxLent+1)
		case "/hang":
			<-r.Context().Done()
		case "/echo":
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("X-Ratelimit-Remaining", "1")
			fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Authorization"), b)
		default:
			w.WriteHeader(404)
		}
	})
	for _, tc := range []struct {
		name    string
		channel string
		url     string
		request sdk.UpstreamRequest
		code    codes.Code
		status  int
		body    string
	}{
		{name: "GET", request: sdk.UpstreamRequest{Endpoint: "echo"}, status: 200, body: "GET Bearer " + secret + " "},
		{name: "POST", request: sdk.UpstreamRequest{Method: "POST", Endpoint: "echo", Body: []byte(`{"a":1}`)}, status: 200, body: "POST Bearer " + secret + ` {"a":1}`},
		{name: "any status", request: sdk.UpstreamRequest{Endpoint: "gone"}, status: 404},
		{name: "the beginning", request: sdk.UpstreamRequest{Endpoint: "large", MaxBytes: 3}, status: 200, body: "\x00\x00\x00"},
		{name: "too long", request: sdk.UpstreamRequest{Endpoint: "large"}, code: codes.ResourceExhausted},
		{name: "too slow", request: sdk.UpstreamRequest{Endpoint: "hang"}, code: codes.DeadlineExceeded},
		{name: "method", request: sdk.UpstreamRequest{Method: "DELETE", Endpoint: "echo"}, code: codes.PermissionDenied},
		{name: "no channel", channel: "nobody", request: sdk.UpstreamRequest{Endpoint: "echo"}, code: codes.Unavailable},
		{name: "dead", url: wall.Dead(t), request: sdk.UpstreamRequest{Endpoint: "echo"}, code: codes.Unavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			to := url
			if tc.url != "" {
				to = tc.url
			}
			l := newLab(t, spec{url: to, change: func(c *config.Channel) {
				if tc.code == codes.DeadlineExceeded {
					c.Timeouts.Read = 50 * time.Millisecond
				}
			}})
			channel := "channel-a"
			if tc.channel != "" {
				channel = tc.channel
			}
			out, err := l.dispatcher.Do(t.Context(), channel, tc.request)
			if status.Code(err) != tc.code || out.Status != tc.status || tc.body != "" && string(out.Body) != tc.body {
				t.Errorf("%v, %d, %.100q", err, out.Status, out.Body)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error has the secret: %v", err)
			}
			if slices.ContainsFunc(out.Headers, func(h sdk.Header) bool { return h.Name == "set-cookie" }) {
				t.Error("cookies are handed out")
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func BenchmarkForward(b *testing.B) {
	for _, bc := range []struct{ name, contentType, body, answer string }{
		{name: "whole", contentType: "application/json", body: question, answer: answered},
		{name: "stream of 100", contentType: "text/event-stream", body: streamed, answer: strings.Repeat(content, 100) + finish + done},
	} {
		b.Run(bc.name, func(b *testing.B) {
			l := newLab(b, at(answering(b, 200, bc.contentType, bc.answer)))
			c := l.call(sdk.Chat, http.Header{"Content-Type": {"application/json"}}, []byte(bc.body))
			b.ReportAllocs()
			for b.Loop() {
				out := l.dispatcher.Forward(b.Context(), &counter{header: http.Header{}}, c, l.plan())
				if !out.Complete {
					b.Fatalf("outcome %+v", out)
				}
			}
		})
	}
}
