package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is one connection. It serves one request at a time, all in that
// request's goroutine. Only ended comes from another one.
type conn struct {
	client *Client
	socket net.Conn
	secure *tls.Conn // nil: without TLS
	sys    *socket   // nil: the socket can't be looked at
	since  time.Time // unused since then

	// Of the request under way. Its body is read under its context.
	ctx      context.Context
	stop     func() bool // following a context; nil: a Scope, or none
	follower follower    // of a Scope
	progress Progress
	tainted  bool // not for another request

	// What is still to be written. It is not empty only within send and, where
	// the server began to answer before it had read everything, until the end
	// of the answer.
	out     net.Buffers
	vector  [2][]byte
	stalled time.Time // the server has taken nothing since then

	in   input // of the answer
	came error // what the next read returns before it reads

	quiet bool // reading gives only what TLS has already
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

func newConn(c *Client, s net.Conn) *conn {
	k := &conn{client: c, socket: s}
	if with, ok := s.(syscall.Conn); ok {
		k.sys = newSocket(with)
	}
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
func (k *conn) begin(ctx context.Context, progress Progress) {
	k.ctx, k.progress = ctx, progress
	if s, ok := ctx.(*Scope); ok {
		s.follow(&k.follower, k)
	} else if ctx.Done() != nil {
		k.stop = context.AfterFunc(ctx, k.ended)
	}
}

// ended is called when the request's context ends.
func (k *conn) ended() { _ = k.socket.SetDeadline(past) } // fails only where it is closed

// end takes the connection from its request. It is false where the request was
// cancelled meanwhile.
func (k *conn) end() bool {
	ok := k.follower.leave() && (k.stop == nil || k.stop())
	k.ctx, k.stop, k.progress = nil, nil, nil
	k.follower.scope = nil
	return ok
}

// release ends a request whose answer has been read to its end.
func (k *conn) release() {
	fit := !k.tainted && len(k.out) == 0 && k.in.empty()
	if !k.end() || !fit {
		k.close()
		return
	}
	k.in.give()
	k.client.put(k)
}

// close ends the connection at once.
func (k *conn) close() {
	k.end()
	k.in.give()
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
		return Cause(k.ctx)
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
	// This may have undone what ended did.
	return k.ctx.Err()
}

// fit tells whether an unused connection can take another request: it is open,
// and nothing came that nobody had asked for.
func (k *conn) fit() bool {
	if k.sys != nil && k.sys.look() != nothing {
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

// read reads from the server, and goes on writing where the server began to
// answer before it had read the request.
func (k *conn) read(p []byte) (int, error) {
	for {
		if len(k.out) > 0 {
			if err := k.trickle(); err != nil {
				return 0, err
			}
		}
		n, err := k.receive(p)
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
	text, err := k.in.head(k, k.client.options.MaxHead)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the connection was closed without an answer: %w", io.EOF)
	}
	return text, err
}

// receive reads what has come, or comes next.
func (k *conn) receive(p []byte) (int, error) {
	switch {
	case k.came != nil:
		err := k.came
		k.came = nil
		return 0, err
	case k.secure != nil:
		return k.secure.Read(p)
	case k.sys != nil && len(p) > 0:
		return k.sys.read(p)
	}
	return k.socket.Read(p)
}
