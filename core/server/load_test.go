package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusals counts them by reason.
type refusals struct {
	mu sync.Mutex
	of map[string]int
}

func (r *refusals) count(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[string]int)
	}
	r.of[why]++
}

func (r *refusals) n(why string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[why]
}

func TestRequestsInFlight(t *testing.T) {
	t.Parallel()
	var r refusals
	l := newLoad(r.count)
	for i := range 3 {
		if !l.begin(time.Now(), 3, 0) {
			t.Fatalf("request %d of 3 is refused", i+1)
		}
	}
	if l.begin(time.Now(), 3, 0) || r.n(shedInFlight) != 1 {
		t.Errorf("a fourth of 3 is taken: %v", r.of)
	}
	l.end()
	if !l.begin(time.Now(), 3, 0) || l.begin(time.Now(), 3, 0) {
		t.Error("a place that was given back is not one place")
	}
	if !l.begin(time.Now(), 0, 0) {
		t.Error("0 is no limit")
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	const limit = 100 << 20
	part := func(n int64) int64 { return limit / 100 * n }
	for _, test := range []struct {
		name       string
		limit      int64
		alive, all int64 // percent
		read       int64 // percent, of bodies since the last collection
		size       int64
		refused    bool
	}{
		{name: "no limit", alive: 200, all: 200},
		{name: "little in use", limit: limit, alive: 50, all: 60},
		{name: "much garbage", limit: limit, alive: 50, all: 99},
		{name: "a small body below the second mark", limit: limit, alive: 90, all: 99, size: 1000},
		{name: "a large body above the first mark", limit: limit, alive: 86, all: 99, size: 100 << 10, refused: true},
		{name: "any above the second mark", limit: limit, alive: 96, all: 99, refused: true},
		{name: "a body that would not fit", limit: limit, alive: 10, all: 20, size: part(40), refused: true},
		{name: "a body of unknown length", limit: limit, alive: 90, all: 99, size: -1},
		{name: "bodies that no collection has seen", limit: limit, alive: 50, all: 99, read: 24, refused: true},
		{name: "bodies that were collected before", limit: limit, alive: 50, all: 60, read: 24},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r refusals
			l := newLoad(r.count)
			l.limit = test.limit
			l.sample = func() memory { return memory{alive: part(test.alive), all: part(test.all)} }
			l.read.Store(part(test.read))
			if taken := l.begin(time.Now(), 0, test.size); taken == test.refused || test.refused != (r.n(shedMemory) == 1) {
				t.Errorf("taken: %v, %v", taken, r.of)
			}
		})
	}
}

// TestMemoryIsGivenBack: what was read before a collection is in the
// collection's figure, and a refusal does not wait for one to come by itself.
func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	var r refusals
	l := newLoad(r.count)
	l.limit = 100 << 20
	now := memory{alive: 10 << 20, all: 100 << 20, cycles: 1}
	l.sample = func() memory { return now }
	at := time.Now()
	used := func() int64 { at = at.Add(lookEvery); return l.used(at) }
	used()
	l.read.Add(20 << 20)
	if n := used(); n != 50<<20 {
		t.Errorf("%d bytes in use, want what was read twice", n)
	}
	l.read.Add(5 << 20)
	now.alive, now.cycles = 30<<20, 2
	if n := used(); n != 40<<20 {
		t.Errorf("%d bytes in use: what was read between look and collection counts on", n)
	}
	now.cycles = 3
	if n := used(); n != 30<<20 {
		t.Errorf("%d bytes in use, want what is alive", n)
	}

	cycles := func() uint64 { return look().cycles }
	before := cycles()
	now.alive = 99 << 20
	at = at.Add(lookEvery)
	if l.begin(at, 0, 0) {
		t.Error("taken without memory")
	}
	for deadline := time.Now().Add(time.Minute); cycles() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no collection was asked for")
		}
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	kept := make([]byte, 64<<20)
	for i := range kept {
		kept[i] = 1 // touched, so that it is there
	}
	s := look()
	if s.all < int64(len(kept)) || s.alive <= 0 || s.alive > s.all+int64(len(kept)) {
		t.Errorf("%+v with %d bytes kept", s, len(kept))
	}
	if kept[0] != 1 {
		t.Error("not kept")
	}
}

func TestBodyWithoutRoom(t *testing.T) {
	t.Parallel()
	var r refusals
	l := newLoad(r.count)
	l.limit = 100 << 20
	l.sample = func() memory { return memory{alive: 50 << 20, all: 100 << 20} }
	b := l.body(io.NopCloser(io.LimitReader(zeros{}, 90<<20)))
	n, err := io.Copy(io.Discard, b)
	if !errors.Is(err, errNoRoom) || n > 25<<20 || n < 10<<20 || r.n(shedMemory) != 1 {
		t.Errorf("%d bytes were read: %v %v", n, err, r.of)
	}
	small := l.body(io.NopCloser(strings.NewReader("small")))
	if got, err := io.ReadAll(small); err != nil || string(got) != "small" {
		t.Errorf("%q %v", got, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestDoor(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var r refusals
	d := &door{Listener: inner, most: 2, shed: r.count}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") })}
	served := make(chan struct{})
	go func() { defer close(served); s.Serve(d) }()
	t.Cleanup(func() { s.Close(); <-served })
	ask := func() (net.Conn, *http.Response) {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c, resp
	}
	first, resp := ask()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the first is told %s", resp.Status)
	}
	ask()
	for range 3 {
		_, resp = ask()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || !resp.Close ||
			!strings.Contains(string(body), `"code":"router_overloaded"`) {
			t.Errorf("one too many is told %s %v %s", resp.Status, resp.Header, body)
		}
	}
	if r.n(shedConnections) != 3 {
		t.Errorf("counted %v", r.of)
	}
	first.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, resp = ask(); resp.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a place that was given back is not there")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	l := newLoad(func(string) {})
	l.limit = 1 << 40
	b.ReportAllocs()
	for b.Loop() {
		if !l.begin(time.Now(), 100, 1000) {
			b.Fatal("refused")
		}
		l.end()
	}
}
