package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// watch is a request's one timer. It ends what takes too long and keeps the
// client's connection warm. The timer is set anew only when something is due
// earlier than before; what is put off is noticed when it fires.
type watch struct {
	begun  time.Time
	client *client

	// Both in nanoseconds, the deadline since begun; 0: none.
	deadline, span atomic.Int64

	mu     sync.Mutex
	timer  *time.Timer
	armed  int64 // when the timer fires; 0: it does not
	cancel context.CancelCauseFunc
	why    error
	over   bool
}

func (w *watch) now() int64 { return int64(time.Since(w.begun)) }

// limit gives what is under way d to end or to be touched. Then it is
// cancelled, with why as the cause.
func (w *watch) limit(d time.Duration, why error, cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel, w.why = cancel, why
	w.span.Store(int64(d))
	w.deadline.Store(0)
	if d > 0 {
		w.deadline.Store(w.now() + int64(d))
	}
	w.arm()
}

// touch gives what is under way its whole time again.
func (w *watch) touch() {
	if d := w.span.Load(); d > 0 {
		w.deadline.Store(w.now() + d)
	}
}

// rest ends the present limit.
func (w *watch) rest() { w.limit(0, nil, nil) }

// wake looks at what is due, after the client's side has set something.
func (w *watch) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm()
}

// stop returns once nothing more will happen.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// arm sets the timer. The lock is held.
func (w *watch) arm() {
	next := w.deadline.Load()
	if due := w.client.due.Load(); due != 0 && (next == 0 || due < next) {
		next = due
	}
	if next == 0 || w.over || w.armed != 0 && w.armed <= next {
		return
	}
	w.armed = next
	wait := time.Duration(next - w.now())
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.tick)
		return
	}
	w.timer.Reset(wait)
}

func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.armed = 0
	now := w.now()
	if at := w.deadline.Load(); at != 0 && now >= at && w.deadline.CompareAndSwap(at, 0) && w.cancel != nil {
		w.cancel(w.why)
	}
	if due := w.client.due.Load(); due != 0 && now >= due {
		if !w.client.beat(now) && w.cancel != nil {
			w.cancel(errClientGone)
		}
	}
	w.arm()
}
