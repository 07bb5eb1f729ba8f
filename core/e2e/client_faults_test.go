package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// host of a router's public listener.
func (r *router) host() string {
	return strings.TrimSuffix(strings.TrimPrefix(r.URL, "http://"), "/v1")
}

func (r *router) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.host())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// files is how many descriptors the router has open; 0 where that is for root
// only to know, as the router lets nobody look into it.
func (r *router) files() int {
	r.t.Helper()
	of, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if errors.Is(err, fs.ErrPermission) {
		return 0
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return len(of)
}

// rawChat is a chat request as bytes.
func rawChat(body []byte) []byte {
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// crowd is the matrix's 10,000 clients, as far as two cores and the 20,000
// descriptors that this process shares between clients and provider go.
const crowd = 1000

// Fault 30: clients that vanish leave nothing behind.
func TestCrowdVanishes(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.StallAfter(3).On("/v1/chat")))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey, fmt.Sprintf("pool {\n    max_connections = %d\n  }", 2*crowd)))
	before := r.files()
	conns := make([]net.Conn, crowd)
	var all sync.WaitGroup
	for part := range slices.Chunk(conns, crowd/20) {
		all.Go(func() {
			for i := range part {
				c, err := net.Dial("tcp", r.host())
				if err != nil {
					t.Error(err)
					return
				}
				part[i] = c
				c.Write(rawChat(chatBody("m", true, "one of many")))
				// Until the first word is there, so that half of the crowd leaves in mid-stream.
				in := bufio.NewReader(c)
				for i%2 == 0 {
					line, err := in.ReadString('\n')
					if err != nil {
						t.Errorf("%q %v", line, err)
						return
					}
					if strings.Contains(line, "You") {
						break
					}
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	wait(t, "the provider works for everybody", func() bool { return w.Counts().Streams == crowd })
	left := time.Now()
	for _, c := range conns {
		c.Close()
	}
	wait(t, "the provider sees everybody leave", func() bool { return w.Counts().Left == crowd })
	t.Logf("%d clients were gone upstream within %s", crowd, time.Since(left).Round(time.Millisecond))
	wait(t, "nothing is under way", func() bool { return r.metric("smartrouter_requests_in_flight") == 0 })
	wait(t, "descriptors are given back", func() bool { return r.files() <= before+20 }) // some idle connections may stay
	w.Mend()
	if err := r.ask(t.Context(), "m", true, "hello"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A client's leaving reaches the upstream at once, also before the first byte.
func TestLeavingReachesTheUpstream(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  wall.Fault
		stream bool
	}{
		{name: "in mid-stream", fault: wall.StallAfter(3), stream: true},
		{name: "before the first byte", fault: wall.Silent(), stream: true},
		{name: "waiting for a whole answer", fault: wall.Silent()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(test.fault.On("/v1/chat")))
			r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
			var took []time.Duration
			for i := range 15 {
				w.Forget()
				ctx, leave := context.WithCancel(t.Context())
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					r.post(ctx, "/chat/completions", chatBody("m", test.stream, fmt.Sprint("hello ", i)))
				}()
				chat := func(of []wall.Request) *wall.Request { // probes come too
					for i := range of {
						if of[i].Method == http.MethodPost {
							return &of[i]
						}
					}
					return &wall.Request{}
				}
				arrived := func(of []wall.Request) bool { return chat(of).Fault != "" }
				gone := func(of []wall.Request) bool { return chat(of).Left }
				limit, cancel := context.WithTimeout(t.Context(), waitLimit)
				if err := w.Wait(limit, arrived); err != nil {
					t.Fatalf("the provider was not asked: %v", err)
				}
				left := time.Now()
				leave()
				if err := w.Wait(limit, gone); err != nil {
					t.Fatalf("the provider still works: %v", err)
				}
				took = append(took, time.Since(left))
				cancel()
				<-answered
			}
			// On a busy machine the fastest is what the router takes. Nothing
			// that it does by the clock is as short.
			if slices.Min(took) > 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Fault 31: a client that hardly reads is given up, and harms nobody.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("x", 32<<10)+" ", 1<<10) // more than sockets hold
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("long"), wall.Answer(long))
	short := wall.Start(t, wall.Key(upstreamKey), wall.Models("short"))
	r := startRouter(t, `
server {
  address       = "127.0.0.1:0"
  write_timeout = "2s"
}
admin { address = "127.0.0.1:0" }
`+channel("a", w.URL(), upstreamKey)+channel("b", short.URL(), upstreamKey))
	const readers = 8
	for range readers {
		c := r.dial().(*net.TCPConn)
		c.SetReadBuffer(4 << 10)
		c.Write(rawChat(chatBody("long", true, "hello")))
		go func() {
			one := make([]byte, 1)
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for range tick.C {
				if _, err := c.Read(one); err != nil {
					return
				}
			}
		}()
	}
	if errs := r.load(t.Context(), 8, 200, "short"); len(errs) > 0 {
		t.Errorf("%d of the others failed, the first: %v", len(errs), errs[0])
	}
	wait(t, "the slow readers are given up", func() bool { return w.Counts().Left == readers })
	wait(t, "nothing is under way", func() bool { return r.metric("smartrouter_requests_in_flight") == 0 })
	r.counts(readers, "smartrouter_attempts_total", `channel="a"`, `result="ok"`) // none is blamed on the channel
}

// Fault 32: clients that dribble their header are cut off, and keep nobody out.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, `
server {
  address        = "127.0.0.1:0"
  header_timeout = "10s" # the others have to be quicker on a busy machine
}
admin { address = "127.0.0.1:0" }
`+channel("a", w.URL(), upstreamKey))
	const slow = 500
	var all sync.WaitGroup
	for range slow {
		c := r.dial()
		fmt.Fprint(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: ")
		all.Go(func() {
			gone := make(chan struct{})
			go func() { defer close(gone); linger(c) }()
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for end := time.After(waitLimit); ; {
				select {
				case <-tick.C:
					c.Write([]byte("a"))
				case <-gone:
					return
				case <-end:
					t.Error("a dribbling client was not cut off")
					return
				}
			}
		})
	}
	if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
		t.Errorf("%d of the others failed, the first: %v", len(errs), errs[0])
	}
	all.Wait()
}

// Fault 33: bodies made to hurt.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, `
server {
  address  = "127.0.0.1:0"
  max_body = "8MiB"
}
admin { address = "127.0.0.1:0" }
`+channel("a", w.URL(), upstreamKey))
	most := statusKB(t, r.cmd.Process.Pid, "VmHWM")
	const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat(" ", 1<<20))
	deep := func(open, shut string) string {
		return `{"model":"m","x":` + strings.Repeat(open, 1<<20) + "1" + strings.Repeat(shut, 1<<20) + `}`
	}
	for _, test := range []struct {
		name, head string
		piece      string
		times      int // that the piece is sent
		status     string
	}{
		{name: "1 GB announced", head: head + "Content-Length: 1000000000\r\n\r\n", status: "413"},
		{name: "1 GB announced and sent", head: head + "Content-Length: 1073741824\r\n\r\n", piece: strings.Repeat(" ", 1<<20), times: 1 << 10, status: "413"},
		{name: "1 GB in chunks", head: head + "Transfer-Encoding: chunked\r\n\r\n", piece: chunk, times: 1 << 10, status: "413"},
		{name: "deep lists", piece: deep("[", "]"), status: "400"},
		{name: "deep objects", piece: deep(`{"a":`, "}"), status: "400"},
		{name: "the same key twice", piece: `{"model":"m","model":"m","messages":[]}`, status: "400"},
		{name: "stream said twice", piece: `{"model":"m","stream":false,"messages":[{"role":"user","content":"a"}],"stream":true}`, status: "400"},
		{name: "messages said twice", piece: `{"model":"m","messages":[{"role":"user","content":"a"}],"messages":[]}`, status: "400"},
		{name: "a key with an escape", piece: `{"model":"m","messages":[],"\u006dessages":[]}`, status: "400"},
		{name: "an endless number", piece: `{"model":"m","messages":[{"role":"user","content":"a"}],"x":` + strings.Repeat("9", 1<<20) + `}`, status: "200"},
		{name: "no UTF-8", piece: "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}", status: "200 400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := r.dial()
			go func() {
				if test.head == "" {
					c.Write(rawChat([]byte(test.piece)))
					return
				}
				io.WriteString(c, test.head)
				for range test.times {
					if _, err := io.WriteString(c, test.piece); err != nil {
						return // refused
					}
				}
			}()
			c.SetReadDeadline(time.Now().Add(waitLimit))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if !strings.Contains(test.status, fmt.Sprint(resp.StatusCode)) {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("got %s %.300s", resp.Status, body)
			}
		})
	}
	if grown := statusKB(t, r.cmd.Process.Pid, "VmHWM") - most; grown > 192<<10 {
		t.Errorf("the router grew by %d KiB", grown)
	}
	if err := r.ask(t.Context(), "m", false, "hello"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Fault 36: whoever guesses keys learns nothing from how long an answer takes:
// a key that is nearly right is refused as fast as one that is not at all.
func TestKeyGuessing(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	const key = "sk-0123456789abcdef0123456789abcdef"
	r := startRouter(t, listen+fmt.Sprintf("key \"alice\" { secret = %q }\n", key)+channel("a", w.URL(), upstreamKey))
	guesses := []string{strings.Repeat("x", len(key)), key[:len(key)-1] + "0", key + "0", key[1:], strings.ToUpper(key), "x"}
	const rounds = 200
	took := make([][]time.Duration, len(guesses))
	for range rounds {
		for i, guess := range guesses { // in turn, so that all see the same load of the machine
			begun := time.Now()
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"), "Authorization", "Bearer "+guess)
			took[i] = append(took[i], time.Since(begun))
			if err != nil || resp.StatusCode != http.StatusUnauthorized || bytes.Contains(body, []byte(guess)) {
				t.Fatalf("%q: %v %v %s", guess, err, resp, body)
			}
		}
	}
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	fastest, slowest := median(took[0]), median(took[0])
	for _, d := range took[1:] {
		fastest, slowest = min(fastest, median(d)), max(slowest, median(d))
	}
	if slowest > 2*fastest+time.Millisecond {
		t.Errorf("wrong keys take from %s to %s", fastest, slowest)
	}
	r.counts(float64(rounds*len(guesses)), "smartrouter_requests_total", `status="401"`)
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost {
			t.Error("a request with a wrong key came through")
		}
	}
}
