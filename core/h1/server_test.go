package h1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// serve starts a server, which ends with the test.
func serve(t testing.TB, o ServerOptions) (*Server, string) {
	t.Helper()
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// echo answers what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Host, body)
}

// Every row is sent on one connection, which the client then half closes.
var dialogues = []struct {
	name, sent string
	want       []string // status, ":" and body of each answer, "close" where the connection ends with it
}{
	{name: "a question", sent: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:GET /a h "}},
	{name: "with a body", sent: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", want: []string{"200:POST /a h abc"}},
	{
		name: "three in one write", sent: "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na" + "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n" + "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		want: []string{"200:POST /1 h a", "200:GET /2 h ", "200:GET /3 h close"},
	},
	{
		name: "in chunks, with an extension and a trailer", sent: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200:POST / h abc", "200:GET /n h "},
	},
	{name: "an empty line before it", sent: "\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:GET /a h "}},
	{name: "of HTTP/1.0", sent: "GET /a HTTP/1.0\r\n\r\n", want: []string{"200:GET /a  close"}},
	{name: "of HTTP/1.0 that goes on", sent: "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n", want: []string{"200:GET /a  ", "200:GET /b  close"}},
	{name: "a query and escapes", sent: "GET /a%2fb?c=d%20e HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:GET /a%2fb?c=d%20e h "}},
	{name: "a whole URL", sent: "GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:GET http://other/a other "}},
	{name: "two slashes", sent: "GET //a HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:GET //a h "}},
	{name: "of all", sent: "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"200:OPTIONS * h "}},
	{name: "waiting for a word", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na", want: []string{"200:POST / h a"}},
	{name: "the same length twice", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", want: []string{"200:POST / h a"}},

	{name: "no host", sent: "GET / HTTP/1.1\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "two hosts", sent: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a host that is none", sent: "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "no request", sent: "hello\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "of HTTP/0.9", sent: "GET /\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "of HTTP/2", sent: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: []string{"505:HTTP Version Not Supported\nclose"}},
	{name: "of HTTP/1.2", sent: "GET / HTTP/1.2\r\nHost: h\r\n\r\n", want: []string{"505:HTTP Version Not Supported\nclose"}},
	{name: "two spaces", sent: "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a method that is none", sent: "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a path that is none", sent: "GET a HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a bad escape", sent: "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a tunnel", sent: "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", want: []string{"501:Not Implemented\nclose"}},
	{name: "a folded line", sent: "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a space before the colon", sent: "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "lone line feeds", sent: "GET / HTTP/1.1\nHost: h\n\n", want: []string{"400:Bad Request\nclose"}},
	{name: "one lone line feed", sent: "GET / HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a lone carriage return", sent: "GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "a zero byte", sent: "GET / HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "two lengths", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", want: []string{"400:Bad Request\nclose"}},
	{name: "a length with a sign", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na", want: []string{"400:Bad Request\nclose"}},
	{name: "a length and chunks", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "another encoding", sent: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", want: []string{"501:Not Implemented\nclose"}},
	{name: "chunks in HTTP/1.0", sent: "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: []string{"400:Bad Request\nclose"}},
	{name: "another expectation", sent: "GET / HTTP/1.1\r\nHost: h\r\nExpect: money\r\n\r\n", want: []string{"417:Expectation Failed\nclose"}},
	{name: "a head that is too long", sent: "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", 5000) + "\r\n\r\n", want: []string{"431:Request Header Fields Too Large\nclose"}},
	{name: "a chunk that is longer than it says", sent: "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n", want: []string{"400:malformed HTTP message: a chunk is longer than it says\nclose"}},
	{name: "a body that is cut off", sent: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", want: []string{"400:unexpected EOF\nclose"}},
	{name: "a head that is cut off", sent: "GET / HTTP/1.1\r\nHost", want: []string{"400:Bad Request\nclose"}},
	{name: "nothing", sent: ""},
}

func TestDialogues(t *testing.T) {
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(echo), Limits: Limits{MaxHead: 4 << 10}})
	for _, test := range dialogues {
		for _, piece := range []int{1 << 20, 1} {
			t.Run(fmt.Sprintf("%s, %d bytes at once", test.name, piece), func(t *testing.T) {
				t.Parallel()
				c := dial(t, address)
				go func() {
					for rest := test.sent; rest != ""; {
						n := min(piece, len(rest))
						if _, err := io.WriteString(c, rest[:n]); err != nil {
							break // it has heard enough
						}
						rest = rest[n:]
					}
					c.CloseWrite()
				}()
				var got []string
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadResponse(in, nil)
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatal("the connection does not end")
					}
					if err != nil {
						break
					}
					if r.StatusCode == http.StatusContinue {
						continue
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					end := ""
					if r.Close {
						end = "close"
					}
					got = append(got, fmt.Sprintf("%d:%s%s", r.StatusCode, body, end))
				}
				if len(got) != len(test.want) {
					t.Fatalf("got %q, want %q", got, test.want)
				}
				for i := range got {
					if got[i] != test.want[i] {
						t.Errorf("got %q, want %q", got[i], test.want[i])
					}
				}
			})
		}
	}
}

// exchange sends a request and reads its answer as bytes, to the end of the
// connection.
func exchangeRaw(t *testing.T, address, sent string) string {
	t.Helper()
	c := dial(t, address)
	io.WriteString(c, sent)
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestAnswersAsBytes(t *testing.T) {
	for _, test := range []struct {
		name    string
		method  string
		minor   int
		handler http.HandlerFunc
		want    string // without its Date
	}{
		{name: "short", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-B", "2")
			w.Header().Set("X-A", "1")
			io.WriteString(w, "{}")
		}, want: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain; charset=utf-8\r\nX-A: 1\r\nX-B: 2\r\nConnection: close\r\n\r\n{}"},
		{name: "nothing at all", handler: func(http.ResponseWriter, *http.Request) {}, want: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{name: "of a known length", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			w.Header().Set("Content-Type", "a/b")
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, "ab")
			io.WriteString(w, "cd")
			if _, err := io.WriteString(w, "e"); !errors.Is(err, http.ErrContentLength) {
				panic(err)
			}
		}, want: "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 4\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nabcd"},
		{name: "flushed", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "ab")
			http.NewResponseController(w).Flush()
			io.WriteString(w, strings.Repeat("x", 20))
		}, want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n"},
		{name: "flushed, to HTTP/1.0", minor: -1, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "ab")
			w.(http.Flusher).Flush()
			io.WriteString(w, "cd")
		}, want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nabcd"},
		{name: "a head alone", method: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "abc")
		}, want: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: a/b\r\nConnection: close\r\n\r\n"},
		{name: "no content", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "abc"); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}, want: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{name: "values that would end a line", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-A"] = []string{"a\r\nX-Evil: b"}
			w.Header()["X Evil"] = []string{"c"}
			w.Header()["Transfer-Encoding"] = []string{"chunked"}
			w.WriteHeader(http.StatusNoContent)
		}, want: "HTTP/1.1 204 No Content\r\nX-A: a  X-Evil: b\r\nConnection: close\r\n\r\n"},
		{name: "a word before it", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "x")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			w.WriteHeader(http.StatusNoContent)
		}, want: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{name: "shorter than it says", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "ab")
		}, want: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nab"},
		{name: "a panic", handler: func(http.ResponseWriter, *http.Request) { panic("no") }, want: ""},
		{name: "given up after its beginning", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "ab")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, address := serve(t, ServerOptions{Handler: test.handler})
			method := test.method
			if method == "" {
				method = "GET"
			}
			got := exchangeRaw(t, address, fmt.Sprintf("%s / HTTP/1.%d\r\nHost: h\r\nConnection: close\r\n\r\n", method, 1+test.minor))
			if before, after, ok := strings.Cut(got, "Date: "); ok {
				stamp, rest, _ := strings.Cut(after, "\r\n")
				if _, err := time.Parse(http.TimeFormat, stamp); err != nil {
					t.Error(err)
				}
				got = before + rest
			} else if test.want != "" {
				t.Error("no Date")
			}
			if got != test.want {
				t.Errorf("got\n%q, want\n%q", got, test.want)
			}
		})
	}
}

// Whatever is read and written, it is what net/http's client sees.
func TestBodiesOfAllSizes(t *testing.T) {
	_, address := serve(t, ServerOptions{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 10_000)
			w.Write(rest[:n])
			rest = rest[n:]
		}
	})})
	for _, size := range []int{0, 1, 2047, 2048, 2049, inputSize - 1, inputSize, 16 << 10, 100_000, 3 << 20} {
		for _, query := range []string{"", "?length"} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprint(size, query, chunked), func(t *testing.T) {
					t.Parallel()
					sent := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
					var body io.Reader = bytes.NewReader(sent)
					if chunked {
						body = io.MultiReader(body) // whose length nobody knows
					}
					for range 3 {
						r, err := http.Post("http://"+address+"/"+query, "a/b", body)
						if err != nil {
							t.Fatal(err)
						}
						got, err := io.ReadAll(r.Body)
						r.Body.Close()
						if err != nil || !chunked && !bytes.Equal(got, sent) {
							t.Fatalf("%d of %d bytes: %v", len(got), len(sent), err)
						}
						if chunked {
							break
						}
						body = bytes.NewReader(sent)
					}
				})
			}
		}
	}
}
