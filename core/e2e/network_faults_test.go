package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	stdlog "log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// authority signs certificates that a router believes in which was started with
// its environment.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	env  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	path := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.env = "SSL_CERT_FILE=" + path
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certificate for 127.0.0.1, changed as the test wants.
func (a *authority) certificate(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// startTLS serves a wall by HTTP/2 under TLS and returns its address.
func startTLS(t *testing.T, w *wall.Wall, cert tls.Certificate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler: w, ErrorLog: stdlog.New(io.Discard, "", 0), // refused handshakes are the point
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	served := make(chan struct{})
	go func() { defer close(served); s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { s.Close(); <-served })
	return l.Addr().String()
}

// Fault 28: who can't show the right certificate gets no byte of a request.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	good := newAuthority(t)
	own := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	for _, test := range []struct {
		name string
		cert tls.Certificate
		fine bool
	}{
		{name: "right", cert: good.certificate(t, nil), fine: true},
		{name: "unknown authority", cert: newAuthority(t).certificate(t, nil)},
		{name: "another host", cert: good.certificate(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"api.example.com"} })},
		{name: "expired", cert: good.certificate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		{name: "not valid yet", cert: good.certificate(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
			address := startTLS(t, w, test.cert)
			hcl := listen + channel("a", "https://"+address+"/v1", upstreamKey, `models = ["m"]`, "priority = 1")
			r := startRouter(t, hcl+channel("good", own.URL(), upstreamKey, "priority = 2"), good.env)
			for range 3 {
				resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"))
				if err != nil || resp.StatusCode != http.StatusOK || test.fine != (resp.Header.Get("X-Smartrouter-Channel") == "a") {
					t.Errorf("%v %v %s", err, resp, body)
				}
			}
			if asked := len(w.Requests()); test.fine != (asked > 0) {
				t.Errorf("%d requests came through", asked)
			}
			if !test.fine {
				wait(t, "the channel is known to be no good, and why", func() bool {
					st := r.status().Channels[0]
					return st.Name == "a" && st.State != "up" && strings.Contains(st.Why, "certificate")
				})
			}
		})
	}
}

// hole is a proxy that can stop to pass anything on, both ways, without a word.
type hole struct {
	address string
	dark    atomic.Bool
	mu      sync.Mutex
	open    map[net.Conn]bool // from the router
}

func startHole(t *testing.T, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{address: l.Addr().String(), open: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	pass := func(dst, src net.Conn) {
		defer dst.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			if n > 0 && !h.dark.Load() {
				dst.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			h.mu.Lock()
			h.open[c] = true
			h.mu.Unlock()
			all.Go(func() { pass(c, up) })
			all.Go(func() {
				pass(up, c)
				h.mu.Lock()
				delete(h.open, c)
				h.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		h.mu.Lock()
		for c := range h.open {
			c.Close()
		}
		h.mu.Unlock()
		all.Wait()
	})
	return h
}

func (h *hole) connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// Fault 29: an HTTP/2 connection over which nothing comes any more is found out
// by pings and closed, however patient the time-outs are.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	h := startHole(t, startTLS(t, w, ca.certificate(t, nil)))
	own := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+
		channel("hole", "https://"+h.address+"/v1", upstreamKey, `models = ["m"]`, "priority = 1", `timeouts {
    connect     = "15s"
    first_token = "10m"
    read        = "10m"
    idle        = "10m"
  }`)+channel("good", own.URL(), upstreamKey, "priority = 2"), ca.env)
	resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"))
	if err != nil || resp.Header.Get("X-Smartrouter-Channel") != "hole" {
		t.Fatalf("the first request: %v %v %s", err, resp, body)
	}
	if h.connections() == 0 {
		t.Fatal("there is no connection to break")
	}
	h.dark.Store(true)
	resp, body, err = r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"))
	if err != nil || resp.Header.Get("X-Smartrouter-Channel") != "good" {
		t.Errorf("%v %v %s", err, resp, body)
	}
	wait(t, "the connection is closed", func() bool { return h.connections() == 0 })
}

// Fault 27: with a connection at hand nobody asks for the name again; without
// one the request goes elsewhere; and a name that turns to this machine is not
// followed.
func TestNames(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give a process hosts of its own")
	}
	hosts := write(t, "hosts", "127.0.0.1 pooled.test rebound.example.com\n")
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("pooled", "rebound"))
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(w.URL(), "http://"), "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	own := wall.Start(t, wall.Key(upstreamKey), wall.Models("pooled", "rebound", "unknown"))
	hcl := listen
	for _, name := range []string{"pooled.test", "rebound.example.com", "unknown.invalid"} {
		short, _, _ := strings.Cut(name, ".")
		hcl += channel(short, fmt.Sprintf("http://%s:%s/v1", name, port), upstreamKey, "models = "+list([]string{short}), "priority = 1", `timeouts {
    connect = "5s"
  }`)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "router.hcl")
	if err := os.WriteFile(config, []byte(hcl+channel("good", own.URL(), upstreamKey, "priority = 2")), 0o600); err != nil {
		t.Fatal(err)
	}
	own.Forget()
	r := startRouterIn(t, []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}, config, filepath.Join(dir, "data"))
	from := func(model string) string {
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody(model, false, "hello"))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v %s", model, err, resp, body)
		}
		return resp.Header.Get("X-Smartrouter-Channel")
	}
	for model, want := range map[string]string{"pooled": "pooled", "rebound": "good", "unknown": "good"} {
		if got := from(model); got != want {
			t.Errorf("%s was answered by %s", model, got)
		}
	}
	for _, q := range w.Requests() {
		if strings.HasPrefix(q.Host, "rebound.") {
			t.Errorf("a name that turned to this machine was followed: %s %s", q.Method, q.Path)
		}
	}
	if err := os.WriteFile(hosts, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The resolver looks at its file every 5 s; the connection rests meanwhile.
	begun := time.Now()
	wait(t, "the resolver has forgotten the name", func() bool { return time.Since(begun) > 6*time.Second })
	before := r.metric("smartrouter_upstream_connections_total", `channel="pooled"`, `reused="true"`)
	if got := from("pooled"); got != "pooled" {
		t.Errorf("with its name gone, a live connection was not used: answered by %s", got)
	}
	// A probe may have used it too.
	if after := r.metric("smartrouter_upstream_connections_total", `channel="pooled"`, `reused="true"`); after <= before {
		t.Errorf("%v connections were used again, now %v", before, after)
	}
}
