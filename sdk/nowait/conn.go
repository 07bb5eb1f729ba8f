//go:build unix

// Package nowait reads and writes sockets by system calls that never wait, so
// that Go's scheduler is not told of them. Where a write wakes another process
// it takes 20 us and more; the scheduler's monitor then gives the thread's place
// to another thread, which costs the short exchanges of a proxy or a plugin a
// quarter of their CPU.
//
//	raw_linux.go  the calls
//	raw_unix.go   the same on other systems, and for the race detector, which
//	              has to see them
//	conn.go       Conn, a connection that uses them
package nowait

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// Conn is a socket whose Read and Write wait in Go's poller only. Deadlines,
// Close and all else are those of the connection below.
type Conn struct {
	net.Conn
	raw     syscall.RawConn
	in, out side
}

// side is one direction of a Conn.
type side struct {
	mu   sync.Mutex // one Read, or one Write, at a time
	rest []byte
	done int
	err  error
	try  func(fd uintptr) bool // kept, since a new one would be allocated for each call
}

// NewConn is c itself where it is no socket.
func NewConn(c net.Conn) net.Conn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	n := &Conn{Conn: c, raw: raw}
	n.in.try, n.out.try = n.in.read, n.out.write
	return n
}

// Read waits until there is something.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return c.in.do(c.raw.Read, p)
}

// Write waits until all of p is written.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return c.out.do(c.raw.Write, p)
}

// do calls try each time that the poller says that the socket may be ready.
func (s *side) do(wait func(func(uintptr) bool) error, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest, s.done, s.err = p, 0, nil
	err := wait(s.try)
	if err == nil {
		err = s.err
	}
	s.rest = nil
	return s.done, err
}

// read is false where nothing has come.
func (s *side) read(fd uintptr) bool {
	for {
		n, err := Read(fd, s.rest)
		switch {
		case err == nil:
			if s.done = n; n == 0 {
				s.err = io.EOF
			}
			return true
		case errors.Is(err, syscall.EAGAIN):
			return false
		case errors.Is(err, syscall.EINTR):
		default:
			s.err = &net.OpError{Op: "read", Net: "unix", Err: err}
			return true
		}
	}
}

// write is false where there is no room.
func (s *side) write(fd uintptr) bool {
	for len(s.rest) > 0 {
		n, err := Write(fd, s.rest)
		switch {
		case err == nil:
			s.done, s.rest = s.done+n, s.rest[n:]
		case errors.Is(err, syscall.EAGAIN):
			return false
		case errors.Is(err, syscall.EINTR):
		default:
			s.err = &net.OpError{Op: "write", Net: "unix", Err: err}
			return true
		}
	}
	return true
}
