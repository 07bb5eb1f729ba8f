package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// index knows the stored keys and when they expire, so that an unknown one
// costs no call. It has a bound: of a few keys the one that expires first makes
// room, and its answer is not found any more.
type index struct {
	mu    sync.RWMutex
	most  int
	until map[answerKey]int64 // Unix milliseconds

	evicted atomic.Int64
}

// indexSample is how many keys are looked at for the one that goes.
const indexSample = 8

func (x *index) init(most int) { x.most, x.until = most, make(map[answerKey]int64) }

func (x *index) knows(k answerKey, now time.Time) bool {
	x.mu.RLock()
	until, ok := x.until[k]
	x.mu.RUnlock()
	return ok && now.UnixMilli() < until
}

func (x *index) note(k answerKey, expires time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.until[k]; !ok && len(x.until) >= x.most {
		var first answerKey
		seen := 0
		for k, until := range x.until { // begins anywhere
			if seen == 0 || until < x.until[first] {
				first = k
			}
			if seen++; seen == indexSample {
				break
			}
		}
		delete(x.until, first)
		x.evicted.Add(1)
	}
	x.until[k] = expires.UnixMilli()
}

func (x *index) drop(k answerKey) {
	x.mu.Lock()
	delete(x.until, k)
	x.mu.Unlock()
}

func (x *index) sweep(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for k, until := range x.until {
		if now.UnixMilli() >= until {
			delete(x.until, k)
		}
	}
}

func (x *index) len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.until)
}

// front is what is hot of the answers, in the router's own memory. nil keeps
// nothing.
type front struct {
	hot     *otter.Cache[answerKey, *kept]
	evicted atomic.Int64
}

// keptCost is what an answer costs beside its bytes.
const keptCost = 512

func newFront(size int64) *front {
	if size <= 0 {
		return nil
	}
	f := &front{}
	f.hot = otter.Must(&otter.Options[answerKey, *kept]{
		MaximumWeight: uint64(size),
		Weigher:       func(_ answerKey, k *kept) uint32 { return uint32(len(k.value) + keptCost) },
		OnAtomicDeletion: func(e otter.DeletionEvent[answerKey, *kept]) {
			if e.Cause == otter.CauseOverflow {
				f.evicted.Add(1)
			}
		},
	})
	return f
}

func (f *front) get(key answerKey) *kept {
	if f == nil {
		return nil
	}
	k, _ := f.hot.GetIfPresent(key)
	return k
}

func (f *front) put(k *kept) {
	if f != nil {
		f.hot.Set(k.key, k)
	}
}

func (f *front) drop(key answerKey) {
	if f != nil {
		f.hot.Invalidate(key)
	}
}

// sweep drops what has expired: it would leave only for what is hotter.
func (f *front) sweep(now time.Time) {
	if f == nil {
		return
	}
	for key, k := range f.hot.All() {
		if !now.Before(k.expires) {
			f.hot.Invalidate(key)
		}
	}
}
