package cli

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sinkRoom is how much waits to be written, in bytes.
	sinkRoom = 1 << 20
	// sinkEnd is how long the end of the process waits for the rest.
	sinkEnd = time.Second
)

// sink keeps a log that nobody reads from stopping the router: a write never
// waits. What comes while there is no room is dropped and counted, and the log
// says so where it goes on.
type sink struct {
	out     io.Writer
	dropped atomic.Uint64 // writes, each one line

	mu      sync.Mutex
	waiting []byte
	closed  bool
	wake    chan struct{}
	done    chan struct{}
}

func newSink(out io.Writer) *sink {
	s := &sink{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// Write takes p whole or not at all, and has no error to tell.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.closed || len(s.waiting)+len(p) > sinkRoom {
		s.dropped.Add(1)
	} else {
		s.waiting = append(s.waiting, p...)
	}
	s.mu.Unlock()
	s.stir()
	return len(p), nil
}

func (s *sink) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sink) run() {
	defer close(s.done)
	var told uint64
	var spare []byte
	for range s.wake {
		s.mu.Lock()
		piece, n, closed := s.waiting, s.dropped.Load(), s.closed
		s.waiting = spare[:0]
		s.mu.Unlock()
		if len(piece) > 0 {
			_, _ = s.out.Write(piece) // a log that can't be written can't say so
		}
		spare = piece
		if n > told {
			_, _ = fmt.Fprintf(s.out, "%d lines of the log were dropped, as nobody took them\n", n-told)
			told = n
		}
		if closed {
			return
		}
	}
}

// close writes what waits, for as long as it may take.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stir()
	select {
	case <-s.done:
	case <-time.After(sinkEnd):
	}
}
