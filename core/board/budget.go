package board

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Budget bounds the tries that requests may take at doubtful targets: a share
// of the requests of the last seconds.
type Budget struct {
	mu      sync.Mutex
	cfg     config.RetryBudget
	began   time.Time
	last    int64 // number of the present slot
	slots   [budgetSlots]budgetSlot
	refused atomic.Int64
}

// budgetSlots is how finely the window moves.
const budgetSlots = 10

type budgetSlot struct{ requests, taken int }

// set takes the numbers. Another window begins anew.
func (b *Budget) set(cfg config.RetryBudget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cfg.Window != cfg.Window {
		b.slots, b.began, b.last = [budgetSlots]budgetSlot{}, time.Time{}, 0
	}
	b.cfg = cfg
}

// Begin counts a request in.
func (b *Budget) Begin(now time.Time) {
	b.mu.Lock()
	b.slot(now).requests++
	b.mu.Unlock()
}

// Forgo takes a request out again: it failed over for nothing, which was its
// part. So a storm finds nothing saved up when its targets become doubtful.
func (b *Budget) Forgo(now time.Time) {
	b.mu.Lock()
	if s := b.slot(now); s.requests > 0 {
		s.requests--
	}
	b.mu.Unlock()
}

// Take asks for one try more; false: the budget is spent.
func (b *Budget) Take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	present := b.slot(now)
	requests, taken := 0, 1
	for i := range b.slots {
		requests += b.slots[i].requests
		taken += b.slots[i].taken
	}
	if taken > b.cfg.AtLeast && float64(taken) > b.cfg.Share*float64(requests) {
		b.refused.Add(1)
		return false
	}
	present.taken++
	return true
}

// Refused is how many tries were not to be had.
func (b *Budget) Refused() int64 { return b.refused.Load() }

// slot is that of now, after those whose time is over were emptied.
func (b *Budget) slot(now time.Time) *budgetSlot {
	if b.began.IsZero() {
		b.began = now
	}
	n := max(b.last, int64(now.Sub(b.began)/max(1, b.cfg.Window/budgetSlots)))
	for i := max(b.last+1, n-budgetSlots+1); i <= n; i++ {
		b.slots[i%budgetSlots] = budgetSlot{}
	}
	b.last = n
	return &b.slots[n%budgetSlots]
}

// Budget of the router.
func (b *Board) Budget() *Budget { return &b.budget }

// MayRetry reports whether a request that was tried already may be tried at t
// now. Another target that is let through without doubt is a failover, which
// is free: where a good target is left, no client is to see the bad one, and
// what fails is banned soon. A second try at the same target (again) and a
// doubtful one cost a part of the [Budget].
func (b *Board) MayRetry(t *Target, again bool, now time.Time) bool {
	if !again && t.Admit(now) == Admitted {
		b.budget.Forgo(now)
		return true
	}
	return b.budget.Take(now)
}
