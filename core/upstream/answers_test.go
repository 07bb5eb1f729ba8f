package upstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

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

// TestFlood: a stream that never says anything, however much it sends, is not
// waited for.
func TestFlood(t *testing.T) {
	t.Parallel()
	url := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			if _, err := io.WriteString(w, strings.Repeat(remark, 1000)+role); err != nil {
				return
			}
		}
	})
	l := newLab(t, at(url), at(wall.Start(t).URL()))
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	if !out.Complete || len(out.Attempts) != 2 || out.Attempts[0].Class != board.Upstream || strings.Contains(rec.text(), remark) {
		t.Errorf("outcome %+v", out)
	}
}

// TestDeafClient: a client that takes nothing ends its request, and nobody is
// blamed.
func TestDeafClient(t *testing.T) {
	t.Parallel()
	for _, body := range []string{question, streamed} {
		w := wall.Start(t)
		l := newLab(t, at(w.URL()), at(w.URL()))
		out := l.dispatcher.Forward(t.Context(), &deaf{http.Header{}}, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
		if out.Complete || out.Err != nil || len(out.Attempts) != 1 || out.Attempts[0].Class != board.None || l.targets[0].ErrorRate() != 0 {
			t.Errorf("outcome %+v", out)
		}
		l.settled()
	}
}

type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header       { return d.header }
func (d *deaf) WriteHeader(int)           {}
func (d *deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestTell: of several failures, the one that says most about when to come back
// is told.
func TestTell(t *testing.T) {
	t.Parallel()
	limited := failure{class: board.RateLimit, retryAfter: 9 * time.Second}
	sooner := failure{class: board.RateLimit, retryAfter: 3 * time.Second}
	broken := failure{class: board.Upstream}
	late, away := failure{class: board.Timeout}, failure{class: board.Connect}
	empty, missing, locked, full := failure{class: board.Quota}, failure{class: board.NotFound}, failure{class: board.Auth}, failure{busy: true}
	for _, tc := range []struct {
		name     string
		failures []failure
		status   int
		wait     time.Duration
	}{
		{name: "all limited", failures: []failure{limited, sooner}, status: 429, wait: 3 * time.Second},
		{name: "limited, and no key", failures: []failure{locked, limited}, status: 429, wait: 9 * time.Second},
		{name: "limited and broken", failures: []failure{limited, broken}, status: 502, wait: 9 * time.Second},
		{name: "late and away", failures: []failure{late, away}, status: 504},
		{name: "away and full", failures: []failure{full, away}, status: 502},
		{name: "full and empty", failures: []failure{full, empty}, status: 429, wait: time.Second},
		{name: "empty and missing", failures: []failure{missing, empty}, status: 429},
		{name: "missing and locked", failures: []failure{locked, missing}, status: 404},
		{name: "locked", failures: []failure{locked, locked}, status: 502},
		{name: "nothing tried", status: 503},
	} {
		if e, wait := tell(tc.failures, model); e.Status != tc.status || wait != tc.wait || e.Message == "" {
			t.Errorf("%s: %d %q, come back after %v", tc.name, e.Status, e.Message, wait)
		}
	}
}
