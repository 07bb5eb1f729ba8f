package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawUpstream is a provider of bare sockets, one request to each. It answers
// probes as a healthy one does; what happens to a POST is the test's.
type rawUpstream struct {
	URL string

	mu       sync.Mutex
	received [][]byte // by connection, every byte that came
	conns    []net.Conn
}

// startRaw serves until the test ends. post is called with each connection that
// brought a whole POST; when it returns the connection is closed.
func startRaw(t *testing.T, post func(c *net.TCPConn, body []byte)) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{URL: "http://" + l.Addr().String() + "/v1"}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			at := len(u.received)
			u.received, u.conns = append(u.received, nil), append(u.conns, c)
			u.mu.Unlock()
			all.Go(func() {
				defer c.Close()
				u.serve(c.(*net.TCPConn), at, post)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		u.mu.Lock()
		for _, c := range u.conns {
			c.Close()
		}
		u.mu.Unlock()
		all.Wait()
	})
	return u
}

func (u *rawUpstream) serve(c *net.TCPConn, at int, post func(*net.TCPConn, []byte)) {
	in := bufio.NewReader(io.TeeReader(c, writer(func(p []byte) {
		u.mu.Lock()
		u.received[at] = append(u.received[at], p...)
		u.mu.Unlock()
	})))
	q, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	if q.Method == http.MethodPost {
		post(c, body)
		return
	}
	const models = `{"object":"list","data":[]}`
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(models), models)
}

// posts are the bytes of the connections that carried a POST.
func (u *rawUpstream) posts() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var of []string
	for _, b := range u.received {
		if bytes.Contains(b, []byte("POST ")) {
			of = append(of, string(b))
		}
	}
	return of
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

const (
	eventHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" // ends with the connection
	roleEvent  = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	wordEvent  = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}` + "\n\n"
	stopEvent  = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	doneEvent  = "data: [DONE]\n\n"
	wholeReply = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}`
)

// answerWhole is a proper answer, after which the connection is closed.
func answerWhole(c *net.TCPConn, _ []byte) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(wholeReply), wholeReply)
}

// linger reads until the other side closes.
func linger(c net.Conn) { io.Copy(io.Discard, c) }

// statusKB is a number of /proc/PID/status in KiB, such as VmHWM, the most
// memory that a process ever had.
func statusKB(t *testing.T, pid int, name string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in %s", name, b)
	return 0
}

// mustBreakOff is what a client must see of a stream that was cut: its
// beginning, then one error event, and nothing that looks like an end.
func mustBreakOff(t *testing.T, body []byte, code string) {
	t.Helper()
	events := strings.Split(strings.TrimSuffix(string(body), "\n\n"), "\n\n")
	last := events[len(events)-1]
	if !strings.HasPrefix(last, `data: {"error":{`) || !strings.Contains(last, code) {
		t.Errorf("the last event is %q, want an error %s", last, code)
	}
	for _, end := range []string{"[DONE]", `"finish_reason":"`} {
		if strings.Contains(string(body), end) {
			t.Errorf("a cut stream has a proper end: %s", body)
		}
	}
}
