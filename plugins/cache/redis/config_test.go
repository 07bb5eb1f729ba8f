package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*config)
		want   string // "": nothing is wrong
	}{
		{"host", func(c *config) { c.URL = "redis://cache.internal" }, ""},
		{"all of it", func(c *config) { c.URL = "redis://user:p%40ss%2Fw%23rd@cache.internal:6380/3" }, ""},
		{"TLS", func(c *config) { c.URL = "rediss://:secret@cache.internal" }, ""},
		{"IPv6", func(c *config) { c.URL = "redis://[::1]:6379" }, ""},
		{"socket", func(c *config) { c.URL = "unix:///run/redis/redis.sock?db=2" }, ""},
		{"several nodes", func(c *config) { c.URL = "redis://a:1?addr=b:2&addr=c:3" }, ""},
		{"Valkey's own name", func(c *config) { c.URL = "valkey://host" }, ""},

		{"empty", func(c *config) { c.URL = "" }, "url: is no URL"},
		{"no scheme", func(c *config) { c.URL = "secret@host:6379" }, "url: is no URL"},
		{"another scheme", func(c *config) { c.URL = "http://host" }, "url: is no URL"},
		{"no port", func(c *config) { c.URL = "redis://user:secret" }, "url: is no URL"},
		{"a slash in the password", func(c *config) { c.URL = "redis://:12/secret@host" }, "url: is no URL"},
		{"a hash in the password", func(c *config) { c.URL = "redis://user:12#secret@host" }, "url: is no URL"},
		{"a question mark in the password", func(c *config) { c.URL = "redis://user:12?secret@host" }, "url: is no URL"},
		{"a percent sign in the password", func(c *config) { c.URL = "redis://user:secret%zz@host" }, "url: is no URL"},
		{"no socket", func(c *config) { c.URL = "unix://" }, "url: is no URL"},
		{"no number of a database", func(c *config) { c.URL = "redis://host/secret" }, "url: is no URL"},
		{"a brace in the prefix", func(c *config) { c.KeyPrefix = "a{b" }, "key_prefix: must be text"},
		{"no prefix", func(c *config) { c.KeyPrefix = "" }, "key_prefix: must be text"},
		{"certificates without TLS", func(c *config) { c.CAFile = "ca.pem" }, "ca_file: is for rediss:// only"},
		{"no such file", func(c *config) { c.URL, c.CAFile = "rediss://host", "testdata/none.pem" }, "ca_file: open testdata/none.pem"},
		{"no certificate", func(c *config) { c.URL, c.CAFile = "rediss://host", "config_test.go" }, "ca_file: config_test.go has no certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := defaults()
			c.URL = "redis://host"
			tt.change(&c)
			err := c.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("a part of the url is shown: %v", err)
			}
		})
	}
}

func TestUserPasswordAndDatabase(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := open(t, s.URL, nil)
	for _, words := range [][]string{
		{"ACL", "SETUSER", "router", "on", ">p@ss/w#rd", "~{shared}:*", "+@all", "-@dangerous"},
		{"ACL", "SETUSER", "default", "off"},
	} {
		if err := command(t, admin, words...).Error(); err != nil {
			t.Fatal(err)
		}
	}
	url := strings.Replace(s.URL, "redis://", "redis://router:p%40ss%2Fw%23rd@", 1) + "/3"
	r := open(t, url, prefix("shared"))
	wantWorking(t, r)
	if n, err := command(t, r, "DBSIZE").AsInt64(); err != nil || n == 0 {
		t.Errorf("%d keys in the database, %v", n, err)
	}
	if n, err := command(t, admin, "DBSIZE").AsInt64(); err != nil || n != 0 {
		t.Errorf("%d keys in another database, %v", n, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certify(t, cert, key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	wantWorking(t, open(t, "rediss://"+address, func(c *config) { c.CAFile = cert }))
	// A certificate of somebody unknown is refused.
	wantUnavailable(t, open(t, "rediss://"+address, quick))
}

// certify writes a certificate for the loopback and its key.
func certify(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Any text is a cursor for someone.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "A.1", "A.-1", "A.9223372036854775808", ".", "a.b.c", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		if id, seq := parseCursor(cursor); seq < 0 || strings.Contains(id, ".") {
			t.Errorf("%q is %q, %d", cursor, id, seq)
		}
	})
}

// A namespace is one part of a name, and comes back as it was.
func FuzzNamespace(f *testing.F) {
	for _, s := range []string{"", "answers", "a:b", "ns:with/odd*signs", "%3A", "\x00\xff", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, namespace string) {
		escaped := escape(namespace)
		if back, err := unescape(escaped); err != nil || back != namespace || strings.Contains(escaped, ":") {
			t.Errorf("%q is %q, and back %q, %v", namespace, escaped, back, err)
		}
	})
}
