package h1

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// session is a connection on the server's side. All of it happens in its own
// goroutine, but for leave, dismiss and abort.
type session struct {
	server *Server
	conn   net.Conn // as it was accepted: its Close is what counts
	socket net.Conn // what is below
	sys    *socket  // nil: it has no system calls
	remote string
	ticket uint64

	in               input
	reading, writing deadline
	onRequest        func() then // here, made once

	// What here leaves to others.
	ahead   *exchangeServed // a request whose head has been read
	refused error           // what is no head
	ended   error           // how the session ended
	inside  bool            // here is at work: nothing can be read

	scope Scope

	mu    sync.Mutex
	stage stage
	since time.Time
	gone  bool   // the client has left
	asks  *Scope // the request under way; nil: none is
}

// stage is what a session is at.
type stage uint8

const (
	fresh stage = iota // nothing has come yet
	idle               // a request was answered, and no other has come
	busy
	over
)

const (
	// freshFor is how long a new connection is taken for one whose first
	// request is on its way.
	freshFor = 5 * time.Second
	// A client that is still sending when its answer is there gets some time to
	// see it: the kernel throws an answer away whose question was not read.
	lingerFor   = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

func newSession(s *Server, c net.Conn) *session {
	x := &session{server: s, conn: c, socket: c, since: time.Now()}
	for {
		below, ok := x.socket.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		x.socket = below.NetConn()
	}
	if a := c.RemoteAddr(); a != nil {
		x.remote = a.String()
	}
	x.reading.set, x.writing.set = x.socket.SetReadDeadline, x.socket.SetWriteDeadline
	x.scope.Begin(s.options.Context)
	return x
}

// run serves one request after the other.
func (x *session) run() {
	defer x.finish()
	if with, ok := x.socket.(syscall.Conn); ok {
		x.sys, x.onRequest = newSocket(with), x.here
		raw, err := with.SyscallConn()
		if err == nil {
			err = x.server.watch.watch(x, raw)
		}
		if err != nil {
			x.server.options.Log("connection of %s not watched: %v", x.remote, err)
			return
		}
	}
	for first := true; x.await(first) == nil; first = false {
		y, err := x.ahead, x.refused
		if x.ahead, x.refused = nil, nil; y == nil && err == nil {
			y = &exchangeServed{}
			err = x.head(&y.head)
		}
		if err != nil {
			x.refuse(err)
			return
		}
		if !x.serve(y) {
			return
		}
	}
}

// finish is the end of a session.
func (x *session) finish() {
	x.setStage(over)
	x.server.watch.forget(x)
	x.in.give()
	x.scope.End(nil)
	_ = x.conn.Close() // there is nobody to tell
	x.server.end(x)
}

// await waits for the first byte of a request that is not answered yet. The first
// one has the time of a head for it, any other that of an idle connection.
func (x *session) await(first bool) error {
	if !x.in.empty() {
		return nil
	}
	if first {
		x.in.give()
		x.within(x.server.limits.Load().HeadTimeout)
	} else if err := x.rest(); err != nil {
		return err
	}
	if x.sys == nil {
		return x.in.fill(x)
	}
	for {
		if err := x.attend(); err != nil {
			return err
		}
		err := cmp.Or(x.sys.serve(&x.in, x.onRequest), x.ended)
		x.reading.end()
		if !errors.Is(err, os.ErrDeadlineExceeded) || !x.hasLeft() {
			return err
		}
		// It was called: its end may have come beside its last bytes.
		x.within(x.server.limits.Load().IdleTimeout)
	}
}

// rest is what a session does between two requests.
func (x *session) rest() error {
	x.in.give()
	if !x.setStage(idle) || x.server.refusing.Load() {
		return net.ErrClosed // dismissed, or asked to go while it was still busy
	}
	x.within(x.server.limits.Load().IdleTimeout)
	return nil
}

var (
	errAnswered = errors.New("the last request has been answered")
	errInside   = errors.New("a request that has come as a whole is read on")
)

// here answers a request that has come as a whole, which most do, and makes
// ready for the next one. It stops where there is something else to do: for a
// request of which more must come, and at the end.
//
// It runs within the wait for the next request. So the poller's news of what
// comes meanwhile is not lost, and there is no read in vain to look for it; but
// nothing may read from the socket in here.
func (x *session) here() then {
	x.reading.end()
	if end, _ := headEnd(x.in.buffered(), 0); end == 0 {
		return stop
	}
	x.inside = true
	defer func() { x.inside = false }()
	y := &exchangeServed{}
	if x.refused = x.head(&y.head); x.refused != nil {
		return stop
	}
	if !y.head.isWhole(&x.in) {
		x.ahead = y
		return stop
	}
	if !x.serve(y) {
		x.ended = errAnswered
		return stop
	}
	if !x.in.empty() {
		return stop
	}
	if x.ended = x.rest(); x.ended == nil {
		x.ended = x.attend()
	}
	switch {
	case x.ended != nil:
		return stop
	case x.hasLeft():
		return look
	}
	return wait
}

// attend begins to wait: what ends a wait finds it from now on.
func (x *session) attend() error {
	if err := x.reading.begin(); err != nil {
		return err
	}
	if x.isOver() {
		return net.ErrClosed // dismissed before there was a deadline to bring forward
	}
	return nil
}

// read is what an input is filled by.
func (x *session) read(p []byte) (int, error) {
	if x.inside {
		return 0, errInside
	}
	if err := x.reading.begin(); err != nil {
		return 0, err
	}
	defer x.reading.end()
	if x.sys != nil && len(p) > 0 {
		return x.sys.read(p)
	}
	n, err := x.socket.Read(p)
	if n > 0 {
		return n, nil // an error will come again
	}
	return n, err
}

// within bounds the reads from now on; 0: not at all.
func (x *session) within(d time.Duration) {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = x.reading.by(t) // nothing is being read: it is set with the next read
}

// head reads a request's head, of which the first byte has come.
func (x *session) head(h *requestHead) error {
	if !x.begin() {
		return net.ErrClosed
	}
	for range 2 { // RFC 9112, 2.2: some clients end a body with an empty line
		if b := x.in.buffered(); len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
			x.in.skip(2)
		}
	}
	x.within(x.server.limits.Load().HeadTimeout)
	text, err := x.in.head(x, x.server.limits.Load().MaxHead)
	if err != nil {
		return err
	}
	x.within(0)
	return h.parse(text)
}

// refuse answers a head that is none, and is silent where the client is gone or
// was too slow.
func (x *session) refuse(err error) {
	status := http.StatusBadRequest
	var refused *refusedHead
	var bad *errMalformed
	switch {
	case errors.As(err, &refused):
		status = refused.status
	case errors.Is(err, errHeadTooLong):
		status = http.StatusRequestHeaderFieldsTooLarge
	case !errors.As(err, &bad):
		return
	}
	text := http.StatusText(status)
	y := &exchangeServed{}
	y.reply.begin(x, &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1}, 1, false)
	y.header.Set("Content-Type", "text/plain; charset=utf-8")
	y.WriteHeader(status)
	_, _ = y.Write([]byte(text + "\n"))
	_ = x.writing.by(time.Now().Add(lingerFor))
	if y.reply.end() == nil {
		x.linger()
	}
}

// exchangeServed is a request with its body and its answer.
type exchangeServed struct {
	head requestHead
	reply
	question
	scope Scope
}

// serve has a request answered. It is false where the connection ends with it.
func (x *session) serve(y *exchangeServed) bool {
	h := &y.head
	y.scope.Begin(&x.scope)
	defer y.scope.End(nil)
	q := (&http.Request{
		Method: h.method, URL: &h.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: h.minor, Header: h.header,
		ContentLength: h.length, Host: h.host, RemoteAddr: x.remote, RequestURI: h.target, Close: !h.keep, Body: http.NoBody,
	}).WithContext(&y.scope)
	if h.minor == 0 {
		q.Proto = "HTTP/1.0"
	}
	if h.chunked {
		q.ContentLength, q.TransferEncoding = -1, []string{"chunked"}
	}
	y.question.begin(x, h)
	if !y.question.ended() {
		q.Body = &y.question
	}
	y.reply.begin(x, q, h.minor, h.keep)
	y.reply.unread = &y.question
	x.follow(&y.scope)
	ok := x.handle(&y.reply, q)
	y.scope.End(nil)
	x.follow(nil)
	if !ok || y.reply.end() != nil {
		return false
	}
	if y.reply.recycled {
		h.room.give()
		y.reply.room.give()
	}
	if y.reply.keep && y.question.skip() {
		_ = x.writing.by(time.Time{}) // set anew by who needs it
		return true
	}
	if !y.question.skip() {
		x.linger()
	}
	return false
}

// handle runs the handler; false: it ended in a panic.
func (x *session) handle(w *reply, q *http.Request) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			ok = false
			if e, is := p.(error); !is || !errors.Is(e, http.ErrAbortHandler) {
				x.server.options.Log("panic in a handler: %v\n%s", p, debug.Stack())
			}
		}
	}()
	x.server.options.Handler.ServeHTTP(w, q)
	return true
}

// linger lets a client that is still sending see its answer.
func (x *session) linger() {
	half, ok := x.socket.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	x.within(lingerFor)
	for n := 0; n < lingerBytes; {
		x.in.start, x.in.at = 0, 0
		if x.in.fill(x) != nil {
			return
		}
		n += x.in.at
	}
}

// begin takes the session to its next request; false: it has been dismissed.
func (x *session) begin() bool { return x.setStage(busy) }

// setStage is false where the session is over.
func (x *session) setStage(s stage) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stage == over {
		return false
	}
	x.stage = s
	return true
}

func (x *session) isOver() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stage == over
}

// follow ends the request under way when the client leaves; nil: there is none.
func (x *session) follow(asks *Scope) {
	x.mu.Lock()
	x.asks = asks
	x.mu.Unlock()
	if asks != nil && x.in.empty() {
		x.asked()
	}
}

// asked is called when all of a request has been read: a client that left
// meanwhile is gone, unless it sent another one before.
func (x *session) asked() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone && x.asks != nil && x.in.empty() {
		x.asks.End(nil)
	}
}

// leave is called when the client has left. A session that waits for a request
// looks whether it sent another one before.
func (x *session) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = true
	if x.asks != nil {
		x.asks.End(nil)
	}
	if x.stage == idle {
		_ = x.reading.by(past)
	}
}

func (x *session) hasLeft() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone
}

// dismiss ends the session where it has no request.
func (x *session) dismiss() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stage == idle || x.stage == fresh && time.Since(x.since) >= freshFor {
		x.stage = over
		_ = x.socket.SetReadDeadline(past) // what waits for a request ends
	}
}

// abort ends the session at once for its client. A socket that is waited for
// would keep its Close waiting until the handler returns: it is shut instead.
func (x *session) abort() {
	x.leave()
	if half, ok := x.socket.(interface {
		CloseRead() error
		CloseWrite() error
	}); ok {
		_ = half.CloseWrite()
		_ = half.CloseRead()
		return
	}
	_ = x.socket.Close()
}
