package h1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ServerOptions of a Server.
type ServerOptions struct {
	Handler http.Handler
	// Context is what every request's own derives from; nil: Background.
	Context context.Context
	Limits
	// Log is told of what is nobody's answer: panics of the handler, and
	// listeners in trouble. Nil: nobody is.
	Log func(format string, args ...any)
}

// Limits of a connection.
type Limits struct {
	// HeadTimeout is how long a request's head may take from its first byte
	// on, and a new connection until then; 0: for ever.
	HeadTimeout time.Duration
	// IdleTimeout is how long a connection is kept between two requests; 0: for
	// ever.
	IdleTimeout time.Duration
	// MaxHead is the longest head of a request, in bytes; 0: 64 KiB.
	MaxHead int
}

// Server answers requests of HTTP/1.1 and 1.0, each connection in a goroutine
// of its own which also runs the handler. It is what net/http's Server is to a
// handler, but for what no handler here needs: Hijack, trailers, HTTP/2 and TLS.
//
// A request's context ends when its client leaves, or says that it has nothing
// more to say, and when the handler returns. On Linux one goroutine watches all
// connections for that; net/http needs one for each request.
type Server struct {
	options ServerOptions
	limits  atomic.Pointer[Limits]
	watch   *sentinel

	refusing atomic.Bool // connections end with their present request

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	closed    bool          // nothing is accepted any more
	left      chan struct{} // is closed and made anew when a session ends
}

// Limit sets the limits of what comes from now on, also on connections that are
// there.
func (s *Server) Limit(l Limits) {
	if l.MaxHead <= 0 {
		l.MaxHead = defaultMaxHead
	}
	s.limits.Store(&l)
}

// NewServer is one that does not listen yet.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Server{
		options: o, listeners: make(map[net.Listener]struct{}), sessions: make(map[*session]struct{}), left: make(chan struct{}),
	}
	s.Limit(o.Limits)
	var err error
	s.watch, err = newSentinel()
	return s, err
}

const (
	// acceptPause is how long a listener rests that could not accept, at first
	// and at the most: descriptors that are used up come back.
	acceptPause, maxAcceptPause = 5 * time.Millisecond, time.Second
)

// Serve answers what a listener accepts. The error is http.ErrServerClosed
// after Shutdown and Close.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.listen(l) {
		return http.ErrServerClosed
	}
	defer s.unlisten(l)
	pause := acceptPause
	for {
		c, err := l.Accept()
		if err == nil {
			pause = acceptPause
			s.begin(c)
			continue
		}
		if s.isClosed() {
			return http.ErrServerClosed
		}
		var passing interface{ Temporary() bool } // as net/http asks: nothing else tells
		if !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		s.options.Log("accept: %v; again in %s", err, pause)
		time.Sleep(pause)
		pause = min(2*pause, maxAcceptPause)
	}
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.listeners[l] = struct{}{}
	}
	return !s.closed
}

func (s *Server) unlisten(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// begin serves a connection.
func (s *Server) begin(c net.Conn) {
	x := newSession(s, c)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = c.Close()
		return
	}
	s.sessions[x] = struct{}{}
	s.mu.Unlock()
	go x.run()
}

func (s *Server) end(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
	close(s.left)
	s.left = make(chan struct{})
}

// SetKeepAlivesEnabled says whether connections serve more than one request.
// Where they don't, those without a request are closed.
func (s *Server) SetKeepAlivesEnabled(on bool) {
	s.refusing.Store(!on)
	if !on {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closeIdle()
	}
}

// Shutdown stops listening, and waits until every request has been answered or
// ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	tick := time.NewTicker(freshFor / 10)
	defer tick.Stop()
	for {
		s.mu.Lock()
		s.close()
		s.refusing.Store(true)
		s.closeIdle()
		n, left := len(s.sessions), s.left
		s.mu.Unlock()
		if n == 0 {
			s.watch.close()
			return nil
		}
		select {
		case <-left:
		case <-tick.C: // some are not fresh any more
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends all connections at once.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
	for x := range s.sessions {
		x.abort()
	}
	s.watch.close()
	return nil
}

// close is called with the lock held.
func (s *Server) close() {
	s.closed = true
	for l := range s.listeners {
		_ = l.Close() // Serve sees it
		delete(s.listeners, l)
	}
}

// closeIdle ends sessions that have no request. It is called with the lock held.
func (s *Server) closeIdle() {
	for x := range s.sessions {
		x.dismiss()
	}
}
