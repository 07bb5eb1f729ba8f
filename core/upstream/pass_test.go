package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// passed serves one passage as the router does, over a real connection.
func (l *lab) passed(change func(*Passage)) (reply, Outcome) {
	l.t.Helper()
	outcome := make(chan Outcome, 1)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &Passage{
			Channel: l.targets[0].Channel, Model: model, Endpoint: sdk.Responses, Method: http.MethodGet, Path: "resp_1",
			Header: r.Header, KeepAlive: 15 * time.Second, WriteTimeout: 30 * time.Second,
		}
		if change != nil {
			change(p)
		}
		out := l.dispatcher.Pass(r.Context(), w, p)
		if !out.Committed && out.Err != nil {
			w.WriteHeader(out.Err.Status)
			w.Write(openai.AppendError(nil, out.Err))
		}
		outcome <- out
	}))
	defer front.Close()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer client")
	r.Header.Set("Openai-Beta", "responses=v1")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{err: err}, <-outcome
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	return reply{res.StatusCode, res.Header, string(text), err}, <-outcome
}

const (
	replayed = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n"
	half = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\nevent: response.output_te"
)

// TestPass: what the client gets of each kind of answer.
func TestPass(t *testing.T) {
	t.Parallel()
	long := `{"data":"` + strings.Repeat("x", 3<<20) + `"}`
	for _, tc := range []struct {
		name        string
		status      int
		contentType string
		answer      string
		cut         bool // the connection breaks behind the answer
		want        int
		body        string // that the client gets, whole
		holds       string // or a part of it
		broken      bool   // the client sees its connection break
		incomplete  bool
	}{
		{name: "whole", status: 200, answer: `{"id":"resp_1"}`, want: 200, body: `{"id":"resp_1"}`},
		{name: "nothing", status: 204, want: 204},
		{name: "long", status: 200, answer: long, want: 200, body: long},
		{name: "whole, cut off", status: 200, answer: `{"id":"re`, cut: true, want: 502, holds: "bad_gateway", incomplete: true},
		{name: "long, cut off", status: 200, answer: long, cut: true, want: 200, broken: true, incomplete: true},
		{name: "stream", status: 200, contentType: "text/event-stream", answer: replayed, want: 200, body: replayed},
		{name: "stream without its last blank line", status: 200, contentType: "text/event-stream", answer: replayed[:len(replayed)-1], want: 200, body: replayed + "\n"},
		{name: "stream after the last event", status: 200, contentType: "text/event-stream", want: 200},
		{name: "stream, cut off", status: 200, contentType: "text/event-stream", answer: half, cut: true, want: 200, holds: "}\n\nevent: error\ndata: {\"type\":\"error\"", incomplete: true},
		{name: "stream, ended early", status: 200, contentType: "text/event-stream", answer: half[:strings.LastIndex(half, "event")], want: 200, holds: "event: error", incomplete: true},
		{name: "not there", status: 404, answer: `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error"}}`, want: 404, body: `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error"}}`},
		{name: "a proxy's page", status: 503, contentType: "text/html", answer: "<h1>busy</h1>", want: 503, holds: `{"error":{`},
		{name: "a limit", status: 429, answer: `{"error":{"message":"slower"}}`, want: 429, body: `{"error":{"message":"slower"}}`},
		{name: "the router's key", status: 401, answer: `{"error":{"message":"bad key ` + secret + `"}}`, want: 502, holds: "upstream_auth", incomplete: true},
		{name: "a refusal that names the key", status: 400, answer: `{"error":{"message":"bad ` + secret + `"}}`, want: 400, body: `{"error":{"message":"bad ***"}}`},
		{name: "a redirection", status: 302, answer: `{}`, want: 502, holds: "bad_gateway", incomplete: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				if tc.contentType == "" {
					tc.contentType = "application/json"
				}
				w.Header().Set("Content-Type", tc.contentType)
				w.Header().Set("Location", "http://elsewhere/")
				w.Header().Set("Set-Cookie", "a=b")
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.answer)
				if tc.cut {
					http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}
			})))
			got, out := l.passed(nil)
			if tc.broken != (got.err != nil) {
				t.Fatalf("the client's error: %v", got.err)
			}
			if got.status != tc.want || tc.body != "" && got.body != tc.body || !strings.Contains(got.body, tc.holds) {
				t.Errorf("got %d %.300q", got.status, got.body)
			}
			if strings.Contains(got.body, secret) || got.header.Get("Set-Cookie")+got.header.Get("Location") != "" {
				t.Errorf("too much is told: %v %.300q", got.header, got.body)
			}
			if out.Complete == tc.incomplete || out.Committed && out.Status != tc.want {
				t.Errorf("outcome %+v", out)
			}
			if out.Committed && got.header.Get("X-Smartrouter-Channel") != "channel-a" {
				t.Errorf("headers %v", got.header)
			}
			if ban := l.targets[0].Ban(); ban != nil || l.targets[0].Channel.Ban() != nil {
				t.Errorf("banned for it: %+v", ban)
			}
		})
	}
}

// TestPassRequest: the URL is the adapter's, the credential the channel's.
func TestPassRequest(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	url := newServer(t, func(_ http.ResponseWriter, r *http.Request) { got <- r })
	l := newLab(t, at(url))
	l.prepare.change = func(p *sdk.Prepared) {
		p.URL += "?api-version=v1"
		p.Auth = sdk.Auth{Kind: sdk.AuthQuery, Name: "key"}
	}
	if r, out := l.passed(func(p *Passage) {
		p.Method, p.Path, p.Query = http.MethodPost, "resp%2F1/cancel", "a=b%20c"
	}); r.status != 200 || !out.Complete {
		t.Fatalf("%+v, outcome %+v", r, out)
	}
	r := <-got
	if want := "/responses/resp%2F1/cancel?api-version=v1&a=b%20c&key=" + secret; r.Method != http.MethodPost || r.RequestURI != want {
		t.Errorf("%s %s, want %s", r.Method, r.RequestURI, want)
	}
	if r.Header.Get("Authorization") != "" || r.Header.Get("Openai-Beta") != "responses=v1" || r.ContentLength != 0 {
		t.Errorf("headers %v, %d bytes", r.Header, r.ContentLength)
	}
}

// TestPassOnAStaleConnection: one that was closed while it was idle is not the
// client's business, also where the method may not be repeated by itself.
func TestPassOnAStaleConnection(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	l := newLab(t, at(raw(t, func(n int, c net.Conn) {
		in := bufio.NewReader(c)
		for i := 0; ; i++ {
			if _, err := http.ReadRequest(in); err != nil || n == 0 && i == 1 {
				return // the first connection takes a second request, and closes
			}
			fmt.Fprint(c, ok)
		}
	})))
	for i := range 2 {
		if got, _ := l.passed(func(p *Passage) { p.Method = http.MethodDelete }); got.status != 200 {
			t.Errorf("request %d: %+v", i, got)
		}
	}
}

func TestPassRenewsAMintedToken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	l := newLab(t, at(newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
		if len(seen) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})))
	l.prepare.auth = sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer minted"}
	if got, _ := l.passed(nil); got.status != 200 || l.prepare.forgot != 1 || !slices.Equal(seen, []string{"Bearer minted", "Bearer minted"}) {
		t.Errorf("%+v, forgotten %d times, the upstream saw %v", got, l.prepare.forgot, seen)
	}
}

func TestPassFails(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T) string {
		return newServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	short := func(c *config.Channel) { c.Timeouts.Read, c.Timeouts.Idle = 50*time.Millisecond, 50*time.Millisecond }
	for _, tc := range []struct {
		name   string
		url    func(t *testing.T) string
		change func(*lab)
		want   int
		code   string
	}{
		{name: "dead", url: func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			return "http://" + l.Addr().String()
		}, want: 502, code: "bad_gateway"},
		{name: "silent", url: silent, want: 504, code: "gateway_timeout"},
		{name: "not offered", url: silent, want: 404, code: "unsupported_endpoint", change: func(l *lab) {
			l.prepare.prepare = func(*board.Channel, string, sdk.Endpoint) (*sdk.Prepared, error) {
				return nil, sdk.Unsupported("has no responses")
			}
		}},
		{name: "no URL", url: silent, want: 503, code: "server_is_overloaded", change: func(l *lab) {
			l.prepare.change = func(p *sdk.Prepared) { p.URL = "ftp://x" }
		}},
		{name: "unknown auth", url: silent, want: 503, code: "server_is_overloaded", change: func(l *lab) {
			l.prepare.auth = sdk.Auth{Kind: "handshake"}
		}},
		{name: "a compressed answer", url: func(t *testing.T) string {
			return newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br") })
		}, want: 502, code: "bad_gateway"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, spec{url: tc.url(t), change: short})
			if tc.change != nil {
				tc.change(l)
			}
			got, out := l.passed(nil)
			if got.status != tc.want || out.Committed || out.Err == nil || out.Err.Code != tc.code {
				t.Errorf("got %+v, outcome %+v", got, out)
			}
		})
	}
}

// TestPassSilentStream: a stream that stops is ended with an error.
func TestPassSilentStream(t *testing.T) {
	t.Parallel()
	l := newLab(t, spec{url: newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, half)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), change: func(c *config.Channel) { c.Timeouts.Idle = 200 * time.Millisecond }})
	got, out := l.passed(func(p *Passage) { p.KeepAlive = 20 * time.Millisecond })
	if got.status != 200 || !strings.Contains(got.body, string(comment)) || !strings.Contains(got.body, "event: error\n") || strings.Contains(got.body, "output_te") {
		t.Errorf("got %+v", got)
	}
	if out.Complete || out.Err != brokeOff {
		t.Errorf("outcome %+v", out)
	}
}

// TestPassWhenTheClientLeaves: nothing is told to nobody, and the upstream sees it.
func TestPassWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	over := make(chan struct{})
	l := newLab(t, at(newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
		close(over)
	})))
	rec := newRecorder()
	out := l.dispatcher.Pass(ctx, rec, &Passage{Channel: l.targets[0].Channel, Endpoint: sdk.Responses, Method: http.MethodGet, Path: "resp_1"})
	if out.Committed || out.Err != nil {
		t.Errorf("outcome %+v", out)
	}
	select {
	case <-over:
	case <-time.After(patience):
		t.Error("the upstream still works")
	}
}

// kept notes what a Keeper is told, and what the client had by then.
type kept struct {
	rec *recorder
	ids []string
}

func (k *kept) Keep(id string, t *board.Target) {
	k.ids = append(k.ids, fmt.Sprintf("%s of %s after %q", id, t.Name(), k.rec.text()))
}

// TestKeeper: who wants to know of ids is told once, of the answer that counts,
// before the client has any of it.
func TestKeeper(t *testing.T) {
	t.Parallel()
	const body, asStream = `{"model":"` + model + `","input":"a"}`, `{"model":"` + model + `","input":"a","stream":true}`
	created := "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n"
	text := "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
	done := "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"
	want := []string{`resp_1 of channel-b/` + model + ` after ""`}
	for _, tc := range []struct {
		name, body, contentType, first, second string
	}{
		{name: "whole", body: body, first: `{"id":"resp_0"`, second: `{"id":"resp_1","status":"completed"}`},
		{name: "long", body: body, first: "<html>", second: `{"id":"resp_1","output":"` + strings.Repeat("x", 2<<20) + `"}`},
		{name: "stream", body: asStream, contentType: "text/event-stream", first: strings.ReplaceAll(created, "resp_1", "resp_0"), second: created + text + text + done},
		{name: "stream of nothing but its end", body: asStream, contentType: "text/event-stream", first: "data: x\n\n", second: done},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(answering(t, 200, tc.contentType, tc.first)), at(answering(t, 200, tc.contentType, tc.second)))
			rec := newRecorder()
			k := &kept{rec: rec}
			l.change = func(c *Call) { c.Keeper = k }
			out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Responses, http.Header{}, []byte(tc.body)), l.plan())
			if !out.Complete || !slices.Equal(k.ids, want) {
				t.Errorf("told %q, want %q; outcome %+v", k.ids, want, out)
			}
		})
	}
}
