package h1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen soon.
const patience = time.Minute

// lab is a client and what it dials.
type lab struct {
	*Client
	dials atomic.Int32
}

// newLab is a client of a server that is made of do, once for each connection.
func newLab(t testing.TB, o Options, do func(n int, c net.Conn)) *lab {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				do(n, c)
			})
		}
	})
	k := clientOf(t, o, l.Addr().String())
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return k
}

func clientOf(t testing.TB, o Options, addr string) *lab {
	t.Helper()
	k := &lab{}
	if o.MaxIdle == 0 {
		o.MaxIdle = 8
	}
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		k.dials.Add(1)
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
	k.Client = New(o)
	t.Cleanup(k.CloseIdle)
	return k
}

// piped is a client of a server without a network, which sees every write as it
// was made.
func piped(t testing.TB, o Options, do func(n int, c net.Conn)) *lab {
	t.Helper()
	k := &lab{}
	var all sync.WaitGroup
	if o.MaxIdle == 0 {
		o.MaxIdle = 8
	}
	o.Dial = func(context.Context) (net.Conn, error) {
		n := int(k.dials.Add(1)) - 1
		ours, theirs := net.Pipe()
		all.Go(func() {
			defer theirs.Close()
			do(n, theirs)
		})
		return ours, nil
	}
	k.Client = New(o)
	t.Cleanup(func() {
		k.CloseIdle()
		all.Wait()
	})
	return k
}

func post(body string) *Request {
	return &Request{
		Method: http.MethodPost, Target: "/v1/chat?a=b", Host: "example.com",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body),
	}
}

// got is an answer, read.
type got struct {
	*Response
	body string
	err  error // of Do or of the body
}

func (l *lab) ask(t testing.TB, r *Request) got {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := l.Do(ctx, r)
	if err != nil {
		return got{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return got{res, string(b), err}
}

// request reads one request. It is false at the end of the connection.
func request(t testing.TB, r *bufio.Reader) (body string, ok bool) {
	t.Helper()
	q, err := http.ReadRequest(r)
	if err != nil {
		return "", false
	}
	b, err := io.ReadAll(q.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the request's body: %v", err)
	}
	return string(b), err == nil
}

// answering gives each request on a connection its answer.
func answering(t testing.TB, answers ...string) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		for _, a := range answers {
			if _, ok := request(t, r); !ok {
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
	}
}

func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// until waits for what must become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
