package upstream

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/upstream/sigv4"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const answered = `{"id":"1","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`

// TestHeaders: what goes which way is a closed list.
func TestHeaders(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	url := handled(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r
		h := w.Header()
		for name, value := range map[string]string{
			"Content-Type": "application/json", "X-Request-Id": "theirs", "Openai-Processing-Ms": "12",
			"X-Ratelimit-Remaining-Tokens": "9", "Set-Cookie": "a=b", "Server": "nginx", "Retry-After": "5",
			"Access-Control-Allow-Origin": "*", "Openai-Organization": "org-owner", "Alt-Svc": "h3", "X-Smartrouter-Channel": "forged",
		} {
			h.Set(name, value)
		}
		io.WriteString(w, answered)
	})
	l := newLab(t, at(url))
	l.prepare.change = func(p *sdk.Prepared) {
		p.Headers = []sdk.Header{{Name: "x-title", Value: "router"}, {Name: "Transfer-Encoding", Value: "chunked"}, {Name: "host", Value: "evil"}}
	}
	rec := newRecorder()
	rec.header.Set("X-Request-Id", "ours")
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"Bearer client"}, "Cookie": {"a=b"},
		"X-Api-Key": {"client"}, "Openai-Beta": {"assistants=v2"}, "Openai-Organization": {"client"}, "Openai-Project": {"client"},
		"Idempotency-Key": {"once"}, "X-Stainless-Lang": {"js"}, "User-Agent": {"client"}, "Accept": {"application/json"},
		"Accept-Encoding": {"gzip"}, "Connection": {"x-secret"}, "X-Forwarded-For": {"1.2.3.4"}, "Origin": {"https://a"},
	}, []byte(question)), l.plan())
	if !out.Complete {
		t.Fatalf("outcome %+v", out)
	}
	r := <-got
	want := map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Authorization": "Bearer " + secret, "Openai-Beta": "assistants=v2",
		"Idempotency-Key": "once", "User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "identity",
		"X-Title": "router", "Content-Length": fmt.Sprint(len(question)),
	}
	if have := first(r.Header); !maps.Equal(have, want) || r.Host == "evil" {
		t.Errorf("upstream got %v of %s\nwant %v", have, r.Host, want)
	}
	want = map[string]string{
		"Content-Type": "application/json", "Content-Length": fmt.Sprint(len(answered)), "X-Request-Id": "ours",
		"X-Upstream-Request-Id": "theirs", "Openai-Processing-Ms": "12", "X-Ratelimit-Remaining-Tokens": "9",
		"X-Smartrouter-Channel": "channel-a", "X-Smartrouter-Model": model, "X-Smartrouter-Attempts": "1",
	}
	if have := first(rec.header); !maps.Equal(have, want) {
		t.Errorf("client got %v\nwant %v", have, want)
	}
	if out.Usage.Input != 3 || out.Usage.Output != 4 {
		t.Errorf("usage %+v", out.Usage)
	}
}

func first(h http.Header) map[string]string {
	out := map[string]string{}
	for name, v := range h {
		out[name] = v[0]
	}
	return out
}

// TestBodies: an unchanged body goes out byte by byte, a changed one changed
// only where it must be.
func TestBodies(t *testing.T) {
	t.Parallel()
	form := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + model + "\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\x00\xff\r\n--b--\r\n"
	for _, tc := range []struct {
		name, contentType, body, want string
		change                        func(*sdk.Prepared)
		alias                         string
	}{
		{name: "unchanged", body: ` { "model" : "` + model + `", "x":1e400, "messages":[] } `, want: ` { "model" : "` + model + `", "x":1e400, "messages":[] } `},
		{name: "fallbacks are ours", body: `{"model":"` + model + `","fallbacks":["b"],"messages":[]}`, want: `{"model":"` + model + `","messages":[]}`},
		{name: "alias", alias: "ep-1", body: `{"model":"` + model + `","messages":[]}`, want: `{"model":"ep-1","messages":[]}`},
		{name: "the adapter's name", body: `{"model":"` + model + `","messages":[]}`, want: `{"model":"theirs","messages":[]}`, change: func(p *sdk.Prepared) { p.Model = "theirs" }},
		{name: "edits", body: `{"model":"` + model + `","max_tokens":1,"user":"u","messages":[]}`, want: `{"messages":[],"max_completion_tokens":1,"a":[1],"b":true}`, change: func(p *sdk.Prepared) {
			p.Edits = []sdk.Edit{
				{Op: sdk.EditDelete, Field: "model"}, {Op: sdk.EditDelete, Field: "user"}, {Op: sdk.EditSet, Field: "a", Value: []byte(`[1]`)},
				{Op: sdk.EditDefault, Field: "b", Value: []byte(`true`)}, {Op: sdk.EditRename, Field: "max_tokens", To: "max_completion_tokens"},
			}
		}},
		{name: "form", contentType: "multipart/form-data; boundary=b", body: form, want: form},
		{name: "form with an alias", alias: "ep-1", contentType: "Multipart/Form-Data; boundary=b", body: form, want: strings.Replace(form, model, "ep-1", 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 2)
			s := handledBody(t, got)
			// A first target that fails shows that each one gets a body of its own.
			l := newLab(t, at(answering(t, 500, "", "{}")), spec{url: s, change: func(c *config.Channel) {
				if tc.alias != "" {
					c.Aliases = map[string]string{model: tc.alias}
				}
			}})
			l.prepare.change = tc.change
			e := sdk.Chat
			if tc.contentType != "" {
				e = sdk.Transcription
			}
			h := http.Header{}
			h.Set("Content-Type", tc.contentType)
			out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(e, h, []byte(tc.body)), l.plan())
			if !out.Complete {
				t.Fatalf("outcome %+v", out)
			}
			have := <-got
			if tc.name == "edits" {
				// A renamed field keeps its place, which is before the others'.
				tc.want = `{"max_completion_tokens":1,"messages":[],"a":[1],"b":true}`
			}
			if have != tc.want {
				t.Errorf("upstream got %q\nwant %q", have, tc.want)
			}
		})
	}
}

func handledBody(t *testing.T, got chan<- string) string {
	t.Helper()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
	})
	return s
}

// TestAdapterMistakes: what an adapter gets wrong leaves the target out, and
// blames nobody.
func TestAdapterMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*sdk.Prepared)
		fail   error
		status int
		code   string
	}{
		{name: "no endpoint", fail: sdk.Unsupported("has no chat"), status: 404, code: "unsupported_endpoint"},
		{name: "dead", fail: errors.New("adapter died with " + secret), status: 503},
		{name: "no URL", change: func(p *sdk.Prepared) { p.URL = "" }, status: 503},
		{name: "scheme", change: func(p *sdk.Prepared) { p.URL = "file:///etc/passwd" }, status: 503},
		{name: "user in the URL", change: func(p *sdk.Prepared) { p.URL = "http://a:b@127.0.0.1/" }, status: 503},
		{name: "codec", change: func(p *sdk.Prepared) { p.Codec = "klingon" }, status: 503},
		{name: "auth", change: func(p *sdk.Prepared) { p.Auth.Kind = "magic" }, status: 503},
		{name: "auth without a header", change: func(p *sdk.Prepared) { p.Auth = sdk.Auth{Kind: sdk.AuthHeader} }, status: 503},
		{name: "a signature without keys of AWS", change: func(p *sdk.Prepared) { p.Auth = sdk.Auth{Kind: sdk.AuthSigV4, Service: "s", Region: "r"} }, status: 503},
		{name: "auth without a parameter", change: func(p *sdk.Prepared) { p.Auth = sdk.Auth{Kind: sdk.AuthQuery} }, status: 503},
		{name: "edit", change: func(p *sdk.Prepared) { p.Edits = []sdk.Edit{{Op: "eat", Field: "a"}} }, status: 503},
		{name: "edit with no JSON", change: func(p *sdk.Prepared) { p.Edits = []sdk.Edit{{Op: sdk.EditSet, Field: "a", Value: []byte("{")}} }, status: 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(wall.Start(t).URL()))
			l.prepare.change = tc.change
			if tc.fail != nil {
				l.prepare.prepare = func(*board.Channel, string, sdk.Endpoint) (*sdk.Prepared, error) { return nil, tc.fail }
			}
			out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
			if out.Committed || out.Err == nil || out.Err.Status != tc.status || tc.code != "" && out.Err.Code != tc.code || len(out.Attempts) != 0 {
				t.Errorf("outcome %+v, %v", out, out.Err)
			}
			if strings.Contains(l.log.String(), secret) {
				t.Error("the log has the secret")
			}
			l.settled()
		})
	}
}

// TestNoTarget: a plan without targets is told as such.
func TestNoTarget(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	if out.Committed || out.Err == nil || out.Err.Status != 503 || out.Err.Code != "no_target_available" || out.Target != nil {
		t.Errorf("outcome %+v", out)
	}
}

func TestMaxAttempts(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(wall.Status(500)))
	l := newLab(t, at(w.URL()), at(w.URL()), at(w.URL()), at(w.URL()), at(w.URL()))
	l.change = func(c *Call) { c.Rules.MaxAttempts = 3 }
	out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	if len(out.Attempts) != 3 || w.Counts().Requests != 3 || out.Err == nil {
		t.Errorf("outcome %+v", out)
	}
}

// TestAuth: each kind proves itself in its own way, a minted token is renewed once.
func TestAuth(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		auth   sdk.Auth
		secret string
		want   func(*http.Request) bool
		minted []string // tokens in turn
		tries  int
		ok     bool
	}{
		{name: "none", auth: sdk.Auth{Kind: sdk.AuthNone}, secret: secret, tries: 1, ok: true, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }},
		{name: "bearer", auth: sdk.Auth{Kind: sdk.AuthBearer}, secret: secret, tries: 1, ok: true, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+secret }},
		{name: "no key", auth: sdk.Auth{Kind: sdk.AuthBearer}, tries: 1, ok: true, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }},
		{name: "header", auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "api-key"}, secret: secret, tries: 1, ok: true, want: func(r *http.Request) bool {
			return r.Header.Get("Api-Key") == secret && r.Header.Get("Authorization") == ""
		}},
		{name: "query", auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "key"}, secret: secret, tries: 1, ok: true, want: func(r *http.Request) bool { return r.URL.Query().Get("key") == secret && r.URL.Query().Get("v") == "1" }},
		{name: "sigv4", auth: sdk.Auth{Kind: sdk.AuthSigV4, Service: "bedrock", Region: "us-east-1"}, secret: "AKIDEXAMPLE:very/secret", tries: 1, ok: true, want: signedBy("AKIDEXAMPLE", "very/secret", "")},
		{name: "sigv4 of a session", auth: sdk.Auth{Kind: sdk.AuthSigV4, Service: "bedrock", Region: "us-east-1"}, secret: "AKIDEXAMPLE:very/secret:for+now", tries: 1, ok: true, want: signedBy("AKIDEXAMPLE", "very/secret", "for+now")},
		{name: "minted", minted: []string{"Bearer one"}, tries: 1, ok: true, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer one" }},
		{name: "minted anew", minted: []string{"Bearer old", "Bearer new"}, tries: 2, ok: true, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer new" }},
		{name: "minted in vain", minted: []string{"Bearer old", "Bearer older", "Bearer new"}, tries: 2, want: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer new" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := handled(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if !tc.want(r) {
					w.WriteHeader(401)
				}
				io.WriteString(w, answered)
			})
			l := newLab(t, spec{url: url, change: func(c *config.Channel) { c.Secret = config.Secret(tc.secret) }})
			l.prepare.change = func(p *sdk.Prepared) {
				p.URL += "?v=1"
				if p.Auth = tc.auth; tc.minted != nil {
					p.Auth = sdk.Auth{Kind: sdk.AuthMinted, Value: tc.minted[l.prepare.forgot]}
				}
			}
			out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
			if out.Complete != tc.ok || len(out.Attempts) != tc.tries {
				t.Errorf("outcome %+v", out)
			}
			if banned := l.targets[0].Channel.Ban() != nil; banned == tc.ok {
				t.Errorf("banned: %v", banned)
			}
			l.settled()
		})
	}
}

// signedBy tells whether a request was signed as it has arrived.
func signedBy(id, secret, token string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		u := *r.URL
		u.Host = r.Host
		again := r.Header.Clone()
		sigv4.Sign(r.Method, &u, again, body, sigv4.Keys{ID: id, Secret: secret, Token: token}, sigv4.Scope{Region: "us-east-1", Service: "bedrock"}, at)
		return time.Since(at).Abs() < time.Minute && r.Header.Get("Authorization") == again.Get("Authorization") &&
			r.Header.Get("X-Amz-Security-Token") == token && strings.Contains(again.Get("Authorization"), "=content-type;host;x-amz-date")
	}
}

// TestSecretsNeverShow: an upstream that repeats what it was told reveals
// nothing to clients, records, logs and plugins.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		answer string
		auth   sdk.Auth
		key    string // that the secret is in
		stream bool
	}{
		{name: "401", status: 401, answer: `{"error":{"message":"Incorrect API key provided: ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "400 passed on", status: 400, answer: `{"error":{"message":"bad request with Bearer ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "400 passed on to a stream", status: 400, answer: `{"error":{"message":"bad request with Bearer ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}, stream: true},
		{name: "500", status: 500, answer: `{"error":{"message":"died with key=` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "key"}},
		{name: "404", status: 404, answer: `{"error":{"message":"no ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "api-key"}},
		{name: "200 with an error", status: 200, answer: `{"error":{"message":"no ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "200 with garbage", status: 200, answer: secret, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "sigv4", status: 403, answer: `{"message":"` + secret + ` is out of date"}`, auth: sdk.Auth{Kind: sdk.AuthSigV4, Service: "s", Region: "r"}, key: "AKIDEXAMPLE:" + secret},
		{name: "minted", status: 500, answer: `{"error":{"message":"no ` + secret + `-minted"}}`, auth: sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer " + secret + "-minted"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			to := at(answering(t, tc.status, "", tc.answer))
			if tc.key != "" {
				to.change = func(c *config.Channel) { c.Secret = config.Secret(tc.key) }
			}
			l := newLab(t, to)
			l.prepare.auth = tc.auth
			body := question
			if tc.stream {
				body = streamed
			}
			rec := newRecorder()
			out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
			for what, text := range map[string]string{
				"client": rec.text(), "log": l.log.String(), "outcome": fmt.Sprintf("%+v", out), "error": fmt.Sprintf("%+v", *out.Err),
				"reason": out.Attempts[0].Reason,
			} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %s", what, text)
				}
			}
			for _, b := range []*board.Ban{l.targets[0].Ban(), l.targets[0].Channel.Ban()} {
				if b != nil && strings.Contains(b.Reason, secret) {
					t.Errorf("ban: %s", b.Reason)
				}
			}
		})
	}
}
