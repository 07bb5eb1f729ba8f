package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// script is a connection on which everything has been said already. It gives
// it in pieces.
type script struct {
	net.Conn
	text  []byte
	piece int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.text[:min(len(s.text), s.piece)])
	s.text = s.text[n:]
	return n, nil
}

func (*script) Write(p []byte) (int, error)        { return len(p), nil }
func (*script) Close() error                       { return nil }
func (*script) SetDeadline(time.Time) error        { return nil }
func (*script) SetReadDeadline(time.Time) error    { return nil }
func (*script) SetWriteDeadline(t time.Time) error { return nil }

// FuzzAnswer: whatever is taken for an answer here is one for net/http too, and
// the same one.
func FuzzAnswer(f *testing.F) {
	for i := range answers {
		f.Add([]byte(answers[i].text), 1+i%7, answers[i].method == http.MethodHead)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int, headOnly bool) {
		if piece < 1 {
			return
		}
		r := post("{}")
		if headOnly {
			r = &Request{Method: http.MethodHead, Target: "/", Host: "example.com"}
		}
		k := New(Options{Dial: func(context.Context) (net.Conn, error) { return &script{text: text, piece: piece}, nil }})
		ours, err := k.Do(context.Background(), r)
		if err != nil {
			return
		}
		body, bodyErr := io.ReadAll(ours.Body)
		ours.Body.Close()

		in := bufio.NewReader(bytes.NewReader(text))
		var theirs *http.Response
		for {
			if theirs, err = http.ReadResponse(in, &http.Request{Method: r.Method}); err != nil {
				if ours.Header["Trailer"] != nil {
					return // it objects to some names there, which mean nothing to us
				}
				t.Fatalf("net/http refuses it: %v", err)
			}
			if theirs.StatusCode >= http.StatusOK {
				break
			}
		}
		want, wantErr := io.ReadAll(theirs.Body)
		theirs.Body.Close()
		switch {
		case ours.Status != theirs.StatusCode || ours.Minor != theirs.ProtoMinor:
			t.Errorf("status %d of 1.%d, net/http: %d of 1.%d", ours.Status, ours.Minor, theirs.StatusCode, theirs.ProtoMinor)
		case ours.ContentLength != theirs.ContentLength:
			t.Errorf("length %d, net/http: %d", ours.ContentLength, theirs.ContentLength)
		case bodyErr == nil && (wantErr != nil || !bytes.Equal(body, want)):
			t.Errorf("body %q, net/http: %q, %v", body, want, wantErr)
		case errors.Is(bodyErr, io.ErrUnexpectedEOF) && wantErr == nil:
			t.Errorf("body is cut, net/http: %q", want)
		case !bytes.HasPrefix(want, body) && !bytes.HasPrefix(body, want):
			t.Errorf("body %q, net/http: %q", body, want)
		}
		for name, values := range ours.Header {
			if name == "Trailer" || name == "Cache-Control" || name == "Connection" {
				continue // taken out, or made up, there
			}
			if strings.Join(values, "\n") != strings.Join(theirs.Header[name], "\n") {
				t.Errorf("%s: %q, net/http: %q", name, values, theirs.Header[name])
			}
		}
	})
}

// FuzzRequest: whatever is sent is one request for net/http's server, and the
// one that was meant.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/chat?a=b", "example.com", "X-A", "b", "body")
	f.Add("GET", "/", "a:1", "Accept", "*/*\r\nHost: b", "GET / HTTP/1.1\r\n\r\n")
	f.Fuzz(func(t *testing.T, method, target, host, name, value, body string) {
		r := &Request{Method: method, Target: target, Host: host, Header: http.Header{name: {value}}, Body: []byte(body)}
		sent, err := appendRequest(nil, r)
		if err != nil || len(body) > smallBody {
			return
		}
		in := bufio.NewReader(bytes.NewReader(sent))
		q, err := http.ReadRequest(in)
		if err != nil {
			// It parses targets, and knows fewer hosts; both after the lines.
			if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "invalid URI") || strings.Contains(err.Error(), "invalid method") {
				return
			}
			t.Fatalf("net/http refuses %q: %v", sent, err)
		}
		got, err := io.ReadAll(q.Body)
		if err != nil || string(got) != body || q.Method != method || q.RequestURI != target || q.Host != host {
			t.Errorf("%q is %s %s of %s with %q, %v", sent, q.Method, q.RequestURI, q.Host, got, err)
		}
		if v := q.Header[http.CanonicalHeaderKey(name)]; len(v) != 1 || v[0] != strings.Trim(value, " \t") {
			t.Errorf("%q has %q of %s", sent, v, name)
		}
		if in.Buffered() > 0 {
			t.Errorf("%q is more than one request", sent)
		}
	})
}

// FuzzServer: whatever is taken for a request here is one for net/http too,
// and the same one; and nothing that follows is a part of it.
func FuzzServer(f *testing.F) {
	for _, d := range dialogues {
		f.Add([]byte(d.sent))
	}
	var got atomic.Pointer[[]seen]
	s, err := NewServer(ServerOptions{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		all := append(*got.Load(), seen{r.Method, r.RequestURI, r.Host, string(body), err == nil})
		got.Store(&all)
	})})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, text []byte) {
		got.Store(&[]seen{})
		x := newSession(s, &said{script{text: text, piece: 1 << 20}})
		x.run()
		theirs := bufio.NewReader(bytes.NewReader(text))
		for _, ours := range *got.Load() {
			for b, _ := theirs.Peek(2); string(b) == "\r\n"; b, _ = theirs.Peek(2) {
				theirs.Discard(2)
			}
			r, err := http.ReadRequest(theirs)
			if err != nil {
				t.Fatalf("ours is %v, theirs is none: %v", ours, err)
			}
			body, err := io.ReadAll(r.Body)
			if ours.whole && (err != nil || ours.body != string(body)) {
				t.Fatalf("ours is %v, their body %q %v", ours, body, err)
			}
			if ours.method != r.Method || ours.target != r.RequestURI || ours.host != r.Host {
				t.Fatalf("ours is %v, theirs %s %s %s", ours, r.Method, r.RequestURI, r.Host)
			}
		}
	})
}

type seen struct {
	method, target, host, body string
	whole                      bool
}

// said is a client whose words have all been said.
type said struct{ script }

func (*said) RemoteAddr() net.Addr { return &net.TCPAddr{} }
