package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// code is the error code of an answer in OpenAI's shape.
func code(body []byte) string {
	var e struct {
		Error struct {
			Message, Type string
			Code          *string
		}
	}
	if json.Unmarshal(body, &e) != nil || e.Error.Message == "" || e.Error.Type == "" || e.Error.Code == nil {
		return "no OpenAI error: " + string(body)
	}
	return *e.Error.Code
}

func TestWebPagesMayNotSpendTheKeys(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, `
server {
  address = "127.0.0.1:0"
  origins = ["https://app.example"]
  hosts   = ["router.example"]
}
admin { address = "127.0.0.1:0" }
`+channel("a", w.URL(), upstreamKey))
	for _, test := range []struct {
		name         string
		host, origin string
		status       int
		code         string
	}{
		{name: "loopback", status: 200},
		{name: "localhost by name", host: "localhost:7601", status: 200},
		{name: "listed host", host: "router.example", status: 200},
		{name: "rebound name", host: "evil.example", status: 403, code: "host_not_allowed"},
		{name: "name that begins like loopback", host: "127.0.0.1.evil.example", status: 403, code: "host_not_allowed"},
		{name: "listed origin", origin: "https://app.example", status: 200},
		{name: "page elsewhere", origin: "https://evil.example", status: 403, code: "origin_not_allowed"},
		{name: "page on this machine", origin: "http://localhost:3000", status: 403, code: "origin_not_allowed"},
		{name: "sandboxed page", origin: "null", status: 403, code: "origin_not_allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var header []string
			if test.host != "" {
				header = append(header, "Host", test.host)
			}
			if test.origin != "" {
				header = append(header, "Origin", test.origin)
			}
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"), header...)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status || test.code != "" && code(body) != test.code {
				t.Errorf("got %s %s", resp.Status, body)
			}
			allowed := resp.Header.Get("Access-Control-Allow-Origin")
			if want := test.origin; test.status == 200 && allowed != want || test.status != 200 && allowed != "" {
				t.Errorf("Access-Control-Allow-Origin is %q", allowed)
			}
		})
	}
}

func TestBadRequestsGetClearErrors(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, `
server {
  address  = "127.0.0.1:0"
  max_body = "64KiB"
}
admin { address = "127.0.0.1:0" }
key "alice" { secret = "sk-alice" }
`+channel("a", w.URL(), upstreamKey))
	const key = "Bearer sk-alice"
	for _, test := range []struct {
		name         string
		method, path string
		key, body    string
		status       int
		code         string
	}{
		{name: "no key", body: `{"model":"m"}`, key: "-", status: 401, code: "missing_api_key"},
		{name: "wrong key", body: `{"model":"m"}`, key: "Bearer sk-mallory", status: 401, code: "invalid_api_key"},
		{name: "empty body", body: "", status: 400},
		{name: "no JSON", body: "hello", status: 400},
		{name: "an array", body: "[]", status: 400},
		{name: "two models", body: `{"model":"m","model":"n"}`, status: 400},
		{name: "two models, one escaped", body: `{"model":"m","mod\u0065l":"n"}`, status: 400},
		{name: "no model", body: `{"messages":[]}`, status: 400},
		{name: "model is no string", body: `{"model":7}`, status: 400},
		{name: "rest behind the object", body: `{"model":"m"} {}`, status: 400},
		{name: "unknown model", body: `{"model":"nope","messages":[]}`, status: 404, code: "model_not_found"},
		{name: "too long", body: `{"model":"m","x":"` + strings.Repeat("x", 64<<10) + `"}`, status: 413, code: "request_too_large"},
		{name: "too deep", body: `{"model":"m","x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, status: 400},
		{name: "wrong method", method: "GET", status: 405, code: "method_not_allowed"},
		{name: "unknown path", path: "/v1/nothing", body: "{}", status: 404, code: "unknown_url"},
		{name: "base URL without /v1", path: "/chat/completions", body: "{}", status: 404, code: "unknown_url"},
		{name: "double slash", path: "//v1/chat/completions", body: "{}", status: 404, code: "unknown_url"},
		{name: "dots", path: "/v1/../v1/chat/completions", body: "{}", status: 404, code: "unknown_url"},
		{name: "escaped slash", path: "/v1%2fchat/completions", body: "{}", status: 404, code: "unknown_url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodPost
			}
			if test.path == "" {
				test.path = "/v1/chat/completions"
			}
			req, err := http.NewRequestWithContext(t.Context(), test.method, strings.TrimSuffix(r.URL, "/v1"), strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = "//" + req.URL.Host + test.path
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", key)
			if test.key == "-" {
				req.Header.Del("Authorization")
			} else if test.key != "" {
				req.Header.Set("Authorization", test.key)
			}
			resp, err := clients.Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var b bytes.Buffer
			b.ReadFrom(resp.Body)
			if resp.StatusCode != test.status || test.code != "" && code(b.Bytes()) != test.code {
				t.Errorf("got %s %s", resp.Status, b.String())
			}
			if resp.Header.Get("X-Request-Id") == "" {
				t.Error("no x-request-id")
			}
			if strings.Contains(b.String(), "sk-") {
				t.Errorf("a key in an error: %s", b.String())
			}
		})
	}
	if n := len(w.Requests()); n > 3 { // probes only
		for _, q := range w.Requests() {
			if q.Method == http.MethodPost {
				t.Errorf("a bad request went upstream: %s %s", q.Path, q.Body)
			}
		}
	}
}

func TestAnswersTellWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("provider/m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey, `aliases = { "mine" = "provider/m" }`))
	for _, model := range []string{"mine", "m", "provider/m"} {
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody(model, false, "hello"), "X-Request-Id", "mine-1")
		if err != nil {
			t.Fatal(err)
		}
		h := resp.Header
		if resp.StatusCode != 200 || h.Get("X-Smartrouter-Channel") != "a" || h.Get("X-Smartrouter-Attempts") != "1" ||
			h.Get("X-Request-Id") != "mine-1" || h.Get("X-Smartrouter-Decision") == "" {
			t.Errorf("%s: %s %v %s", model, resp.Status, h, body)
		}
	}
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost && q.Model != "provider/m" {
			t.Errorf("the provider was asked for %q", q.Model)
		}
	}
}

func TestFallbackModelsAnswerWhereTheModelFails(t *testing.T) {
	t.Parallel()
	broken := wall.Start(t, wall.Key(upstreamKey), wall.Models("big"), wall.Faults(wall.Status(503).On("/v1/chat/completions")))
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("small", "tiny"))
	r := startRouter(t, listen+channel("broken", broken.URL(), upstreamKey)+channel("good", good.URL(), upstreamKey)+`
model "smart" {
  any       = ["big"]
  fallbacks = ["small"]
}
`)
	for _, test := range []struct{ name, body, answers string }{
		{"of the model block", `{"model":"smart","messages":[{"role":"user","content":"x"}]}`, "small"},
		{"of the request", `{"model":"big","fallbacks":["tiny"],"messages":[{"role":"user","content":"x"}]}`, "tiny"},
		{"of the request before the block's", `{"model":"smart","fallbacks":["tiny"],"messages":[{"role":"user","content":"x"}]}`, "tiny"},
	} {
		resp, body, err := r.post(t.Context(), "/chat/completions", []byte(test.body))
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ Model string }
		if json.Unmarshal(body, &a); resp.StatusCode != 200 || a.Model != test.answers {
			t.Errorf("%s: %s %s", test.name, resp.Status, body)
		}
	}
	for _, q := range good.Requests() {
		if bytes.Contains(q.Body, []byte("fallbacks")) {
			t.Errorf("our own field went upstream: %s", q.Body)
		}
	}
}

func TestAdminAsksForItsToken(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	for _, path := range []string{"/metrics", "/admin/status", "/admin/explain", "/nothing"} {
		resp, err := http.Get(r.Admin + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %s", path, resp.Status)
		}
	}
	if b := r.admin("/admin/status"); bytes.Contains(b, []byte(upstreamKey)) {
		t.Errorf("a secret in the status: %s", b)
	}
	if b := r.admin("/metrics"); bytes.Contains(b, []byte(upstreamKey)) {
		t.Error("a secret in the metrics")
	}
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, `
server {
  address        = "127.0.0.1:0"
  header_timeout = "200ms"
  body_timeout   = "200ms"
}
admin { address = "127.0.0.1:0" }
`+channel("a", w.URL(), upstreamKey))
	for _, test := range []struct{ name, sent, want string }{
		{"in its header", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n", ""},
		{"in its body", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", " 408 "},
	} {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(r.URL, "http://"), "/v1"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, test.sent)
		conn.SetReadDeadline(time.Now().Add(waitLimit))
		var b bytes.Buffer
		if _, err := b.ReadFrom(conn); err != nil || !strings.Contains(b.String(), test.want) {
			t.Errorf("slow %s: %v %q", test.name, err, b.String())
		}
	}
}
