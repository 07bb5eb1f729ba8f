package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	role    = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
	content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"sea\"}}]}\n\n"
	finish  = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	done    = "data: [DONE]\n\n"
	remark  = ": working\n\n"
)

// step is what a scripted upstream does: wait, then say something.
type step struct {
	wait time.Duration
	say  string
}

// scripted is a lab in a bubble of made-up time: its upstreams are at the other
// end of pipes. Each request to host n follows the next of script n.
func scripted(t *testing.T, scripts ...[][]step) *lab {
	specs := make([]spec, len(scripts))
	for i := range scripts {
		specs[i] = at("http://127.0.0." + string(rune('1'+i)))
	}
	l := newLab(t, specs...)
	l.dispatcher.pools.dial = func(_ context.Context, _, addr string) (net.Conn, error) {
		n := int(addr[len("127.0.0.")] - '1')
		if len(scripts[n]) == 0 {
			return nil, errors.New("nobody there")
		}
		script := scripts[n][0]
		scripts[n] = scripts[n][1:]
		near, far := net.Pipe()
		go play(far, script)
		return near, nil
	}
	return l
}

func play(c net.Conn, script []step) {
	defer c.Close()
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil {
		return
	}
	// Whoever reads on learns that the other side has gone.
	gone := make(chan struct{})
	go func() { defer close(gone); io.Copy(io.Discard, br) }()
	for _, s := range script {
		select {
		case <-time.After(s.wait):
		case <-gone:
			return
		}
		if _, err := io.WriteString(c, s.say); err != nil {
			return
		}
	}
}

const eventsFollow = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

func whole(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body
}

const never = 1000 * time.Hour

// TestTime: each phase has its own time-out, and none other ends it.
func TestTime(t *testing.T) {
	t.Parallel()
	good := []step{{0, eventsFollow + role + content + finish + done}}
	for _, tc := range []struct {
		name    string
		scripts [][][]step
		stream  bool
		// took is how long the client waits, up to a second or the back-off.
		took     time.Duration
		classes  []board.Class
		complete bool
		// client is what it got, comments left out, and comments how many.
		client   string
		comments int
		code     string
	}{
		{
			name: "silent before the head", stream: true,
			scripts: [][][]step{{{{never, ""}}}, {good}},
			took:    2 * time.Minute, classes: []board.Class{board.Timeout, board.None}, complete: true,
			client: role + content + finish + done, comments: 8,
		}, {
			name: "head and role, then silent", stream: true,
			scripts: [][][]step{{{{time.Second, eventsFollow + role}, {never, ""}}}, {good}},
			took:    2 * time.Minute, classes: []board.Class{board.Timeout, board.None}, complete: true,
			client: role + content + finish + done, comments: 8,
		}, {
			name: "comments before any content", stream: true,
			scripts: [][][]step{{{{0, eventsFollow + remark}, {time.Minute, remark}, {time.Minute - time.Second, remark}, {never, ""}}}, {good}},
			took:    2 * time.Minute, classes: []board.Class{board.Timeout, board.None}, complete: true,
			client: role + content + finish + done, comments: 8,
		}, {
			name: "silent in the middle", stream: true,
			scripts: [][][]step{{{{0, eventsFollow + role + content}, {never, ""}}}, {good}},
			took:    90 * time.Second, classes: []board.Class{board.Timeout},
			client: role + content, comments: 6, code: "gateway_timeout",
		}, {
			name: "comments only in the middle", stream: true,
			scripts: [][][]step{{{{0, eventsFollow + role + content}, {40 * time.Second, remark}, {40 * time.Second, remark}, {never, ""}}}, {good}},
			took:    90 * time.Second, classes: []board.Class{board.Timeout},
			client: role + content + remark + remark, comments: 4, code: "gateway_timeout",
		}, {
			name: "slow but alive", stream: true,
			scripts: [][][]step{{{{100 * time.Second, eventsFollow + role + content}, {80 * time.Second, content}, {80 * time.Second, content}, {80 * time.Second, finish + done}}}},
			took:    340 * time.Second, classes: []board.Class{board.None}, complete: true,
			client: role + content + content + content + finish + done, comments: 22,
		}, {
			name: "finished, but never closed", stream: true,
			scripts: [][][]step{{{{0, eventsFollow + role + content + finish + done}, {never, ""}}}},
			took:    drainWait, classes: []board.Class{board.None}, complete: true,
			client: role + content + finish + done,
		}, {
			name: "within the hold no comment is sent", stream: true,
			scripts: [][][]step{{{{14 * time.Second, eventsFollow + role + content + finish + done}}}},
			took:    14 * time.Second, classes: []board.Class{board.None}, complete: true,
			client: role + content + finish + done,
		}, {
			name: "held too long, then nobody answers", stream: true,
			scripts: [][][]step{{{{20 * time.Second, "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}}}},
			took:    20 * time.Second, classes: []board.Class{board.Auth}, comments: 1, code: "upstream_auth",
		}, {
			name: "held too long, then the request is refused", stream: true,
			scripts: [][][]step{{{{20 * time.Second, "HTTP/1.1 400 No\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n{\"error\":{\"code\":\"wrong_value\"}}"}}}},
			took:    20 * time.Second, classes: []board.Class{board.None}, comments: 1, complete: true, code: "wrong_value",
		}, {
			name:    "a whole answer that never comes",
			scripts: [][][]step{{{{never, ""}}}, {{{0, whole(`{"id":"1"}`)}}}},
			took:    5 * time.Minute, classes: []board.Class{board.Timeout, board.None}, complete: true, client: `{"id":"1"}`,
		}, {
			name:    "a whole answer that drips",
			scripts: [][][]step{{{{0, whole(`{`)}, {2 * time.Minute, `"id"`}, {2 * time.Minute, `:`}, {2 * time.Minute, `1}`}}}, {{{0, whole(`{"id":"1"}`)}}}},
			took:    5 * time.Minute, classes: []board.Class{board.Timeout, board.None}, complete: true, client: `{"id":"1"}`,
		}, {
			name:    "a slow whole answer",
			scripts: [][][]step{{{{4 * time.Minute, whole(`{"id":"1"}`)}}}},
			took:    4 * time.Minute, classes: []board.Class{board.None}, complete: true, client: `{"id":"1"}`,
		}, {
			name:    "an error's body that never ends",
			scripts: [][][]step{{{{0, "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 100\r\n\r\nabc"}, {never, ""}}}, {{{0, whole(`{"id":"1"}`)}}}},
			took:    errorBodyWait, classes: []board.Class{board.Upstream, board.None}, complete: true, client: `{"id":"1"}`,
		}, {
			name:    "Retry-After is waited out where there is nothing else",
			scripts: [][][]step{{{{0, "HTTP/1.1 429 No\r\nConnection: close\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n"}}, {{0, whole(`{"id":"1"}`)}}}},
			took:    4 * time.Second, classes: []board.Class{board.RateLimit, board.None}, complete: true, client: `{"id":"1"}`,
		}, {
			name:    "x-ratelimit-reset is waited out too",
			scripts: [][][]step{{{{0, "HTTP/1.1 429 No\r\nConnection: close\r\nX-Ratelimit-Remaining-Requests: 0\r\nX-Ratelimit-Reset-Requests: 3s\r\nX-Ratelimit-Reset-Tokens: 6m0s\r\nX-Ratelimit-Remaining-Tokens: 9\r\nContent-Length: 0\r\n\r\n"}}, {{0, whole(`{"id":"1"}`)}}}},
			took:    3 * time.Second, classes: []board.Class{board.RateLimit, board.None}, complete: true, client: `{"id":"1"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := scripted(t, tc.scripts...)
				body := question
				if tc.stream {
					body = streamed
				}
				// Not a divisor of any time-out, so that no two things are due at once.
				l.change = func(c *Call) { c.KeepAlive = 14 * time.Second }
				rec := newRecorder()
				began := time.Now()
				out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
				if took := time.Since(began); took < tc.took || took > tc.took+time.Second {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				var classes []board.Class
				for _, a := range out.Attempts {
					classes = append(classes, a.Class)
				}
				if len(classes) != len(tc.classes) || out.Complete != tc.complete {
					t.Fatalf("classes %v, outcome %+v", classes, out)
				}
				for i := range classes {
					if classes[i] != tc.classes[i] {
						t.Errorf("classes %v, want %v", classes, tc.classes)
					}
				}
				text := rec.text()
				comments := strings.Count(text, string(comment))
				text = strings.ReplaceAll(text, string(comment), "")
				rest, ok := strings.CutPrefix(text, tc.client)
				if !ok || tc.code == "" && rest != "" || !strings.Contains(rest, tc.code) {
					t.Errorf("client got %q", text)
				}
				if comments != tc.comments {
					t.Errorf("%d comments, want %d", comments, tc.comments)
				}
				if tc.stream && rec.status != 200 {
					t.Errorf("status %d", rec.status)
				}
				l.settled()
				l.dispatcher.Close()
			})
		})
	}
}

// TestSlowWayUp: as long as a request's bytes flow, nobody waits for an answer;
// when they do not flow at all, the write time-out ends it.
func TestSlowWayUp(t *testing.T) {
	t.Parallel()
	large := `{"model":"` + model + `","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("a", 600<<10) + `"}]}`
	upstream := func(pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			defer c.Close()
			piece := make([]byte, 64<<10)
			for n := 0; n < len(large); {
				m, err := c.Read(piece)
				if err != nil {
					return
				}
				n += m
				time.Sleep(pause) // of the bubble's time
			}
			io.WriteString(c, eventsFollow+role+content+finish+done)
		}
	}
	for _, tc := range []struct {
		name     string
		pause    time.Duration
		complete bool
	}{
		{name: "slow", pause: 20 * time.Second, complete: true},
		{name: "stuck", pause: time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, at("http://127.0.0.1"))
				l.dispatcher.pools.dial = func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go upstream(tc.pause)(far)
					return near, nil
				}
				began := time.Now()
				out := l.dispatcher.Forward(t.Context(), newRecorder(), l.call(sdk.Chat, http.Header{}, []byte(large)), l.plan())
				took := time.Since(began)
				switch {
				case out.Complete != tc.complete:
					t.Errorf("after %v: %+v", took, out)
				case tc.complete && took < 2*time.Minute:
					t.Errorf("took only %v: nothing was slow", took)
				case !tc.complete && (took != 30*time.Second || out.Attempts[0].Class != board.Timeout):
					t.Errorf("after %v: %+v", took, out)
				}
				l.settled()
				l.dispatcher.Close()
				time.Sleep(tc.pause) // until the upstream wakes up and finds nobody
			})
		})
	}
}
