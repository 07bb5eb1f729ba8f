package h1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

const longName = "X-Long: "

// answers are what servers say, good and bad.
var answers = []struct {
	name   string
	method string
	text   string
	close  bool // after it
	status int  // 0: refused
	body   string
	length int64
	err    string // of Do, or of the body if there is a status
	reused bool   // the connection, by another request
	extra  int    // so many bytes of text do not belong to the answer
}{
	{name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5, reused: true},
	{name: "no reason", text: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200, reused: true},
	{name: "empty reason", text: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", status: 200, reused: true},
	{name: "strange status", text: "HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n", status: 999, reused: true},
	{name: "lone line feeds in the head", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "spaces around a value", text: "HTTP/1.1 200 OK\r\nContent-Length: \t 2 \t\r\n\r\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "equal lengths", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, my world\r\n0\r\n\r\n", status: 200, body: "hello, my world", length: -1, reused: true},
	{name: "no chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", status: 200, length: -1, reused: true},
	{name: "leading zeros", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000a\r\n0123456789\r\n000\r\n\r\n", status: 200, body: "0123456789", length: -1, reused: true},
	{name: "size filled up", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2   \r\nhi\r\n0\r\n\r\n", status: 200, body: "hi", length: -1, reused: true},
	{name: "extensions", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nhi\r\n0;x\r\n\r\n", status: 200, body: "hi", length: -1, reused: true},
	{name: "trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: b\r\nContent-Length: 7\r\n\r\n", status: 200, body: "hi", length: -1, reused: true},
	{name: "until the end", text: "HTTP/1.1 200 OK\r\n\r\nhello", close: true, status: 200, body: "hello", length: -1},
	{name: "nothing until the end", text: "HTTP/1.1 200 OK\r\n\r\n", close: true, status: 200, length: -1},
	{name: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\n\r\nhello", close: true, status: 200, body: "hello", length: -1},
	{name: "HTTP/1.0 with a length", text: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", length: 2},
	{name: "HTTP/1.0 that stays", text: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "said to close", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: foo, Close\r\n\r\nhi", status: 200, body: "hi", length: 2},
	{name: "keep-alive and close", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n\r\nhi", status: 200, body: "hi", length: 2},
	{name: "204", text: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reused: true},
	{name: "204 with a length of nothing", text: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", status: 204, reused: true},
	{name: "204 with a body", text: "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi", status: 204},
	{name: "204 with chunks", text: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 204},
	{name: "304 with the length of something", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", status: 304, reused: true},
	{name: "HEAD", method: "HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", status: 200, length: 99, reused: true},
	{name: "HEAD of chunks", method: "HEAD", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", status: 200, length: -1, reused: true},
	{name: "interim answers", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "more than the body", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!", status: 200, body: "hi", length: 2, extra: 1},
	{name: "more than the chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", status: 200, body: "hi", length: -1, extra: 19},
	{name: "more than no body", text: "HTTP/1.1 204 No Content\r\n\r\n\r\n", status: 204, extra: 2},
	{name: "long head", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + strings.Repeat(longName+strings.Repeat("x", 900)+"\r\n", 60) + "\r\nhi", status: 200, body: "hi", length: 2, reused: true},
	{name: "long trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + longName + strings.Repeat("x", 3000) + "\r\n\r\n", status: 200, body: "hi", length: -1, reused: true},

	{name: "cut body", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", close: true, status: 200, body: "hell", length: 5, err: "unexpected EOF"},
	{name: "cut chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", close: true, status: 200, body: "hell", length: -1, err: "unexpected EOF"},
	{name: "cut behind a chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", close: true, status: 200, body: "hello", length: -1, err: "unexpected EOF"},
	{name: "cut before the last chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", close: true, status: 200, body: "hello", length: -1, err: "unexpected EOF"},
	{name: "cut in the last chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", close: true, status: 200, body: "hello", length: -1, err: "unexpected EOF"},
	{name: "cut trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", close: true, status: 200, length: -1, err: "unexpected EOF"},

	{name: "nothing", close: true, err: "without an answer: EOF"},
	{name: "cut head", text: "HTTP/1.1 200 OK\r\nContent-Le", close: true, err: "ended within its head"},
	{name: "cut before the empty line", text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", close: true, err: "ended within its head"},
	{name: "only an interim answer", text: "HTTP/1.1 100 Continue\r\n\r\n", close: true, err: "without an answer: EOF"},
	{name: "endless interim answers", text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 9), err: "more than 8 interim"},
	{name: "other protocol", text: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", err: "switches protocols"},
	{name: "HTTP/2", text: "HTTP/2.0 200 OK\r\n\r\n", err: "does not begin like"},
	{name: "HTTP/1.2", text: "HTTP/1.2 200 OK\r\n\r\n", err: "protocol that was not asked for"},
	{name: "HTTP/0.9", text: "<html>this is no HTTP at all</html>\n\n", err: "does not begin like"},
	{name: "empty line first", text: "\r\nHTTP/1.1 200 OK\r\n\r\n", err: "does not begin like"},
	{name: "small letters", text: "http/1.1 200 OK\r\n\r\n", err: "does not begin like"},
	{name: "no status", text: "HTTP/1.1 \r\nA: b\r\n\r\n", err: "does not begin like"},
	{name: "two digits", text: "HTTP/1.1 20 OK\r\n\r\n", err: "three digits"},
	{name: "four digits", text: "HTTP/1.1 2000 OK\r\n\r\n", err: "three digits"},
	{name: "no digits", text: "HTTP/1.1 +20 OK\r\n\r\n", err: "three digits"},
	{name: "status below 100", text: "HTTP/1.1 099 OK\r\n\r\n", err: "status 99"},
	{name: "two spaces", text: "HTTP/1.1  200 OK\r\n\r\n", err: "three digits"},
	{name: "NUL in the reason", text: "HTTP/1.1 200 O\x00K\r\n\r\n", err: "control character"},
	{name: "carriage return in a value", text: "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 0\r\n\r\n", err: "lone carriage return"},
	{name: "two carriage returns", text: "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", err: "lone carriage return"},
	{name: "carriage return in the status line", text: "HTTP/1.1 200 O\rK\r\n\r\n", err: "lone carriage return"},
	{name: "NUL in a value", text: "HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n", err: "control character"},
	{name: "folded", text: "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", err: "folded"},
	{name: "folded with a tab", text: "HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", err: "folded"},
	{name: "first line folded", text: "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", err: "folded"},
	{name: "space before the colon", text: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", err: "without a name"},
	{name: "no colon", text: "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", err: "without a name"},
	{name: "no name", text: "HTTP/1.1 200 OK\r\n: b\r\n\r\n", err: "without a name"},
	{name: "name that is none", text: "HTTP/1.1 200 OK\r\nA(b): c\r\n\r\n", err: "without a name"},
	{name: "different lengths", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", err: "not one number"},
	{name: "list of lengths", text: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", err: "not one number"},
	{name: "length with a sign", text: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", err: "not one number"},
	{name: "negative length", text: "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", err: "not one number"},
	{name: "empty length", text: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", err: "not one number"},
	{name: "hexadecimal length", text: "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", err: "not one number"},
	{name: "huge length", text: "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhi", err: "not one number"},
	{name: "length and chunks", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: "both a length"},
	{name: "gzip and chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", err: "other than chunked"},
	{name: "chunked twice", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: "other than chunked"},
	{name: "identity", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", err: "other than chunked"},
	{name: "chunked with a disguise", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", err: "control character"},
	{name: "chunks in HTTP/1.0", text: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: "HTTP/1.0"},
	{name: "endless head", text: "HTTP/1.1 200 OK\r\n" + strings.Repeat(longName+strings.Repeat("x", 900)+"\r\n", 90), err: "longer than 65536"},
	{name: "head one line too long", text: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 65536) + "\r\n\r\n", err: "longer than 65536"},

	{name: "no size", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", status: 200, length: -1, err: "0 digits"},
	{name: "size that is none", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", status: 200, length: -1, err: "no number"},
	{name: "size with a sign", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "no number"},
	{name: "size with 0x", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "no number"},
	{name: "space before the size", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "no number"},
	{name: "space before the extension", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "no number"},
	{name: "size that overflows", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "17 digits"},
	{name: "lone line feed behind the size", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "without a carriage return"},
	{name: "lone line feed in an extension", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "without a carriage return"},
	{name: "carriage return in an extension", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "control character"},
	{name: "chunk that is longer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", status: 200, body: "hi", length: -1, err: "longer than it says"},
	{name: "lone line feed behind a chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\n0\r\n\r\n", status: 200, body: "hi", length: -1, err: "longer than it says"},
	{name: "long extension", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 1024) + "\r\nhi\r\n0\r\n\r\n", status: 200, length: -1, err: "longer than 1024"},
	{name: "mostly extensions", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 20), status: 200, body: strings.Repeat("a", 16), length: -1, err: "more framing than data"},
	{name: "endless trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: bbbbbbbbbbbb\r\n", 300), status: 200, length: -1, err: "trailer is longer"},
	{name: "trailer that is none", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nnonsense\r\n\r\n", status: 200, length: -1, err: "without a name"},
	{name: "folded trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", status: 200, length: -1, err: "folded"},
	{name: "lone line feeds in the trailer", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n", status: 200, length: -1, err: "control character"},
}

// TestAnswers: each answer is understood, or refused, in the same way however
// it is cut into pieces, and a connection serves again only where nothing about
// its answer was odd.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for i := range answers {
		tc := &answers[i]
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			step := max(1, len(tc.text)/300)
			for cutAt := 0; cutAt <= len(tc.text); cutAt += step {
				l := piped(t, Options{}, func(n int, c net.Conn) {
					r := bufio.NewReader(c)
					if _, ok := request(t, r); !ok {
						return
					}
					text := tc.text
					if n > 0 {
						text = ok("again")
					}
					at := min(cutAt, len(text))
					for _, part := range [...]string{text[:at], text[at:]} {
						if part == "" {
							continue // even that would wait for a reader
						}
						if _, err := io.WriteString(c, part); err != nil {
							return
						}
					}
					if tc.close {
						return
					}
					if _, ok := request(t, r); ok {
						io.WriteString(c, ok2)
					}
				})
				r := post("{}")
				if tc.method != "" {
					r = &Request{Method: tc.method, Target: "/", Host: "example.com"}
				}
				a := l.ask(t, r)
				if tc.status == 0 {
					var failed *Error
					if !errors.As(a.err, &failed) || failed.Reused || !strings.Contains(a.err.Error(), tc.err) {
						t.Fatalf("cut at %d: got %v, want %s", cutAt, a.err, tc.err)
					}
				} else {
					if a.Response == nil || a.Status != tc.status || a.body != tc.body || a.ContentLength != tc.length || a.Reused {
						t.Fatalf("cut at %d: got %+v", cutAt, a)
					}
					if tc.err == "" && a.err != nil || tc.err != "" && (a.err == nil || !strings.Contains(a.err.Error(), tc.err)) {
						t.Fatalf("cut at %d: error %v, want %q", cutAt, a.err, tc.err)
					}
				}
				// What is too much may come after the connection was given back. A
				// socket is looked at before it is used again; a pipe can't be.
				if whole := cutAt == 0 || cutAt == len(tc.text); tc.extra == 0 || whole {
					again := l.ask(t, post("{}"))
					if tc.reused && (again.err != nil || !again.Reused || again.body != "second") {
						t.Fatalf("cut at %d: not reused: %+v", cutAt, again)
					}
					if !tc.reused && again.Response != nil && again.Reused {
						t.Fatalf("cut at %d: reused: %+v", cutAt, again)
					}
				}
				l.CloseIdle()
			}
		})
	}
}

const ok2 = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"

// TestHeader: names are written properly, values keep their order, what frames
// the body is taken out.
func TestHeader(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, answering(t, "HTTP/1.1 200 OK\r\ncontent-type:application/json\r\nX-RateLimit-Remaining-Tokens: 7\r\nx-own-thing: \xe4\r\nSet-Cookie: a\r\nset-cookie: b\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	a := l.ask(t, post("{}"))
	want := http.Header{
		"Content-Type": {"application/json"}, "X-Ratelimit-Remaining-Tokens": {"7"}, "X-Own-Thing": {"\xe4"},
		"Set-Cookie": {"a", "b"}, "X-Empty": {""},
	}
	if a.err != nil || len(a.Header) != len(want) {
		t.Fatalf("got %+v", a)
	}
	for name, v := range want {
		if strings.Join(a.Header[name], "|") != strings.Join(v, "|") {
			t.Errorf("%s: %q", name, a.Header[name])
		}
	}
	// One value does not reach into the next one.
	_ = append(a.Header["Content-Type"], "x")
	if a.Header.Get("X-Own-Thing") != "\xe4" {
		t.Error("values overlap")
	}
}
