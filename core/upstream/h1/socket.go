//go:build linux || darwin

package h1

import (
	"errors"
	"syscall"
)

// sight is what can be seen of a socket without waiting.
type sight uint8

const (
	nothing sight = iota // it is open and silent
	waiting              // bytes have come
	gone                 // it is closed or broken
)

// socket looks at a socket and writes to it, both without waiting.
type socket struct {
	raw syscall.RawConn
	// Made once, so that a look allocates nothing.
	look, put func(fd uintptr) bool
	seen      sight
	one       [1]byte
	data      []byte
	written   int
	err       error
}

func newSocket(c syscall.Conn) *socket {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.look = func(fd uintptr) bool {
		for {
			n, _, err := syscall.Recvfrom(int(fd), s.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			switch {
			case errors.Is(err, syscall.EINTR):
				continue
			case n > 0:
				s.seen = waiting
			case errors.Is(err, syscall.EAGAIN):
				s.seen = nothing
			}
			return true
		}
	}
	s.put = func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), s.data)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if n > 0 {
				s.written = n
			}
			if !errors.Is(err, syscall.EAGAIN) {
				s.err = err
			}
			return true
		}
	}
	return s
}

// peek tells what has come.
func (s *socket) peek() sight {
	s.seen = gone
	if err := s.raw.Read(s.look); err != nil {
		return gone
	}
	return s.seen
}

// write writes as much of p as goes without waiting, which may be nothing.
func (s *socket) write(p []byte) (int, error) {
	s.data, s.written, s.err = p, 0, nil
	err := s.raw.Write(s.put)
	s.data = nil
	if err == nil {
		err = s.err
	}
	return s.written, err
}
