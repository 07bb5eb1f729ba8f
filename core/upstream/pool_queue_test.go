package upstream

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// As many as there are slots and places in the queue are never too many, also
// while some have just been given their slot and did not run yet.
func TestQueueHoldsOnlyThoseWhoWait(t *testing.T) {
	t.Parallel()
	const slots, queue, rounds = 10, 3, 2000
	p := &pool{settings: settings{queue: queue}, slots: make(chan struct{}, slots)}
	var all sync.WaitGroup
	for range slots + queue {
		all.Go(func() {
			for range rounds {
				place, err := p.take(t.Context(), time.Minute)
				if err != nil {
					t.Errorf("refused with a place free: %v", err)
					return
				}
				runtime.Gosched()
				place.give()
			}
		})
	}
	all.Wait()
	if n := p.inside.Load(); n != 0 {
		t.Errorf("%d are counted when all have gone", n)
	}
}
