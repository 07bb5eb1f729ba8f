package server

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A state that was replaced ends after its last request, once, and no request
// gets one that has ended.
func TestAStateEndsAfterItsLastRequest(t *testing.T) {
	t.Parallel()
	s := &Server{}
	s.state.Store(&State{})
	var ended sync.Map
	var ends atomic.Int64
	replaced, last := make(chan struct{}), new(sync.WaitGroup)
	for range 8 {
		last.Go(func() {
			for {
				st := s.use()
				if _, over := ended.Load(st.State); over {
					t.Error("a request got a state that has ended")
				}
				st.end()
				st.over() // counts once
				select {
				case <-replaced:
					return
				default:
				}
			}
		})
	}
	const swaps = 1000
	var done sync.WaitGroup
	for range swaps {
		was := s.state.Load()
		s.state.Store(&State{})
		done.Add(1)
		was.Retire(func() {
			defer done.Done()
			ended.Store(was, true)
			ends.Add(1)
		})
	}
	close(replaced)
	last.Wait()
	done.Wait()
	if n := ends.Load(); n != swaps {
		t.Errorf("%d of %d states have ended", n, swaps)
	}
}

func TestAStreamLetsItsStateGoAtItsCommit(t *testing.T) {
	t.Parallel()
	s := &Server{}
	first := &State{}
	s.state.Store(first)
	stream, lent := s.use(), s.use()
	lent.lent = true // to a call that equal requests share
	s.state.Store(&State{})
	ended := make(chan struct{})
	first.Retire(func() { close(ended) })
	lent.over()
	stream.end()
	select {
	case <-ended:
		t.Fatal("it has ended while a shared call needs it")
	default:
	}
	lent.end()
	<-ended
	stream.over()
}
