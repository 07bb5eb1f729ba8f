package decision

import (
	"context"
	"sync"
)

// queue holds decisions for one worker, which closes done when it has ended.
type queue struct {
	mu      sync.Mutex
	waiting []*Decision
	closed  bool

	wake chan struct{} // there is something to do, or the end
	done chan struct{}
}

func newQueue() queue {
	return queue{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// put answers how many wait now, and whether there was room for one more.
func (q *queue) put(d *Decision, most int) (n int, room bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if room = !q.closed && len(q.waiting) < most; room {
		q.waiting = append(q.waiting, d)
	}
	return len(q.waiting), room
}

func (q *queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close has the worker do what waits, for as long as ctx lets it.
func (q *queue) Close(ctx context.Context) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stir()
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}
