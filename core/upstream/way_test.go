package upstream

import (
	"errors"
	"fmt"
	"io"
	"maps"
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

// TestSecretsNeverShow: an upstream that repeats what it was told reveals
// nothing to clients, records, logs and plugins.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		answer string
		auth   sdk.Auth
		stream bool
	}{
		{name: "401", status: 401, answer: `{"error":{"message":"Incorrect API key provided: ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "400 passed on", status: 400, answer: `{"error":{"message":"bad request with Bearer ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "400 passed on to a stream", status: 400, answer: `{"error":{"message":"bad request with Bearer ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}, stream: true},
		{name: "500", status: 500, answer: `{"error":{"message":"died with key=` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "key"}},
		{name: "404", status: 404, answer: `{"error":{"message":"no ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "api-key"}},
		{name: "200 with an error", status: 200, answer: `{"error":{"message":"no ` + secret + `"}}`, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "200 with garbage", status: 200, answer: secret, auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "minted", status: 500, answer: `{"error":{"message":"no ` + secret + `-minted"}}`, auth: sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer " + secret + "-minted"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(answering(t, tc.status, "", tc.answer)))
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

// TestOddServers: bytes that are hardly HTTP end an attempt, not the router.
func TestOddServers(t *testing.T) {
	t.Parallel()
	flood := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("x", 1000)+"\r\n", 1000) + "\r\n"
	for _, tc := range []struct {
		name, say string
		class     board.Class
		ok        bool
	}{
		{name: "flood of headers", say: flood, class: board.Upstream},
		{name: "no HTTP", say: "SSH-2.0-OpenSSH_9.6\r\n", class: board.Upstream},
		{name: "nothing", say: "", class: board.Connect},
		{name: "half a head", say: "HTTP/1.1 200 OK\r\nContent-Ty", class: board.Upstream},
		{name: "switches protocols", say: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", class: board.Upstream},
		{name: "redirects", say: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", class: board.Upstream},
		{name: "compresses unasked", say: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", class: board.Upstream},
		{name: "cut by length", say: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n" + answered, class: board.Upstream},
		{name: "cut chunk", say: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", class: board.Upstream},
		{name: "bad chunk", say: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{", class: board.Upstream},
		{name: "204", say: "HTTP/1.1 204 No Content\r\n\r\n", class: board.Upstream},
		{name: "interim answers first", say: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: " + fmt.Sprint(len(answered)) + "\r\n\r\n" + answered, ok: true},
		{name: "no length and no chunks", say: "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + answered, ok: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(_ int, c net.Conn) {
				head := make([]byte, 64<<10)
				var got strings.Builder
				for !strings.HasSuffix(got.String(), question) {
					n, err := c.Read(head)
					if err != nil {
						return
					}
					got.Write(head[:n])
				}
				io.WriteString(c, tc.say)
			})
			l := newLab(t, at(url), at(wall.Start(t).URL()))
			rec := newRecorder()
			out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
			if !out.Complete || out.Attempts[0].Class != tc.class || tc.ok != (len(out.Attempts) == 1) {
				t.Errorf("outcome %+v", out)
			}
			l.settled()
		})
	}
}

// TestThrough: sound and long answers pass through; where they break off, the
// client's connection does too.
func TestThrough(t *testing.T) {
	t.Parallel()
	long := `{"data":"` + strings.Repeat("x", 3<<20) + `"}`
	for _, tc := range []struct {
		name        string
		endpoint    sdk.Endpoint
		body        string
		contentType string
		answer      string
		cut, length bool
		class       board.Class
	}{
		{name: "sound", endpoint: sdk.Speech, body: `{"model":"` + model + `","input":"a","voice":"b"}`, contentType: "audio/mpeg", answer: strings.Repeat("\x00\xff", 1<<20)},
		{name: "sound that breaks off", endpoint: sdk.Speech, body: `{"model":"` + model + `","input":"a","voice":"b"}`, contentType: "audio/mpeg", answer: strings.Repeat("\x00\xff", 1<<20), cut: true, class: board.Upstream},
		{name: "sound of known length that breaks off", endpoint: sdk.Speech, body: `{"model":"` + model + `","input":"a","voice":"b"}`, contentType: "audio/mpeg", answer: strings.Repeat("\x00\xff", 1<<20), cut: true, length: true, class: board.Upstream},
		{name: "long answer", endpoint: sdk.Chat, body: question, contentType: "application/json", answer: long},
		{name: "long answer that breaks off", endpoint: sdk.Chat, body: question, contentType: "application/json", answer: long, cut: true, class: board.Upstream},
		{name: "transcript", endpoint: sdk.Transcription, body: `{"model":"` + model + `"}`, contentType: "text/plain", answer: "1\n00:00\nsea\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.contentType)
				if tc.length {
					w.Header().Set("Content-Length", fmt.Sprint(2*len(tc.answer)))
				}
				io.WriteString(w, tc.answer)
				if tc.cut {
					http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}
			})
			l := newLab(t, at(url))
			r := ask(t, l.serve(), tc.endpoint, tc.body)
			out := l.outcome()
			if tc.cut != (r.err != nil) || tc.cut == out.Complete || out.Attempts[0].Class != tc.class || tc.cut != (out.Err != nil) {
				t.Errorf("client's error %v, outcome %+v", r.err, out)
			}
			if !tc.cut && (r.body != tc.answer || r.header.Get("Content-Type") != tc.contentType) {
				t.Errorf("client got %d bytes of %s", len(r.body), r.header.Get("Content-Type"))
			}
			l.settled()
		})
	}
}

// TestCapture: only complete good answers that fit are kept.
func TestCapture(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault wall.Fault
		limit int64
		kept  bool
	}{
		{name: "fits", limit: 1 << 20, kept: true},
		{name: "too long", limit: 10},
		{name: "off"},
		{name: "cut", limit: 1 << 20, fault: wall.EndAfter(4)},
		{name: "refused", limit: 1 << 20, fault: wall.Status(422)},
	} {
		for _, body := range []string{question, streamed} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				w := wall.Start(t)
				if tc.fault.String() != "" {
					w.Break(tc.fault)
				}
				l := newLab(t, at(w.URL()))
				l.change = func(c *Call) { c.Capture = tc.limit; c.Rules.MaxAttempts = 1 }
				rec := newRecorder()
				out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
				if tc.kept != (out.Body != nil) || tc.kept && (string(out.Body) != rec.text() || out.ContentType != rec.header.Get("Content-Type")) {
					t.Errorf("kept %d bytes of %q", len(out.Body), out.ContentType)
				}
			})
		}
	}
}

// TestStreamBytes: what the upstream sends is what the client gets, whatever
// line ends, marks and comments it uses and wherever the network cuts it.
func TestStreamBytes(t *testing.T) {
	t.Parallel()
	text := "\ufeff: hello\r\n\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n\r\n" +
		"id: 7\nretry: 5\ndata: {\"choices\":[{\"delta\":{\"content\":\"größe 海\"}}],\ndata: \"x\":1}\n\n: c\n\n" +
		"data:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\rdata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n"
	url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range len(text) {
			io.WriteString(w, text[i:i+1])
			http.NewResponseController(w).Flush()
		}
	})
	l := newLab(t, at(url))
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if rec.text() != text || !out.Complete || out.Usage.Total != 7 || out.TTFT <= 0 || out.Total < out.TTFT {
		t.Errorf("client got %q, outcome %+v", rec.text(), out)
	}
}

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
	_, err = tr.send(r, &info)
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

// TestPools: they are shared by channels that agree, and given up when no
// channel can use them.
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
	if pools[0] != pools[1] || pools[0] == pools[2] || pools[0] == pools[3] {
		t.Error("pools are not by origin and settings")
	}
	l.dispatcher.Apply(l.board.View(), l.prepare)
	if len(s.pools) != 3 || len(s.routes) != 4 {
		t.Errorf("%d pools and %d routes stay, want all", len(s.pools), len(s.routes))
	}
	only := &board.View{Channels: l.board.View().Channels[2:3]}
	l.dispatcher.Apply(only, l.prepare)
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
