package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// Faults of upstreams, each injected for real and seen through the whole
// router: what resets, falls silent, lies or floods.

// oddity is an upstream that misbehaves, and what a client must see of it.
type oddity struct {
	name string
	// One of them: a fault of the wall, or what bare sockets do.
	fault wall.Fault
	post  func(t *testing.T, c *net.TCPConn)

	whole  bool   // the request asks for no stream
	breaks string // the code of the error event that ends the answer; empty: another channel answers
	result string // of the try at the odd channel, as the metrics call it
}

func ticking(head string, events string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, c *net.TCPConn) {
		fmt.Fprint(c, head+events)
		gone := make(chan struct{})
		go func() { defer close(gone); linger(c) }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprint(c, ": processing\n\n")
			case <-gone:
				return
			}
		}
	}
}

// endlessLine sends one line of 100 MB, or as much as is taken of it.
func endlessLine(head string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, c *net.TCPConn) {
		const size, taken = 100 << 20, 32 << 20 // what sockets buffer is taken too
		fmt.Fprint(c, head+`data: {"choices":[{"delta":{"content":"`)
		piece := bytes.Repeat([]byte("x"), 64<<10)
		sent := 0
		for sent < size {
			n, err := c.Write(piece)
			if sent += n; err != nil {
				break
			}
		}
		if sent > taken {
			t.Errorf("%d bytes of an endless line were taken", sent)
		}
	}
}

// bomb is a small answer that unpacks to 1 GB.
func bomb(t *testing.T, c *net.TCPConn) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 1<<20))
	z.Close()
	all := bytes.Repeat(b.Bytes(), 1<<10) // parts of a gzip file unpack one after the other
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(all))
	c.Write(all)
}

func reset(events string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, c *net.TCPConn) {
		if events != "" {
			fmt.Fprint(c, eventHead+events)
			untilRead(t, c) // a reset takes with it what the router has not read
		}
		c.SetLinger(0)
	}
}

// untilRead waits until the other end of a connection on this machine has taken
// all that was sent out of its socket.
func untilRead(t *testing.T, c *net.TCPConn) {
	// The other end's line: its own address, then ours, in the kernel's form.
	hex := func(a net.Addr) string {
		at := a.(*net.TCPAddr)
		ip := at.IP.To4()
		return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], at.Port)
	}
	ends := hex(c.RemoteAddr()) + " " + hex(c.LocalAddr())
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) { // between two looks
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Error(err)
			return
		}
		_, line, found := strings.Cut(string(table), ends)
		if f := strings.Fields(line); !found || len(f) > 1 && strings.HasSuffix(f[1], ":00000000") {
			return
		}
	}
	t.Error("what was sent is not read")
}

func says(text string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, c *net.TCPConn) { fmt.Fprint(c, text) }
}

func silent(text string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, c *net.TCPConn) { fmt.Fprint(c, text); linger(c) }
}

var oddities = []oddity{
	{name: "15-reset-before-a-byte", post: reset(""), result: "connect"},
	{name: "15-reset-before-a-byte-whole", whole: true, post: reset(""), result: "connect"},
	{name: "15-closed-in-the-head", post: says("HTTP/1.1 200 OK\r\nContent-Ty"), result: "upstream"},
	{name: "16-reset-mid-stream", post: reset(roleEvent + wordEvent), breaks: "bad_gateway", result: "upstream"},
	{name: "16-reset-in-a-whole-answer", whole: true, post: reset("Hello"), result: "upstream"},
	{name: "17-clean-end-without-terminator", post: says(eventHead + roleEvent + wordEvent), breaks: "bad_gateway", result: "upstream"},
	{name: "17-clean-end-in-an-event", post: says(eventHead + roleEvent + wordEvent + wordEvent[:40]), breaks: "bad_gateway", result: "upstream"},
	{name: "17-clean-end-before-content", post: says(eventHead + roleEvent), result: "upstream"},
	{name: "17-half-a-whole-answer", whole: true, fault: wall.EndAfter(0), result: "upstream"},
	{name: "18-silent", fault: wall.Silent(), result: "timeout"},
	{name: "18-silent-whole", whole: true, fault: wall.Silent(), result: "timeout"},
	{name: "18-silent-after-the-head", post: silent(eventHead + roleEvent), result: "timeout"},
	{name: "19-stall", post: silent(eventHead + roleEvent + wordEvent), breaks: "gateway_timeout", result: "timeout"},
	{name: "20-comments-before-content", post: ticking(eventHead, roleEvent), result: "timeout"},
	{name: "20-comments-after-content", post: ticking(eventHead, roleEvent+wordEvent), breaks: "gateway_timeout", result: "timeout"},
	{name: "23-error-with-200", fault: wall.ErrorJSON(), result: "upstream"},
	{name: "23-error-with-200-whole", whole: true, fault: wall.ErrorJSON(), result: "upstream"},
	{name: "23-error-as-first-event", fault: wall.ErrorAfter(0), result: "upstream"},
	{name: "23-web-page", fault: wall.HTML(), result: "upstream"},
	{name: "23-web-page-whole", whole: true, fault: wall.HTML(), result: "upstream"},
	{name: "23-empty-whole", whole: true, fault: wall.Empty(), result: "upstream"},
	{name: "23-garbage-whole", whole: true, fault: wall.Garbage(), result: "upstream"},
	{name: "24-endless-line", post: endlessLine(eventHead), result: "upstream"},
	{name: "24-endless-line-after-content", post: endlessLine(eventHead + roleEvent + wordEvent), breaks: "bad_gateway", result: "upstream"},
	{name: "26-gzip-bomb", whole: true, post: bomb, result: "upstream"},
	{name: "no-http-at-all", post: says("220 mail.example ESMTP\r\n"), result: "upstream"},
	{name: "endless-head", post: says("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 1<<20)), result: "upstream"},
}

// impatience are the time-outs for what an oddity does: short where they are what
// ends it, and long before that on a busy machine.
func (o *oddity) impatience() string {
	begin, idle := "60s", "60s"
	switch {
	case o.breaks == "gateway_timeout":
		idle = "1s"
	case o.result == "timeout":
		begin, idle = "2s", "1s"
	}
	return fmt.Sprintf("timeouts {\n    first_token = %[1]q\n    read        = %[1]q\n    idle        = %[2]q\n  }", begin, idle)
}

func TestUpstreamFaults(t *testing.T) {
	t.Parallel()
	names := make([]string, len(oddities))
	hcl := listen + "retry_budget { at_least = 1000 }\n" // the faults come all at once
	for i, o := range oddities {
		names[i] = "f" + o.name
		var url string
		if o.post != nil {
			url = startRaw(t, func(c *net.TCPConn, _ []byte) { o.post(t, c) }).URL
		} else {
			url = wall.Start(t, wall.Key(upstreamKey), wall.Models(names[i]), wall.Faults(o.fault.On("/v1/chat"))).URL()
		}
		hcl += channel(names[i], url, upstreamKey, "models = "+list(names[i:i+1]), "priority = 1", o.impatience())
	}
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models(names...))
	r := startRouter(t, hcl+channel("good", good.URL(), upstreamKey, "priority = 2"))
	most := statusKB(t, r.cmd.Process.Pid, "VmHWM")
	t.Cleanup(func() {
		// 200 MB of lines and 2 GB of zeros came. The race detector multiplies what is kept.
		if grown := statusKB(t, r.cmd.Process.Pid, "VmHWM") - most; grown > 192<<10 {
			t.Errorf("the router grew by %d KiB", grown)
		}
	})
	for i, o := range oddities {
		t.Run(o.name, func(t *testing.T) {
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody(names[i], !o.whole, "hello"))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%v %v %s", err, resp, body)
			}
			from := resp.Header.Get("X-Smartrouter-Channel")
			switch {
			case o.breaks != "":
				mustBreakOff(t, body, o.breaks)
			case from != "good" || o.whole != (resp.Header.Get("Content-Type") == "application/json") || !bytes.Contains(body, []byte(`said`)):
				t.Errorf("answered by %q: %s", from, body)
			case !o.whole && !bytes.HasSuffix(body, []byte(doneEvent)):
				t.Errorf("the stream has no end: %s", body)
			}
			r.counts(0, "smartrouter_channel_in_flight", fmt.Sprintf("channel=%q", names[i]))
			if n := r.metric("smartrouter_attempts_total", fmt.Sprintf("channel=%q", names[i]), fmt.Sprintf("result=%q", o.result)); n == 0 {
				t.Errorf("no try ended as %s:\n%s", o.result, attempts(r, names[i]))
			}
		})
	}
}

// attempts are the metrics of a channel's tries.
func attempts(r *router, channel string) string {
	var out strings.Builder
	for line := range strings.Lines(string(r.admin("/metrics"))) {
		if strings.HasPrefix(line, "smartrouter_attempts_total") && strings.Contains(line, fmt.Sprintf("channel=%q", channel)) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Fault 25: bytes are the client's own, however the network cuts them.
func TestStreamsStayByteForByte(t *testing.T) {
	t.Parallel()
	text := "\ufeff: hello\r\n\r\n" + strings.ReplaceAll(roleEvent, "\n", "\r\n") +
		"id: 7\nretry: 5\ndata: {\"choices\":[{\"delta\":{\"content\":\"größe 海 \U0001f980\"}}],\ndata: \"x\":1}\n\n: c\n\n" +
		stopEvent + doneEvent
	u := startRaw(t, func(c *net.TCPConn, _ []byte) {
		c.SetNoDelay(true)
		fmt.Fprint(c, eventHead)
		for i := range len(text) {
			fmt.Fprint(c, text[i:i+1])
		}
	})
	r := startRouter(t, listen+channel("a", u.URL, upstreamKey, `models = ["m"]`))
	resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", true, "hello"))
	if err != nil || resp.StatusCode != http.StatusOK || string(body) != text {
		t.Errorf("%v %v\ngot  %q\nwant %q", err, resp, body, text)
	}
}

// Fault 23: what is no answer is not cached either.
func TestNoAnswerIsNotCached(t *testing.T) {
	t.Parallel()
	for _, fault := range []wall.Fault{wall.ErrorJSON(), wall.HTML(), wall.Empty(), wall.Garbage(), wall.EndAfter(3)} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(fault.On("/v1/chat")))
			r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
			if err := r.ask(t.Context(), "m", false, "the same question"); err == nil {
				t.Fatal("no answer passed for one")
			}
			w.Mend()
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "the same question"))
			if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Cache") != "miss" {
				t.Errorf("%v %v %s", err, resp, body)
			}
		})
	}
}

// Fault 21: a rate limit parks its target for as long as the upstream says, and
// for the default time where that is no time at all.
func TestRateLimitHints(t *testing.T) {
	t.Parallel()
	hints := map[string]string{"long": "3600", "negative": "-1", "junk": "soon", "none": ""}
	hcl := listen + "bans { rate_limit = \"3s\" }\nretry_budget { at_least = 1000 }\n"
	walls := map[string]*wall.Wall{}
	var names []string
	for name, hint := range hints {
		fault := wall.Refuse(429, "rate_limit_exceeded", "Too many requests.").RetryAfter(hint).On("/v1/chat")
		walls[name] = wall.Start(t, wall.Key(upstreamKey), wall.Models(name), wall.Faults(fault))
		names = append(names, name)
		hcl += channel(name, walls[name].URL(), upstreamKey, "priority = 1")
	}
	r := startRouter(t, hcl+channel("good", wall.Start(t, wall.Key(upstreamKey), wall.Models(names...)).URL(), upstreamKey, "priority = 2"))
	tries := func(name string) int {
		return int(r.metric("smartrouter_attempts_total", fmt.Sprintf("channel=%q", name)))
	}
	askAll := func() {
		for _, name := range names {
			if err := r.ask(t.Context(), name, true, "hello"); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	begun := time.Now()
	askAll()
	for range 5 {
		askAll()
	}
	for _, name := range names {
		if n := tries(name); n != 1 && time.Since(begun) < 3*time.Second {
			t.Errorf("%s: %d tries of a parked target", name, n)
		}
	}
	wait(t, "targets without a hint are tried again", func() bool {
		askAll()
		return tries("negative") > 1 && tries("junk") > 1 && tries("none") > 1
	})
	if n := tries("long"); n != 1 {
		t.Errorf("%d tries of a target that is parked for an hour", n)
	}
}

// Fault 22: once the breaker is open, a storm of errors costs next to nothing.
func TestStormCostsFewTries(t *testing.T) {
	t.Parallel()
	bad := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Status(500).On("/v1/chat")))
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("bad", bad.URL(), upstreamKey)+channel("good", good.URL(), upstreamKey))
	if errs := r.load(t.Context(), 8, 50, "m"); len(errs) > 0 {
		t.Fatalf("%d failed, the first: %v", len(errs), errs[0])
	}
	before := r.metric("smartrouter_attempts_total")
	const requests = 500
	if errs := r.load(t.Context(), 16, requests, "m"); len(errs) > 0 {
		t.Fatalf("%d failed, the first: %v", len(errs), errs[0])
	}
	if tries := r.metric("smartrouter_attempts_total") - before; tries > 1.2*requests {
		t.Errorf("%v tries for %d requests:\n%s", tries, requests, attempts(r, "bad"))
	}
	if r.metric("smartrouter_attempts_total", `channel="bad"`) == 0 {
		t.Error("the bad channel was never tried: nothing was shown")
	}
}
