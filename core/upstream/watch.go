package upstream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/h1"
)

// watch is a request's one timer. It ends what takes too long and keeps the
// client's connection warm. The timer is set anew only when something is due
// earlier than before; what is put off is noticed when it fires.
type watch struct {
	begun  time.Time
	client *client
	timers *sync.Pool // of the dispatcher

	// Both in nanoseconds, the deadline since begun; 0: none.
	deadline, span atomic.Int64

	mu    sync.Mutex
	timer *timer    // nil: there is none yet
	armed int64     // when the timer fires; 0: it does not
	scope *h1.Scope // of what is under way; nil: nothing is
	why   error
	over  bool
}

func (w *watch) now() int64 { return int64(time.Since(w.begun)) }

// limit gives what is under way d to end or to be touched. Then it is
// cancelled, with why as the cause.
func (w *watch) limit(d time.Duration, why error, scope *h1.Scope) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scope, w.why = scope, why
	w.span.Store(int64(d))
	w.deadline.Store(0)
	if d > 0 {
		w.deadline.Store(w.now() + int64(d))
	}
	w.arm()
}

// Progress is part of h1.Progress.
func (w *watch) Progress() { w.touch() }

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
	if w.timer != nil && w.timer.Stop() {
		w.timer.watch = nil
		w.timers.Put(w.timer)
	}
	w.timer = nil
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
		w.timer = takeTimer(w.timers)
		w.timer.watch = w
	}
	w.timer.Reset(wait)
}

// timer is a timer that serves one watch after the other: to make one costs more
// than to set it.
type timer struct {
	*time.Timer
	watch *watch
}

// takeTimer is one that is not set.
func takeTimer(from *sync.Pool) *timer {
	if t, ok := from.Get().(*timer); ok {
		return t
	}
	t := new(timer)
	t.Timer = time.AfterFunc(time.Hour, func() { t.watch.tick() })
	t.Stop()
	return t
}

func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.armed = 0
	now := w.now()
	if at := w.deadline.Load(); at != 0 && now >= at && w.deadline.CompareAndSwap(at, 0) && w.scope != nil {
		w.scope.End(w.why)
	}
	if due := w.client.due.Load(); due != 0 && now >= due {
		if !w.client.beat(now) && w.scope != nil {
			w.scope.End(errClientGone)
		}
	}
	w.arm()
}
