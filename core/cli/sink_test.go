package cli

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck takes nothing until it is let go.
type stuck struct {
	once sync.Once
	has  chan struct{} // closed at the first write
	free chan struct{}
	got  bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.has) })
	<-s.free
	return s.got.Write(p)
}

func TestSinkKeepsOrder(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	s := newSink(&got)
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(s, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	s.close()
	if got.String() != want.String() || s.dropped.Load() != 0 {
		t.Errorf("%d dropped; got %q", s.dropped.Load(), got.String())
	}
}

func TestSinkDropsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	out := &stuck{has: make(chan struct{}), free: make(chan struct{})}
	s := newSink(out)
	fmt.Fprintln(s, "first")
	<-out.has
	line := strings.Repeat("x", 1023) + "\n"
	const lines = 3 << 10
	for range lines {
		if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	const dropped = lines - sinkRoom/1024
	if n := s.dropped.Load(); n != dropped {
		t.Errorf("%d lines dropped, want %d", n, dropped)
	}
	close(out.free)
	s.close()
	if got := out.got.String(); !strings.HasPrefix(got, "first\nxxx") || strings.Count(got, line) != lines-dropped ||
		!strings.Contains(got, fmt.Sprintf("%d lines of the log were dropped", dropped)) {
		t.Errorf("%d bytes came out, the last of them %q", len(got), got[max(0, len(got)-100):])
	}
}

func TestSinkDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	out := &stuck{has: make(chan struct{}), free: make(chan struct{})}
	s := newSink(out)
	fmt.Fprintln(s, "first")
	<-out.has
	ended := make(chan struct{})
	go func() { defer close(ended); s.close() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("the end waits for a log that nobody takes")
	}
	close(out.free)
	<-s.done
}
