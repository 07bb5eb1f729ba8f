package upstream

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"
)

// idlers are a pool's connections that wait for a request. net/http may keep
// all that the pool may have: one that is closed as soon as its request ends is
// missed by the next one, which then pays for a handshake. Here those above
// max_idle are closed once they were not needed for a while.
type idlers struct {
	keep  int
	after time.Duration

	mu    sync.Mutex
	conns []*conn // the longest idle first; net/http uses the last one first
	made  int     // connections that are not closed, idle or not
	armed bool
}

// open is how many connections there are.
func (s *idlers) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// use notes that a request got the connection, and answers which use of it this
// is.
func (s *idlers) use(c *conn) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
	c.uses++
	return c.uses
}

// rest notes that the connection is idle after that use. net/http says so when
// the next request may have it already, which is then another use.
func (s *idlers) rest(c *conn, use uint64) { s.note(c, use, time.Now()) }

// unclaimed is how long a new connection is not counted as idle: the request
// that it was made for is about to take it, unless that found another.
const unclaimed = time.Second

// fresh notes a new connection.
func (s *idlers) fresh(c *conn) {
	s.mu.Lock()
	s.made++
	c.made = true
	s.mu.Unlock()
	s.note(c, 0, time.Now().Add(unclaimed))
}

func (s *idlers) note(c *conn, use uint64, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.uses != use || c.closed {
		return
	}
	c.idle = since
	s.conns = append(s.conns, c)
	s.arm(s.after)
}

// drop notes that the connection was closed.
func (s *idlers) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.made && !c.closed {
		s.made--
	}
	c.closed = true
	s.remove(c)
}

// remove is called with the lock held. Its search is short: see conns.
func (s *idlers) remove(c *conn) {
	for i := len(s.conns) - 1; i >= 0; i-- {
		if s.conns[i] == c {
			s.conns = slices.Delete(s.conns, i, i+1)
			return
		}
	}
}

// arm is called with the lock held.
func (s *idlers) arm(wait time.Duration) {
	if !s.armed && len(s.conns) > s.keep {
		s.armed = true
		time.AfterFunc(wait, s.trim)
	}
}

// trim closes the connections above max_idle that were idle long enough.
func (s *idlers) trim() {
	for _, c := range s.surplus() {
		_ = c.Close() // of an idle connection; nobody waits for what it says
	}
}

func (s *idlers) surplus() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	now := time.Now()
	var out []*conn
	wait := s.after + unclaimed
	most := len(s.conns) - s.keep
	s.conns = slices.DeleteFunc(s.conns, func(c *conn) bool {
		if len(out) >= most {
			return false
		}
		if left := s.after - now.Sub(c.idle); left > 0 {
			wait = min(wait, left)
			return false
		}
		// A request may just be taking it: its write fails before the first
		// byte, so that net/http sends it by another connection.
		c.retired.Store(true)
		out = append(out, c)
		return true
	})
	s.arm(wait)
	return out
}

// connOf finds our connection below net/http's.
func connOf(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	ours, _ := c.(*conn)
	return ours
}
