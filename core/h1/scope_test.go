package h1

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errTest = errors.New("the reason")

// TestScopeEnds: its own end and that of any parent, with the reason, for
// whoever follows it.
func TestScopeEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		end  func(cancel context.CancelCauseFunc, above, s *Scope)
		err  error
		why  error
	}{
		{name: "own end", end: func(_ context.CancelCauseFunc, _, s *Scope) { s.End(nil) }, err: context.Canceled, why: context.Canceled},
		{name: "own end for a reason", end: func(_ context.CancelCauseFunc, _, s *Scope) { s.End(errTest) }, err: context.Canceled, why: errTest},
		{name: "only the first end counts", end: func(_ context.CancelCauseFunc, _, s *Scope) { s.End(errTest); s.End(nil) }, err: context.Canceled, why: errTest},
		{name: "the parent's end", end: func(_ context.CancelCauseFunc, above, _ *Scope) { above.End(errTest) }, err: context.Canceled, why: errTest},
		{name: "the end of a context", end: func(cancel context.CancelCauseFunc, _, _ *Scope) { cancel(errTest) }, err: context.Canceled, why: errTest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var above, s Scope
				above.Begin(base)
				s.Begin(&above)
				child, stop := context.WithTimeout(&s, time.Hour)
				defer stop()
				done := s.Done()
				if s.Err() != nil || Cause(&s) != nil || child.Err() != nil {
					t.Fatal("it has ended before its end")
				}
				tc.end(cancel, &above, &s)
				synctest.Wait()
				<-done
				<-child.Done()
				if !errors.Is(s.Err(), tc.err) || !errors.Is(Cause(&s), tc.why) || !errors.Is(child.Err(), tc.err) {
					t.Errorf("%v because of %v, its child %v", s.Err(), Cause(&s), child.Err())
				}
				above.End(nil)
			})
		})
	}
}

// TestScopeThatHadEnded: who comes late is told at once.
func TestScopeThatHadEnded(t *testing.T) {
	t.Parallel()
	var above, s Scope
	above.Begin(t.Context())
	above.End(errTest)
	s.Begin(&above)
	<-s.Done()
	if !errors.Is(Cause(&s), errTest) {
		t.Error(Cause(&s))
	}
	ran := make(chan struct{})
	if stop := context.AfterFunc(&s, func() { close(ran) }); stop() {
		t.Error("what was called can be stopped")
	}
	<-ran
}

// TestFollowersLeave: in any order, and are told nothing then.
func TestFollowersLeave(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		var above Scope
		above.Begin(t.Context())
		var all [3]Scope
		for i := range all {
			all[i].Begin(&above)
		}
		for n, i := range order {
			all[i].End(errTest)
			for _, j := range order[n+1:] {
				if all[j].Err() != nil {
					t.Errorf("%v: the end of one was another's", order)
				}
			}
		}
		if above.first != nil || above.Err() != nil {
			t.Errorf("%v: somebody still follows", order)
		}
		above.End(nil)
		if Cause(&all[0]) != errTest { //nolint:errorlint // not wrapped
			t.Error("it has ended twice")
		}
	}
}

// TestScopeCostsNoMemory beside what it is a part of.
func TestScopeCostsNoMemory(t *testing.T) {
	var above Scope
	above.Begin(t.Context())
	defer above.End(nil)
	if n := testing.AllocsPerRun(100, func() {
		s := new(struct{ Scope })
		s.Begin(&above)
		_ = s.Err()
		s.End(errTest)
	}); n > 1 {
		t.Errorf("%v pieces of memory", n)
	}
}
