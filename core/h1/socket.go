package h1

import (
	"cmp"
	"errors"
	"io"
	"syscall"

	"github.com/smart-ai-router/smartrouter/sdk/nowait"
)

// sight is what can be seen of a socket without waiting.
type sight uint8

const (
	nothing sight = iota // it is open and silent
	waiting              // bytes have come
	gone                 // it is closed or broken
)

// socket uses a socket by system calls that never wait, and has the runtime's
// poller wait where there is a need to. Only write may be called while another
// of its functions is at work.
type socket struct {
	raw syscall.RawConn
	// Made once, so that a call allocates nothing.
	onLook, onWrite, onRead, onServe, onAsk func(fd uintptr) bool

	seen sight
	one  [1]byte

	out      []byte
	written  int
	writeErr error

	room    []byte
	in      *input
	next    func() then
	got     int
	readErr error
	asked   bool
}

func newSocket(c syscall.Conn) *socket {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.onLook = func(fd uintptr) bool { s.lookNow(fd); return true }
	s.onWrite = func(fd uintptr) bool { s.writeNow(fd); return true }
	s.onRead, s.onServe = s.readNow, s.serveNow
	s.onAsk = func(fd uintptr) bool {
		if s.asked {
			return s.fillNow(fd)
		}
		s.asked = true
		if s.lookNow(fd); s.seen != nothing {
			return true
		}
		s.writeNow(fd)
		return s.writeErr != nil || s.written < len(s.out)
	}
	return s
}

func (s *socket) lookNow(fd uintptr) {
	n, err := nowait.Peek(fd, s.one[:])
	switch {
	case n > 0:
		s.seen = waiting
	case errors.Is(err, syscall.EAGAIN):
		s.seen = nothing
	default:
		s.seen = gone
	}
}

func (s *socket) writeNow(fd uintptr) {
	n, err := nowait.Write(fd, s.out)
	if s.written = max(n, 0); err != nil && !errors.Is(err, syscall.EAGAIN) {
		s.writeErr = err
	}
}

// readNow is false where nothing has come.
func (s *socket) readNow(fd uintptr) bool {
	n, err := nowait.Read(fd, s.room)
	switch {
	case n > 0:
		s.got = n
	case err == nil:
		s.readErr = io.EOF
	case errors.Is(err, syscall.EAGAIN):
		return false
	default:
		s.readErr = err
	}
	return true
}

// fillNow is false where nothing has come.
func (s *socket) fillNow(fd uintptr) bool {
	buf := inputs.Get().(*[]byte)
	s.room, s.got = *buf, 0
	ok := s.readNow(fd)
	if s.room = nil; s.got > 0 {
		s.in.buf, s.in.start, s.in.at = buf, 0, s.got
	} else {
		inputs.Put(buf)
	}
	return ok
}

// look tells what has come.
func (s *socket) look() sight {
	if err := s.raw.Read(s.onLook); err != nil {
		return gone
	}
	return s.seen
}

// write writes as much of p as goes without waiting, which may be nothing.
func (s *socket) write(p []byte) (int, error) {
	s.out, s.written, s.writeErr = p, 0, nil
	err := s.raw.Write(s.onWrite)
	s.out = nil
	if err == nil {
		err = s.writeErr
	}
	return s.written, err
}

// read waits for what comes, and reads it. p must not be empty.
func (s *socket) read(p []byte) (int, error) {
	s.room, s.got, s.readErr = p, 0, nil
	err := s.raw.Read(s.onRead)
	s.room = nil
	if err == nil {
		err = s.readErr
	}
	return s.got, err
}

// then is what serve does next.
type then uint8

const (
	stop then = iota // it returns
	wait             // for what comes
	look             // for what may have come before
)

// serve waits for what comes, reads it into an input that has no buffer, which
// gets one then, and calls next; again and again where next says so, which must
// empty the input before. Neither next nor what it calls may use another of the
// functions that read.
//
// All of it is one wait: what comes while next is at work is told by the poller
// afterwards. So a read that did not fill its buffer has no other behind it that
// only finds nothing. An end that came together with the last bytes is not told
// again: that next has to find out.
func (s *socket) serve(in *input, next func() then) error {
	s.in, s.next, s.readErr = in, next, nil
	err := s.raw.Read(s.onServe)
	if s.in, s.next = nil, nil; err == nil {
		err = s.readErr
	}
	return err
}

func (s *socket) serveNow(fd uintptr) bool {
	for s.fillNow(fd) {
		all := s.got < inputSize
		if s.readErr != nil {
			return true
		}
		switch s.next() {
		case stop:
			return true
		case wait:
			if all {
				return false
			}
		}
	}
	return false
}

// ask writes a request where nothing has come yet and, where all of it could be
// written, waits for what comes, and reads it into an input that has no buffer.
// What it spares is a read before there can be an answer: whatever comes after
// the look is told by the poller. It returns how much was written. Where seen is
// not nothing, nothing was.
func (s *socket) ask(request []byte, in *input) (seen sight, n int, err error) {
	s.out, s.written, s.writeErr = request, 0, nil
	s.in, s.got, s.readErr = in, 0, nil
	s.asked, s.seen = false, gone
	err = s.raw.Read(s.onAsk)
	if s.out, s.in = nil, nil; err == nil {
		err = cmp.Or(s.writeErr, s.readErr)
	}
	return s.seen, s.written, err
}
