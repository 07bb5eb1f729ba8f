package h1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one connection. It serves one request at a time, all in that
// request's goroutine. Only interrupt comes from another one.
type conn struct {
	client *Client
	socket net.Conn
	secure *tls.Conn // nil: without TLS
	sys    *socket   // nil: the socket can't be looked at
	since  time.Time // unused since then

	// Of the request under way. Its body is read under its context.
	ctx      context.Context
	stop     func() bool
	progress func()
	tainted  bool // not for another request

	// What is still to be written. It is not empty only within send and, where
	// the server began to answer before it had read everything, until the end
	// of the answer.
	out     net.Buffers
	vector  [2][]byte
	stalled time.Time // the server has taken nothing since then

	in        *[]byte // pooled; nil: unused
	start, at int     // what has come and is not used yet: in[start:at]

	interrupt func()
	quiet     bool // reading gives only what TLS has already
}

// inputSize is how much of an answer is read at once, in bytes.
const inputSize = 8 << 10

var inputs = sync.Pool{New: func() any { b := make([]byte, inputSize); return &b }}

// past is a deadline that is over.
var past = time.Unix(1, 0)

func newConn(c *Client, s net.Conn) *conn {
	k := &conn{client: c, socket: s}
	if with, ok := s.(syscall.Conn); ok {
		k.sys = newSocket(with)
	}
	k.interrupt = func() { _ = k.socket.SetDeadline(past) } // fails only where it is closed
	return k
}

func (k *conn) handshake(ctx context.Context, cfg *tls.Config) error {
	k.ctx = ctx
	k.secure = tls.Client(line{k.socket, k}, cfg)
	return k.secure.HandshakeContext(ctx)
}

// line is what TLS takes for its socket.
type line struct {
	net.Conn
	k *conn
}

func (l line) Read(p []byte) (int, error) {
	if l.k.quiet {
		return 0, os.ErrDeadlineExceeded
	}
	return l.Conn.Read(p)
}

// Write never ends in the middle of p without an error: TLS could not go on.
func (l line) Write(p []byte) (int, error) {
	l.k.out = append(l.k.vector[:0], p)
	if err := l.k.flush(false); err != nil {
		l.k.out = nil
		return 0, err
	}
	return len(p), nil
}

// begin gives the connection to a request.
func (k *conn) begin(ctx context.Context, progress func()) {
	k.ctx, k.progress = ctx, progress
	if ctx.Done() != nil {
		k.stop = context.AfterFunc(ctx, k.interrupt)
	}
}

// end takes the connection from its request. It is false where the request was
// cancelled meanwhile.
func (k *conn) end() bool {
	ok := k.stop == nil || k.stop()
	k.ctx, k.stop, k.progress = nil, nil, nil
	return ok
}

// release ends a request whose answer has been read to its end.
func (k *conn) release() {
	fit := !k.tainted && len(k.out) == 0 && k.start == k.at
	if !k.end() || !fit {
		k.close()
		return
	}
	k.giveInput()
	k.client.put(k)
}

// close ends the connection at once.
func (k *conn) close() {
	k.end()
	k.giveInput()
	k.out, k.vector = nil, [2][]byte{}
	_ = k.socket.Close()
}

// bye ends an unused connection, politely.
func (k *conn) bye() {
	if k.secure != nil {
		_ = k.secure.Close()
	}
	_ = k.socket.Close()
}

func (k *conn) giveInput() {
	if k.in != nil && len(*k.in) == inputSize {
		inputs.Put(k.in)
	}
	k.in, k.start, k.at = nil, 0, 0
}

// cancelled is not nil once the request is over before its time.
func (k *conn) cancelled() error {
	if k.ctx == nil {
		return nil // there is none: TLS takes its leave
	}
	return k.ctx.Err()
}

// failed is what err means: nothing of its own where the request was cancelled.
func (k *conn) failed(err error) error {
	if k.ctx.Err() != nil {
		return context.Cause(k.ctx)
	}
	return err
}

// expect gives the server so long to go on; 0: as long as the request has.
func (k *conn) expect(d time.Duration) error {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	if err := k.socket.SetReadDeadline(t); err != nil {
		return err
	}
	// This may have undone what interrupt did.
	return k.ctx.Err()
}

// fit tells whether an unused connection can take another request: it is open,
// and nothing came that nobody had asked for.
func (k *conn) fit() bool {
	if k.sys != nil && k.sys.peek() != nothing {
		return false
	}
	if k.secure == nil {
		return true
	}
	// TLS may have read on beyond the answer.
	k.quiet = true
	defer func() { k.quiet = false }()
	var b [1]byte
	n, err := k.secure.Read(b[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// buffered is what has come and is not used yet.
func (k *conn) buffered() []byte {
	if k.in == nil {
		return nil
	}
	return (*k.in)[k.start:k.at]
}

// fill reads more into the buffer, which must not be full of unused bytes.
func (k *conn) fill() error {
	if k.in == nil {
		k.in = inputs.Get().(*[]byte)
	}
	if k.start == k.at {
		k.start, k.at = 0, 0
	} else if k.at == len(*k.in) {
		k.at = copy(*k.in, (*k.in)[k.start:k.at])
		k.start = 0
	}
	n, err := k.read((*k.in)[k.at:])
	k.at += n
	return err
}

// read reads from the server, and goes on writing where the server began to
// answer before it had read the request.
func (k *conn) read(p []byte) (int, error) {
	from := k.socket
	if k.secure != nil {
		from = k.secure
	}
	for {
		if len(k.out) > 0 {
			if err := k.trickle(); err != nil {
				return 0, err
			}
		}
		n, err := from.Read(p)
		switch {
		case n > 0:
			return n, nil // an error will come again
		case err == nil:
		case len(k.out) > 0 && errors.Is(err, os.ErrDeadlineExceeded) && k.ctx.Err() == nil:
		default:
			return 0, err
		}
	}
}

// head reads the head of an answer, with the empty line at its end.
func (k *conn) head() (string, error) {
	limit := k.client.options.MaxHead
	seen := 0 // so much of what has come is known to hold no end
	for {
		b := k.buffered()
		end, next := headEnd(b, seen)
		if end > limit || end == 0 && len(b) >= limit {
			return "", malformed("its head is longer than %d bytes", limit)
		}
		if end > 0 {
			text := string(b[:end])
			k.start += end
			return text, nil
		}
		seen = next
		if len(b) > 0 && len(b) == len(*k.in) {
			// Rare: a head that the pooled buffer is too short for.
			longer := make([]byte, min(2*len(b), max(limit, inputSize)+1))
			copy(longer, b)
			k.giveInput()
			k.in, k.at = &longer, len(b)
		}
		if err := k.fill(); err != nil {
			switch {
			case !errors.Is(err, io.EOF):
				return "", err
			case len(b) > 0:
				return "", malformed("the connection ended within its head")
			default:
				return "", fmt.Errorf("the connection was closed without an answer: %w", io.EOF)
			}
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

// errMalformed is an answer that is not one of HTTP/1.1.
type errMalformed struct{ what string }

func (e *errMalformed) Error() string { return "malformed HTTP answer: " + e.what }

func malformed(format string, args ...any) error {
	return &errMalformed{fmt.Sprintf(format, args...)}
}
