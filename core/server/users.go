package server

import (
	"math"
	"sync"
	"sync/atomic"
)

// users counts the requests that a state is needed by, so that what it runs on
// ends after the last of them, and not under it.
type users struct {
	n    atomic.Int64 // below zero once the state was retired
	once sync.Once
	done func() // set before n goes below zero
}

// retired is added to the count of a state that was replaced.
const retired = math.MinInt64 / 2

// enter counts one in; false: the state was replaced meanwhile.
func (u *users) enter() bool {
	if u.n.Add(1) > 0 {
		return true
	}
	u.leave()
	return false
}

func (u *users) leave() {
	if u.n.Add(-1) == retired {
		u.over()
	}
}

func (u *users) over() { u.once.Do(func() { go u.done() }) }

// Retire is called once, after another state was swapped in. done runs when the
// last request has let this one go.
func (st *State) Retire(done func()) {
	u := &st.users
	u.done = done
	if u.n.Add(retired) == retired {
		u.over()
	}
}

// use is the present state, for a request that is to let it go.
func (s *Server) use() *stay {
	st := new(stay)
	s.enter(st)
	return st
}

func (s *Server) enter(u *stay) {
	for {
		if st := s.state.Load(); st.users.enter() {
			u.State = st
			return
		}
	}
}

// stay is a request's use of a state. It ends with the request's commit, after
// which no plugin is asked: a stream may go on for longer than a process should.
// Without a commit it ends with the request.
type stay struct {
	*State
	ended atomic.Bool
	// lent to an upstream call that may outlive the request; set before that
	// begins.
	lent bool
}

// end lets the state go. It may be called again; nil has nothing to let go.
func (s *stay) end() {
	if s != nil && s.ended.CompareAndSwap(false, true) {
		s.users.leave()
	}
}

// Committed is part of upstream.Committer.
func (s *stay) Committed() { s.end() }

// over is the end of the request.
func (s *stay) over() {
	if !s.lent {
		s.end()
	}
}
