package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// Fault 34: whatever a parser may make of two lengths or odd line ends, the
// upstream sees exactly one well-formed request, or none.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	u := startRaw(t, answerWhole)
	r := startRouter(t, listen+channel("a", u.URL, upstreamKey, `models = ["m"]`))
	body := string(chatBody("m", false, "hello"))
	const (
		line   = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		hidden = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	bare := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	for _, test := range []struct {
		name, sent string
		passes     bool // an upstream has to see it
	}{
		{name: "a plain request", sent: line + length + "\r\n" + body, passes: true},
		{name: "chunks", sent: line + "Transfer-Encoding: chunked\r\n\r\n" + chunked, passes: true},
		{name: "both lengths, more bytes by the first", sent: line + fmt.Sprintf("Content-Length: %d\r\n", len(chunked)+len(hidden)) + "Transfer-Encoding: chunked\r\n\r\n" + chunked + hidden},
		{name: "both lengths, fewer bytes by the first", sent: line + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + hidden},
		{name: "both lengths in the other order", sent: line + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked + hidden},
		{name: "two lengths", sent: line + length + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)+len(hidden)) + body + hidden},
		{name: "two lengths in one field", sent: line + fmt.Sprintf("Content-Length: %d, %d\r\n\r\n", len(body), len(body)+len(hidden)) + body + hidden},
		{name: "a length with a sign", sent: line + fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(body)) + body},
		{name: "a length with a space before the colon", sent: line + fmt.Sprintf("Content-Length : %d\r\n\r\n", len(body)) + body + hidden},
		{name: "an unknown encoding", sent: line + length + "Transfer-Encoding: xchunked\r\n\r\n" + body + hidden},
		{name: "an encoding behind a tab", sent: line + length + "Transfer-Encoding:\tchunked\r\n\r\n" + chunked + hidden},
		{name: "an encoding on a folded line", sent: line + length + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunked + hidden},
		{name: "two encodings", sent: line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked + hidden},
		{name: "bare line feeds", sent: bare(line+length+"\r\n") + body + bare(hidden)},
		{name: "bare line feeds between chunks", sent: line + "Transfer-Encoding: chunked\r\n\r\n" + bare(chunked) + hidden},
		{name: "a bare line feed in a field", sent: line + length + "X-Request-Id: a\nTransfer-Encoding: chunked\r\n\r\n" + chunked + hidden},
		{name: "a bare carriage return in a field", sent: line + length + "Openai-Beta: a\rX-Evil: b\r\n\r\n" + body},
		{name: "a zero byte in a field", sent: line + length + "Openai-Beta: a\x00b\r\n\r\n" + body},
		{name: "an extension of a chunk", sent: line + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x;a=\n%s\r\n0\r\n\r\n", len(body), body) + hidden},
		{name: "a chunk length that wraps", sent: line + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + body + "\r\n0\r\n\r\n" + hidden},
		{name: "a trailer that would be a field", sent: line + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\nContent-Length: 4\r\n\r\n", len(body), body) + hidden},
		{name: "fields that belong to the connection", sent: line + length + "Connection: keep-alive, Authorization\r\nKeep-Alive: 9\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\n\r\n" + body, passes: true},
		{name: "a line of HTTP/0.9", sent: "POST /v1/chat/completions\r\n\r\n" + body},
		{name: "a request inside the body", sent: line + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)+len(hidden)) + body + hidden},
		{name: "two requests in one write", sent: line + length + "\r\n" + body + hidden, passes: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(u.posts())
			c := r.dial()
			io.WriteString(c, test.sent)
			c.SetReadDeadline(time.Now().Add(waitLimit))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			posts := u.posts()[before:]
			if len(posts) > 1 || len(posts) == 0 && (test.passes || resp.StatusCode == http.StatusOK) {
				t.Fatalf("%d requests went upstream, the answer is %s", len(posts), resp.Status)
			}
			for _, p := range posts {
				wellFormed(t, p, body)
			}
		})
	}
	for _, seen := range u.received {
		if bytes.Contains(seen, []byte("smuggled")) {
			t.Errorf("smuggled: %q", seen)
		}
	}
}

// wellFormed checks that bytes are exactly one request of the router's own making.
func wellFormed(t *testing.T, bytesSeen, body string) {
	t.Helper()
	rest := bufio.NewReader(strings.NewReader(bytesSeen))
	q, err := http.ReadRequest(rest)
	if err != nil {
		t.Fatalf("no request: %v %q", err, bytesSeen)
	}
	got, err := io.ReadAll(q.Body)
	if err != nil || string(got) != body {
		t.Errorf("its body is %q %v", got, err)
	}
	if left, _ := io.ReadAll(rest); len(left) > 0 {
		t.Errorf("behind the request there is %q", left)
	}
	if q.Method != http.MethodPost || q.RequestURI != "/v1/chat/completions" || len(q.TransferEncoding) > 0 ||
		q.ContentLength != int64(len(body)) || len(q.Header["Content-Length"]) > 1 || len(q.Trailer) > 0 {
		t.Errorf("the request is %+v", q)
	}
	head, _, _ := strings.Cut(bytesSeen, "\r\n\r\n")
	if strings.ContainsAny(strings.ReplaceAll(head, "\r\n", ""), "\r\n\x00") {
		t.Errorf("odd line ends: %q", head)
	}
	for _, name := range []string{"X-Evil", "Upgrade", "Http2-Settings", "Te", "Proxy-Authorization", "Keep-Alive", "X-Request-Id"} {
		if v := q.Header[name]; len(v) > 0 {
			t.Errorf("%s: %q", name, v)
		}
	}
	if q.Header.Get("Authorization") != "Bearer "+upstreamKey {
		t.Errorf("the credential is %q", q.Header["Authorization"])
	}
}

// Fault 35: a path is what it says: nothing is cleaned, redirected or decoded
// into another one, and the public listener has nothing of the admin's.
func TestOddPaths(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	body := chatBody("m", false, "hello")
	for _, path := range []string{
		"//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/", "/v1/./chat/completions", "/v1/../v1/chat/completions",
		"/v1%2fchat/completions", "/v1/chat%2Fcompletions", "/v1/%2e%2e/v1/chat/completions", "/v1/chat/completions%00", "/v1/chat/completions%20",
		"/V1/chat/completions", "/v1/chat/completions;a=b", `/v1\chat\completions`, "/", "/v1", "/v1/", "/metrics", "/admin/status",
		"/v1/../admin/status", "/v1/..%2fadmin/status", "/debug/pprof/", "*", "http://evil.example//v1/chat/completions",
	} {
		c := r.dial()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		c.SetReadDeadline(time.Now().Add(waitLimit))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if (resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest) || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %s %v %s", path, resp.Status, resp.Header, got)
		}
	}
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost {
			t.Errorf("went upstream: %s", q.Path)
		}
	}
	resp, got, err := r.post(t.Context(), "/chat/completions?api-version=1", body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a query: %v %v %s", err, resp, got)
	}
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost && q.Query != "" {
			t.Errorf("the client's query went upstream: %s", q.Query)
		}
	}
}
