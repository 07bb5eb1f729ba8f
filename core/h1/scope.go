package h1

import (
	"context"
	"sync"
	"time"
)

// Scope is the context of a request, on either side: it ends with an event, and
// not at a time. It may be a part of what it is the context of, and costs no
// memory of its own unless somebody waits for its Done; those of the context
// package need several pieces for each request.
//
// The zero Scope has not begun. It must not be copied, nor be used for a second
// request.
type Scope struct {
	parent context.Context
	above  follower    // of a parent that is a Scope, too
	stop   func() bool // following any other; nil: there is nothing to follow

	mu         sync.Mutex
	done       chan struct{} // nil: nobody has asked for it
	err, cause error
	first      *follower
}

// follower is told of the end of a Scope.
type follower struct {
	scope *Scope // nil: it has followed none

	// These are under the lock of the scope.
	who        interface{ ended() }
	waits      bool
	prev, next *follower
}

// Begin makes the Scope one that ends when its parent does, or with End.
func (s *Scope) Begin(parent context.Context) {
	s.parent = parent
	if p, ok := parent.(*Scope); ok {
		p.follow(&s.above, s)
	} else if parent.Done() != nil {
		s.stop = context.AfterFunc(parent, s.ended)
	}
}

// End ends the Scope, for a reason that [Cause] tells; nil: context.Canceled.
// Only the first end counts.
func (s *Scope) End(cause error) {
	s.end(context.Canceled, cause)
	if s.stop != nil {
		s.stop()
	}
	s.above.leave()
}

// ended is called when the parent ends.
func (s *Scope) ended() { s.end(s.parent.Err(), Cause(s.parent)) }

func (s *Scope) end(err, cause error) {
	if cause == nil {
		cause = err
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err, s.cause = err, cause
	if s.done != nil {
		close(s.done)
	}
	all := s.first
	s.first = nil
	for f := all; f != nil; f = f.next {
		f.waits = false // from now on it can't leave any more
	}
	s.mu.Unlock()
	for f := all; f != nil; {
		next := f.next
		f.who.ended()
		f = next
	}
}

// Cause is why a context has ended: what [Scope.End] was told, or what
// context.Cause says.
func Cause(ctx context.Context) error {
	s, ok := ctx.(*Scope)
	if !ok {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// follow has f told of the end. Where that has come already, it is at once.
func (s *Scope) follow(f *follower, who interface{ ended() }) {
	s.mu.Lock()
	over := s.err != nil
	*f = follower{scope: s, who: who, waits: !over}
	if !over {
		f.next = s.first
		if s.first != nil {
			s.first.prev = f
		}
		s.first = f
	}
	s.mu.Unlock()
	if over {
		who.ended()
	}
}

// leave is false where the end was told before, or is being told.
func (f *follower) leave() bool {
	s := f.scope
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.waits {
		return false
	}
	f.waits = false
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		s.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	return true
}

// Done is part of context.Context.
func (s *Scope) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.err != nil {
			close(s.done)
		}
	}
	return s.done
}

// Err is part of context.Context.
func (s *Scope) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Deadline is part of context.Context.
func (s *Scope) Deadline() (time.Time, bool) { return s.parent.Deadline() }

// Value is part of context.Context.
func (s *Scope) Value(key any) any { return s.parent.Value(key) }

// AfterFunc is what the context package follows a context of another kind by.
func (s *Scope) AfterFunc(f func()) (stop func() bool) {
	a := &after{f: f}
	s.follow(&a.follower, a)
	return a.leave
}

// after is a function that is called after the end.
type after struct {
	follower
	f func()
}

// ended does not wait: the context package calls AfterFunc with a lock held that
// the function wants too.
func (a *after) ended() { go a.f() }
