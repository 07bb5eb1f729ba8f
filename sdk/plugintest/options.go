package plugintest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Option changes what a plugin is started with.
type Option func(*options)

type options struct {
	env       []string
	grants    []string
	dataDir   string
	socketDir string
	do        host.Do // nil: no upstream is lent
	// Of Conform alone.
	mistakes map[string]map[string]any
	calls    int
}

func newOptions(t testing.TB, opts []Option) *options {
	t.Helper()
	// Not t.TempDir, whose path is too long for a socket where the test's name is.
	socketDir, err := os.MkdirTemp("", "plugin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socketDir) })
	o := &options{socketDir: socketDir}
	for _, opt := range opts {
		opt(o)
	}
	if o.dataDir == "" {
		o.dataDir = t.TempDir()
	}
	return o
}

// Env adds variables ("KEY=value") to the plugin's otherwise empty environment.
func Env(vars ...string) Option {
	return func(o *options) { o.env = append(o.env, vars...) }
}

// Grants gives the plugin what it needs.
func Grants(needs ...string) Option {
	return func(o *options) { o.grants = append(o.grants, needs...) }
}

// DataDir is the plugin's folder, where several processes share one in turn;
// else each has a new one.
func DataDir(dir string) Option {
	return func(o *options) { o.dataDir = dir }
}

// Upstream lends do as the router's HTTP client.
func Upstream(do host.Do) Option {
	return func(o *options) { o.do = do }
}

// UpstreamHTTP lends a client that h answers. The host of h's request is the
// channel's name, its path the endpoint: "http://openai/models".
func UpstreamHTTP(h http.Handler) Option {
	return Upstream(func(ctx context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
		url := "http://" + channel + "/" + string(r.Endpoint)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, r.Method, url, bytes.NewReader(r.Body)))
		resp := sdk.UpstreamResponse{Status: w.Code, Body: w.Body.Bytes()}
		for name, values := range w.Result().Header {
			for _, v := range values {
				resp.Headers = append(resp.Headers, sdk.Header{Name: name, Value: v})
			}
		}
		return resp, nil
	})
}

// lend serves the upstream and answers its socket.
func (o *options) lend(t testing.TB) string {
	t.Helper()
	if o.do == nil {
		return ""
	}
	path := filepath.Join(o.socketDir, "upstream")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.ServeUpstream(l, o.do))
	return path
}
