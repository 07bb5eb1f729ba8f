package upstream

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func impatient(c *config.Channel) {
	c.Timeouts.FirstToken, c.Timeouts.Idle, c.Timeouts.Read = 500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
}

// TestFaultBeforeTheCommit: whatever goes wrong at the first target, the client
// gets the second one's answer; with no second one it is told the truth.
func TestFaultBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fault  wall.Fault
		class  board.Class
		status int // for the client, where no other target is there
		code   string
		twice  bool // the only target gets a second chance
		only   string
	}{
		{name: "429", fault: wall.Status(429), class: board.RateLimit, status: 429, code: "rate_limit_exceeded"},
		{name: "429 soon over", fault: wall.Status(429).RetryAfter("0.02"), class: board.RateLimit, status: 429, code: "rate_limit_exceeded", twice: true},
		{name: "429 for an hour", fault: wall.Status(429).RetryAfter("3600"), class: board.RateLimit, status: 429, code: "rate_limit_exceeded"},
		{name: "429 with -1", fault: wall.Status(429).RetryAfter("-1"), class: board.RateLimit, status: 429, code: "rate_limit_exceeded"},
		{name: "429 with junk", fault: wall.Status(429).RetryAfter("soon"), class: board.RateLimit, status: 429, code: "rate_limit_exceeded"},
		{name: "quota", fault: wall.Quota(), class: board.Quota, status: 429, code: "insufficient_quota"},
		{name: "401", fault: wall.Status(401), class: board.Auth, status: 502, code: "upstream_auth"},
		{name: "403", fault: wall.Status(403), class: board.Auth, status: 502, code: "upstream_auth"},
		{name: "404", fault: wall.Status(404), class: board.NotFound, status: 404, code: "model_not_found"},
		{name: "408", fault: wall.Status(408), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "500", fault: wall.Status(500), class: board.Upstream, status: 500, twice: true},
		{name: "502", fault: wall.Status(502), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "503", fault: wall.Status(503), class: board.Upstream, status: 503, code: "server_is_overloaded", twice: true},
		{name: "529", fault: wall.Status(529), class: board.Upstream, status: 503, code: "server_is_overloaded", twice: true},
		{name: "redirect", fault: wall.Status(307), class: board.Upstream, status: 502, code: "bad_gateway"},
		{name: "reset", fault: wall.Reset(), class: board.Connect, status: 502, code: "bad_gateway", twice: true},
		{name: "silent", fault: wall.Silent(), class: board.Timeout, status: 504, code: "gateway_timeout"},
		{name: "garbage", fault: wall.Garbage(), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "empty", fault: wall.Empty(), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "web page", fault: wall.HTML(), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "200 with an error", fault: wall.ErrorJSON(), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "reset early", fault: wall.ResetAfter(1), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "closed early", fault: wall.CloseAfter(1), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "ended early", fault: wall.EndAfter(1), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "stalled early", fault: wall.StallAfter(1), class: board.Timeout, status: 504, code: "gateway_timeout"},
		{name: "error event first", fault: wall.ErrorAfter(0), class: board.Upstream, status: 502, code: "bad_gateway", twice: true},
		{name: "error event behind the role", fault: wall.ErrorAfter(1), class: board.Upstream, status: 502, code: "bad_gateway", twice: true, only: streamed},
	} {
		for _, body := range []string{question, streamed} {
			kind := "whole"
			if body == streamed {
				kind = "stream"
			}
			if tc.only != "" && tc.only != body {
				continue
			}
			t.Run(tc.name+"/"+kind+"/elsewhere", func(t *testing.T) {
				t.Parallel()
				bad, good := wall.Start(t, wall.Faults(tc.fault)), wall.Start(t)
				l := newLab(t, spec{url: bad.URL(), change: impatient}, at(good.URL()))
				r := ask(t, l.serve(), sdk.Chat, body)
				if r.status != 200 || r.err != nil || body == streamed && !strings.HasSuffix(r.body, "data: [DONE]\n\n") || body == question && !strings.Contains(r.body, `"finish_reason":"stop"`) {
					t.Fatalf("client got %d, %v: %s", r.status, r.err, r.body)
				}
				if strings.Contains(r.body, `"error"`) || strings.Count(r.body, `"role":"assistant"`) != 1 {
					t.Errorf("the client saw something of the first target: %s", r.body)
				}
				if r.header.Get("X-Smartrouter-Channel") != "channel-b" || r.header.Get("X-Smartrouter-Attempts") != "2" || r.header.Get("X-Smartrouter-Model") != model {
					t.Errorf("headers %v", r.header)
				}
				out := l.outcome()
				if len(out.Attempts) != 2 || out.Attempts[0].Class != tc.class || out.Attempts[1].Class != board.None || !out.Complete || out.Err != nil {
					t.Errorf("outcome %+v", out)
				}
				if l.targets[0].ErrorRate() == 0 || l.targets[1].ErrorRate() != 0 {
					t.Errorf("error rates %v and %v", l.targets[0].ErrorRate(), l.targets[1].ErrorRate())
				}
				l.settled()
			})
			t.Run(tc.name+"/"+kind+"/alone", func(t *testing.T) {
				t.Parallel()
				bad := wall.Start(t, wall.Faults(tc.fault))
				l := newLab(t, spec{url: bad.URL(), change: impatient})
				r := ask(t, l.serve(), sdk.Chat, body)
				code := "null"
				if tc.code != "" {
					code = strconv.Quote(tc.code)
				}
				if r.status != tc.status || !strings.Contains(r.body, `"code":`+code) {
					t.Errorf("client got %d: %s", r.status, r.body)
				}
				want := 1
				if tc.twice {
					want = 2
				}
				if got := bad.Counts().Requests; got != want {
					t.Errorf("%d tries, want %d", got, want)
				}
				if out := l.outcome(); out.Committed || out.Complete || out.Err == nil || out.Attempts[0].Reason == "" {
					t.Errorf("outcome %+v", out)
				}
				l.settled()
			})
		}
	}
}

// TestSecondChance: a target that fails once is tried again before a fallback
// model, and where there is no other target at all.
func TestSecondChance(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fault  wall.Fault
		others bool // a fallback model is there
		served string
		tries  int
	}{
		{name: "500", fault: wall.Status(500).Times(1), served: "channel-a", tries: 2},
		{name: "500 before a fallback", fault: wall.Status(500).Times(1), others: true, served: "channel-a", tries: 2},
		{name: "reset before a fallback", fault: wall.Reset().Times(1), others: true, served: "channel-a", tries: 2},
		{name: "500 twice before a fallback", fault: wall.Status(500), others: true, served: "channel-b", tries: 2},
		{name: "429 that is over soon", fault: wall.Status(429).RetryAfter("0.05").Times(1), others: true, served: "channel-a", tries: 2},
		{name: "429 that is not", fault: wall.Status(429).RetryAfter("60").Times(1), others: true, served: "channel-b", tries: 1},
		{name: "silent before a fallback", fault: wall.Silent().Times(1), others: true, served: "channel-b", tries: 1},
		{name: "bad key before a fallback", fault: wall.Status(401).Times(1), others: true, served: "channel-b", tries: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bad := wall.Start(t, wall.Faults(tc.fault))
			specs := []spec{{url: bad.URL(), change: impatient}}
			if tc.others {
				specs = append(specs, spec{url: wall.Start(t).URL(), fallback: 1})
			}
			l := newLab(t, specs...)
			r := ask(t, l.serve(), sdk.Chat, streamed)
			if r.status != 200 || r.header.Get("X-Smartrouter-Channel") != tc.served {
				t.Errorf("%d from %s: %s", r.status, r.header.Get("X-Smartrouter-Channel"), r.body)
			}
			if got := bad.Counts().Requests; got != tc.tries {
				t.Errorf("%d tries, want %d", got, tc.tries)
			}
			l.settled()
		})
	}
}

func TestRefusedAndUnknownHostsGetNoSecondTry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, url string }{
		{name: "refused", url: wall.Dead(t)},
		{name: "no such host", url: "http://no-such-host.invalid/v1"},
		{name: "certificate of nobody", url: tlsServer(t).URL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, at(tc.url))
			r := ask(t, l.serve(), sdk.Chat, question)
			out := l.outcome()
			if r.status != 502 || len(out.Attempts) != 1 || out.Attempts[0].Class != board.Connect {
				t.Errorf("%d: %s, %+v", r.status, r.body, out.Attempts)
			}
			if strings.Contains(r.body, "dial") || strings.Contains(r.body, "127.0.0.1") {
				t.Errorf("the client is told of our network: %s", r.body)
			}
		})
	}
}

// TestCutAfterTheCommit: what the client has can't be taken back. The answer
// ends with an error event, never like a whole one.
func TestCutAfterTheCommit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault wall.Fault
		class board.Class
		code  string
	}{
		{name: "reset", fault: wall.ResetAfter(4), class: board.Upstream, code: "bad_gateway"},
		{name: "closed", fault: wall.CloseAfter(4), class: board.Upstream, code: "bad_gateway"},
		{name: "clean end", fault: wall.EndAfter(4), class: board.Upstream, code: "bad_gateway"},
		{name: "stall", fault: wall.StallAfter(4), class: board.Timeout, code: "gateway_timeout"},
		{name: "error event", fault: wall.ErrorAfter(4), class: board.Upstream},
	} {
		for _, e := range []sdk.Endpoint{sdk.Chat, sdk.Responses} {
			t.Run(tc.name+"/"+string(e), func(t *testing.T) {
				t.Parallel()
				body, fault := streamed, tc.fault
				if e == sdk.Responses {
					body = `{"model":"` + model + `","input":"Say a few words about the sea","stream":true}`
					fault = laterOf(fault)
				}
				bad, good := wall.Start(t, wall.Faults(fault)), wall.Start(t)
				l := newLab(t, spec{url: bad.URL(), change: impatient}, at(good.URL()))
				r := ask(t, l.serve(), e, body)
				if r.status != 200 || r.err != nil || strings.Contains(r.body, "[DONE]") || strings.Contains(r.body, "response.completed") {
					t.Fatalf("%d, %v: %s", r.status, r.err, r.body)
				}
				events := strings.Split(strings.TrimSuffix(r.body, "\n\n"), "\n\n")
				last := events[len(events)-1]
				if !strings.Contains(last, `"error":{`) || !strings.Contains(last, tc.code) || !strings.HasSuffix(r.body, "}\n\n") {
					t.Errorf("ends with %s", last)
				}
				if strings.Count(r.body, `"error":{`) != 1 {
					t.Errorf("not one error: %s", r.body)
				}
				if e == sdk.Responses && !strings.HasPrefix(last, "event: error\n") {
					t.Errorf("ends with %s", last)
				}
				out := l.outcome()
				if !out.Committed || out.Complete || out.Err == nil || len(out.Attempts) != 1 || out.Attempts[0].Class != tc.class || out.Body != nil {
					t.Errorf("outcome %+v", out)
				}
				if good.Counts().Requests != 0 {
					t.Error("a second target was asked after the commit")
				}
				l.settled()
			})
		}
	}
}

// laterOf strikes some events later: a responses stream has more of them
// before its first content.
func laterOf(f wall.Fault) wall.Fault {
	switch f.String() {
	case wall.ResetAfter(0).String():
		return wall.ResetAfter(6)
	case wall.CloseAfter(0).String():
		return wall.CloseAfter(6)
	case wall.EndAfter(0).String():
		return wall.EndAfter(6)
	case wall.StallAfter(0).String():
		return wall.StallAfter(6)
	}
	return wall.ErrorAfter(6)
}

// TestRefusalsArePassedOn: what is wrong with the request itself is for the
// client to know, as the upstream said it, and for no other target to try.
func TestRefusalsArePassedOn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, answer, contentType string
		status                    int
		want                      string // "": the answer as it came
	}{
		{name: "400", status: 400, answer: `{"error": {"message":"bad","type":"invalid_request_error","param":"x","code":null},"more":1}`},
		{name: "409", status: 409, answer: `{"error":{"message":"conflict"}}`},
		{name: "413", status: 413, answer: `{"error":{"message":"large"}}`},
		{name: "422", status: 422, answer: `{"detail":[{"loc":["body"],"msg":"wrong"}]}`},
		{name: "longer than what an error is read of", status: 400, answer: `{"error":{"message":"` + strings.Repeat("long ", 5000) + `"}}`},
		{name: "content filter behind a 403", status: 403, answer: `{"error":{"code":"content_filter","message":"no"}}`},
		{name: "context too long behind a 500", status: 500, answer: `{"error":{"code":"context_length_exceeded","message":"no"}}`},
		{name: "a proxy's page", status: 413, contentType: "text/html", answer: "<html><h1>413 Request Entity Too Large</h1></html>",
			want: `{"error":{"message":"The upstream refused the request.","type":"invalid_request_error","param":null,"code":null}}`},
		{name: "longer than anything sensible", status: 400, answer: `{"error":{"message":"a","padding":"` + strings.Repeat("x", maxRefusal) + `"}}`,
			want: `{"error":{"message":"a","type":"invalid_request_error","param":null,"code":null}}`},
	} {
		for _, body := range []string{question, streamed} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				url := answering(t, tc.status, tc.contentType, tc.answer)
				l := newLab(t, at(url), at(wall.Start(t).URL()))
				r := ask(t, l.serve(), sdk.Chat, body)
				want := tc.want
				if want == "" {
					want = tc.answer
				}
				if r.status != tc.status || r.body != want || r.header.Get("Content-Type") != "application/json" {
					t.Errorf("%d %v: %.300s", r.status, r.header, r.body)
				}
				out := l.outcome()
				if len(out.Attempts) != 1 || out.Attempts[0].Class != board.None || !out.Committed || !out.Complete || out.Err == nil || out.Status != tc.status {
					t.Errorf("outcome %+v", out)
				}
				if l.targets[0].ErrorRate() != 0 {
					t.Error("the target is blamed for the client's mistake")
				}
				l.settled()
			})
		}
	}
}
