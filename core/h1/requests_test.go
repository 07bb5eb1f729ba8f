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

// TestRequests: what a server gets is what was meant, and one write where it is
// small.
func TestRequests(t *testing.T) {
	t.Parallel()
	const head = "Host: example.com\r\n"
	for _, tc := range []struct {
		name string
		r    Request
		want string
	}{
		{name: "POST", r: Request{Method: "POST", Target: "/a?b=c%20d", Body: []byte("hello")}, want: "POST /a?b=c%20d HTTP/1.1\r\n" + head + "Content-Length: 5\r\n\r\nhello"},
		{name: "POST of nothing", r: Request{Method: "POST", Target: "/"}, want: "POST / HTTP/1.1\r\n" + head + "Content-Length: 0\r\n\r\n"},
		{name: "GET", r: Request{Method: "GET", Target: "/"}, want: "GET / HTTP/1.1\r\n" + head + "\r\n"},
		{name: "DELETE", r: Request{Method: "DELETE", Target: "/x"}, want: "DELETE /x HTTP/1.1\r\n" + head + "\r\n"},
		{name: "header", r: Request{Method: "GET", Target: "/", Header: http.Header{"X-A": {" b\t", "\xff"}}}, want: "GET / HTTP/1.1\r\n" + head + "X-A: b\r\nX-A: \xff\r\n\r\n"},
		{name: "UTF-8 in the target", r: Request{Method: "GET", Target: "/ä"}, want: "GET /ä HTTP/1.1\r\n" + head + "\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := piped(t, Options{}, func(_ int, c net.Conn) {
				b := make([]byte, 4096)
				n, err := c.Read(b) // a pipe's read is one write
				if err != nil || string(b[:n]) != tc.want {
					t.Errorf("the server got %q, %v", b[:n], err)
				}
				io.WriteString(c, ok("x"))
			})
			tc.r.Host = "example.com"
			if a := l.ask(t, &tc.r); a.err != nil || a.body != "x" {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// TestBadRequests: nothing is sent that a server could take for more than one
// request, or for another one. What is refused is not repeated in the error.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Request)
	}{
		{name: "no method", change: func(r *Request) { r.Method = "" }},
		{name: "method with a space", change: func(r *Request) { r.Method = "GET /x" }},
		{name: "CONNECT", change: func(r *Request) { r.Method = "CONNECT" }},
		{name: "no target", change: func(r *Request) { r.Target = "" }},
		{name: "other form of target", change: func(r *Request) { r.Target = "http://other/" }},
		{name: "target with a space", change: func(r *Request) { r.Target = "/secret HTTP/1.1" }},
		{name: "target with a line", change: func(r *Request) { r.Target = "/secret\r\nA: b" }},
		{name: "target with NUL", change: func(r *Request) { r.Target = "/secret\x00" }},
		{name: "target with a fragment", change: func(r *Request) { r.Target = "/secret#a" }},
		{name: "no host", change: func(r *Request) { r.Host = "" }},
		{name: "host with a line", change: func(r *Request) { r.Host = "a\r\nB: c" }},
		{name: "name with a colon", change: func(r *Request) { r.Header["A:b"] = []string{"secret"} }},
		{name: "name with a line", change: func(r *Request) { r.Header["A\r\nB"] = []string{"secret"} }},
		{name: "no name", change: func(r *Request) { r.Header[""] = []string{"secret"} }},
		{name: "value with a line", change: func(r *Request) { r.Header["A"] = []string{"secret\r\nB: c"} }},
		{name: "value with a line feed at the end", change: func(r *Request) { r.Header["Authorization"] = []string{"secret\n"} }},
		{name: "value with NUL", change: func(r *Request) { r.Header["A"] = []string{"secret\x00"} }},
		{name: "length", change: func(r *Request) { r.Header["Content-Length"] = []string{"1"} }},
		{name: "length in small letters", change: func(r *Request) { r.Header["content-length"] = []string{"1"} }},
		{name: "transfer encoding", change: func(r *Request) { r.Header["Transfer-Encoding"] = []string{"chunked"} }},
		{name: "host among the header", change: func(r *Request) { r.Header["Host"] = []string{"other"} }},
		{name: "connection", change: func(r *Request) { r.Header["Connection"] = []string{"close"} }},
		{name: "upgrade", change: func(r *Request) { r.Header["upgrade"] = []string{"h2c"} }},
		{name: "expectation", change: func(r *Request) { r.Header["Expect"] = []string{"100-continue"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Options{}, answering(t, ok("")))
			r := post("{}")
			tc.change(r)
			a := l.ask(t, r)
			var dial *DialError
			var failed *Error
			if a.err == nil || errors.As(a.err, &dial) || errors.As(a.err, &failed) || l.dials.Load() != 0 {
				t.Errorf("%v after %d dials", a.err, l.dials.Load())
			}
			if a.err != nil && strings.Contains(a.err.Error(), "secret") {
				t.Errorf("the error says %v", a.err)
			}
		})
	}
}

// TestSizes: bodies of any size arrive whole, in both directions.
func TestSizes(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, n := range []int{0, 1, smallBody - 1, smallBody, smallBody + 1, 100_000, 5 << 20} {
			t.Run(map[bool]string{true: "TLS ", false: "plain "}[secure]+itoa(n), func(t *testing.T) {
				t.Parallel()
				l := serverLab(t, secure, Options{}, func(w http.ResponseWriter, r *http.Request) {
					b, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					if r.URL.Path == "/chunks" {
						w.(http.Flusher).Flush()
					}
					w.Write(b)
				})
				body := strings.Repeat("0123456789abcdef", n/16) + "0123456789abcdef"[:n%16]
				for i, target := range []string{"/length", "/chunks", "/length"} {
					r := post(body)
					r.Target = target
					if a := l.ask(t, r); a.err != nil || a.body != body || a.Reused != (i > 0) {
						t.Errorf("%s: %d bytes, %v", target, len(a.body), a.err)
					}
				}
			})
		}
	}
}

// TestSmallReads: a body is the same however few bytes are read at once, and its
// connection is free with the last of them.
func TestSmallReads(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 3000)
	for _, tc := range []struct{ name, answer string }{
		{name: "length", answer: ok(text)},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("a\r\n0123456789\r\n", 1000) + "4e20\r\n" + strings.Repeat("0123456789", 2000) + "\r\n0\r\n\r\n"},
	} {
		for _, size := range []int{1, 7, 10, 4096, inputSize, 10_000, 100_000} {
			t.Run(tc.name+" by "+itoa(size), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, Options{}, func(_ int, c net.Conn) {
					r := bufio.NewReader(c)
					for {
						if _, ok := request(t, r); !ok {
							return
						}
						io.WriteString(c, tc.answer)
					}
				})
				for i := range 2 {
					res, err := l.Do(t.Context(), post("{}"))
					if err != nil || res.Reused != (i > 0) {
						t.Fatalf("%+v, %v", res, err)
					}
					var got []byte
					p := make([]byte, size)
					for {
						n, err := res.Body.Read(p)
						if got = append(got, p[:n]...); err != nil {
							if !errors.Is(err, io.EOF) {
								t.Fatal(err)
							}
							break
						}
					}
					if string(got) != text {
						t.Errorf("%d bytes that differ", len(got))
					}
				}
			})
		}
	}
}
