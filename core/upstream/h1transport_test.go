package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestWhichTransport: our own client is for what is HTTP/1.1 anyway, behind TLS
// as well.
func TestWhichTransport(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		tls, http2 bool
		own        bool
	}{
		{name: "http", own: true},
		{name: "http that might be HTTP/2", http2: true, own: true},
		{name: "https", tls: true, own: true},
		{name: "https that might be HTTP/2", tls: true, http2: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, answered)
			}))
			s.EnableHTTP2 = true
			if s.Start(); tc.tls {
				s.Close()
				s = tlsServer(t)
			}
			t.Cleanup(s.Close)
			l := newLab(t, spec{url: s.URL, change: func(c *config.Channel) { c.Pool.HTTP2 = tc.http2 }})
			if tc.tls {
				l.dispatcher.pools.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			for i := range 2 {
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
				if !out.Complete || out.Attempts[0].Reused != (i > 0) {
					t.Errorf("outcome %+v", out)
				}
			}
			for _, p := range l.dispatcher.pools.pools {
				if _, own := p.transport.(*ownTransport); own != tc.own || p.multiplexed.Load() == own {
					t.Errorf("own client: %v, HTTP/2: %v", own, p.multiplexed.Load())
				}
			}
		})
	}
}

// TestOwnGuard: the guard is asked for every address that is dialled.
func TestOwnGuard(t *testing.T) {
	t.Parallel()
	url := answering(t, 200, "", "{}")
	origin := strings.Replace(url, "127.0.0.1", "localhost", 1)
	for _, tc := range []struct {
		name string
		host string // what the guard takes the name for
		ok   bool
	}{
		{name: "own machine by its name", host: "localhost", ok: true},
		{name: "public name for our own machine", host: "llm.example.com"},
	} {
		tr := newOwnTransport(&settings{origin: origin, connect: patience}, guard{host: tc.host, plain: true}, nil, nil)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin, nil)
		if err != nil {
			t.Fatal(err)
		}
		var info connInfo
		res, err := tr.send(r.Context(), r, &info)
		if err == nil {
			res.Body.Close()
		}
		var connect errConnect
		if tc.ok != (err == nil) || !tc.ok && (!errors.As(err, &connect) || !strings.Contains(err.Error(), "private address") || info.got) {
			t.Errorf("%s: %v", tc.name, err)
		}
		tr.closeIdle()
	}
}

// TestOwnResend: a request that changes nothing is sent again when the idle
// connection that it took was closed under it; one that may change something is
// left to its attempt.
func TestOwnResend(t *testing.T) {
	t.Parallel()
	url := raw(t, func(n int, c net.Conn) {
		r := bufio.NewReader(c)
		for i := range 2 {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, q.Body)
			if n == 0 && i == 1 {
				return // without an answer
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
	})
	for _, tc := range []struct {
		method string
		ok     bool
	}{{method: http.MethodGet, ok: true}, {method: http.MethodPost}} {
		tr := newOwnTransport(&settings{origin: url, connect: patience, pool: config.Defaults.Pool}, guard{host: "127.0.0.1", plain: true}, nil, nil)
		for i := range 2 {
			r, err := http.NewRequestWithContext(t.Context(), tc.method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			var info connInfo
			res, err := tr.send(r.Context(), r, &info)
			switch {
			case err == nil:
				if b, err := io.ReadAll(res.Body); err != nil || string(b) != "hi" {
					t.Errorf("%s: %q, %v", tc.method, b, err)
				}
				res.Body.Close()
			case i == 0 || tc.ok || !broken(err) || !info.got || !info.reused:
				t.Errorf("%s %d: %v, %+v", tc.method, i, err, info)
			}
		}
		tr.closeIdle()
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"example.com": "example.com", "example.com:80": "example.com:80", "bücher.example:8080": "xn--bcher-kva.example:8080",
		"[::1]:80": "[::1]:80", "[fe80::1%eth0]:80": "[fe80::1]:80", "[fe80::1%eth0]": "[fe80::1]", "": "",
	} {
		if got := withoutZone(ascii(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
