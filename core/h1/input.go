package h1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// inputSize is how much is read at once, in bytes.
const inputSize = 8 << 10

var inputs = sync.Pool{New: func() any { b := make([]byte, inputSize); return &b }}

// input is what has come from the other side and is not used yet. It has a
// buffer only while there is something in it.
type input struct {
	buf       *[]byte // pooled; nil: unused
	start, at int     // what is there is buf[start:at]
}

// reader is the connection that an input is filled from.
type reader interface {
	read(p []byte) (int, error)
}

func (i *input) empty() bool { return i.start == i.at }

// buffered is what has come and is not used yet.
func (i *input) buffered() []byte {
	if i.buf == nil {
		return nil
	}
	return (*i.buf)[i.start:i.at]
}

// skip n bytes of what is buffered.
func (i *input) skip(n int) { i.start += n }

// give returns the buffer to its pool, with what is in it.
func (i *input) give() {
	if i.buf != nil && len(*i.buf) == inputSize {
		inputs.Put(i.buf)
	}
	i.buf, i.start, i.at = nil, 0, 0
}

// fill reads more into the buffer, which must not be full of unused bytes.
func (i *input) fill(from reader) error {
	if i.buf == nil {
		i.buf = inputs.Get().(*[]byte)
	}
	if i.start == i.at {
		i.start, i.at = 0, 0
	} else if i.at == len(*i.buf) {
		i.at = copy(*i.buf, (*i.buf)[i.start:i.at])
		i.start = 0
	}
	n, err := from.read((*i.buf)[i.at:])
	i.at += n
	return err
}

// errHeadTooLong is a head of more bytes than it may have.
var errHeadTooLong = errors.New("its head is too long")

// head takes a message's head out, with the empty line at its end. Where the
// connection ends before anything came, the error is io.EOF.
func (i *input) head(from reader, limit int) (string, error) {
	seen := 0 // so much of what has come is known to hold no end
	for {
		b := i.buffered()
		end, next := headEnd(b, seen)
		if end > limit || end == 0 && len(b) >= limit {
			return "", &errMalformed{fmt.Sprintf("its head is longer than %d bytes", limit), errHeadTooLong}
		}
		if end > 0 {
			text := string(b[:end])
			i.skip(end)
			return text, nil
		}
		seen = next
		if len(b) > 0 && len(b) == len(*i.buf) {
			// Rare: a head that the pooled buffer is too short for.
			longer := make([]byte, min(2*len(b), max(limit, inputSize)+1))
			copy(longer, b)
			i.give()
			i.buf, i.at = &longer, len(b)
		}
		if err := i.fill(from); err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				return "", malformed("the connection ended within its head")
			}
			return "", err
		}
	}
}

// headEnd is how long the head is that b begins with; 0: b holds no end of one,
// and more of it needs to be looked at only from next on.
func headEnd(b []byte, from int) (end, next int) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, len(b)
		}
		i += from
		switch rest := b[i+1:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 2, 0
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3, 0
		case len(rest) < 2:
			return 0, i
		}
		from = i + 1
	}
}

// errMalformed is a message that is not one of HTTP/1.1.
type errMalformed struct {
	what  string
	cause error // nil: the text says it all
}

func (e *errMalformed) Error() string { return "malformed HTTP message: " + e.what }
func (e *errMalformed) Unwrap() error { return e.cause }

func malformed(format string, args ...any) error {
	return &errMalformed{what: fmt.Sprintf(format, args...)}
}
