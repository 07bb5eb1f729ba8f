package pipeline

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// key is what an answer is leased under.
type key interface {
	comparable
	// hash is equal for equal keys.
	hash(seed maphash.Seed) uint64
}

// table keeps leased answers: bounded by construction, read without a lock.
type table[K key, V any] struct {
	seed maphash.Seed
	sets []atomic.Pointer[places[K, V]]

	mu     sync.Mutex
	asking map[K]*flight[V]

	fresh, stale, missed, failed, evicted atomic.Int64
}

const (
	ways = 8
	// tableEntries bounds a table.
	tableEntries = 64 << 10
	// failureMemory is how long a failed call is remembered, so that a broken
	// plugin is not asked by every request.
	failureMemory = time.Second
)

// places are one set's, made when its first answer is put: most sets of a router
// never have one.
type places[K key, V any] [ways]atomic.Pointer[lease[K, V]]

// lease is one answer. All but the flags is fixed when it is put.
type lease[K key, V any] struct {
	key K
	// value is valid where has is set; a failed call may have none.
	value V
	has   bool
	// asked is when the value came; fresh and until end the two spans of the
	// lease.
	asked, fresh, until time.Time
	// err is why the last call failed, remembered until failedUntil.
	err         error
	failedUntil time.Time
	renewing    atomic.Bool
}

// flight is one call to a plugin that several requests wait for.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// found is where an answer came from.
type found uint8

const (
	missed found = iota
	fresh
	stale // still good; renew says who renews it
	failed
)

func newTable[K key, V any](entries int) *table[K, V] {
	n := 1
	for n*ways < entries {
		n *= 2
	}
	return &table[K, V]{
		seed: maphash.MakeSeed(), asking: make(map[K]*flight[V]),
		sets: make([]atomic.Pointer[places[K, V]], n),
	}
}

func (t *table[K, V]) set(k *K) *atomic.Pointer[places[K, V]] {
	return &t.sets[(*k).hash(t.seed)&uint64(len(t.sets)-1)]
}

func (t *table[K, V]) find(k *K) *lease[K, V] {
	set := t.set(k).Load()
	if set == nil {
		return nil
	}
	for i := range set {
		if l := set[i].Load(); l != nil && l.key == *k {
			return l
		}
	}
	return nil
}

// get looks an answer up. A failed lease may carry the last good value. renew
// is true for the one caller that is to renew it.
func (t *table[K, V]) get(k *K, now time.Time) (l *lease[K, V], f found, renew bool) {
	l = t.find(k)
	switch {
	case l == nil:
	case now.Before(l.fresh):
		t.fresh.Add(1)
		return l, fresh, false
	case l.has && now.Before(l.until):
		t.stale.Add(1)
		renew = !now.Before(l.failedUntil) && l.renewing.CompareAndSwap(false, true)
		return l, stale, renew
	case now.Before(l.failedUntil):
		t.failed.Add(1)
		return l, failed, false
	}
	t.missed.Add(1)
	return l, missed, false
}

// put keeps an answer, in place of an older one of the same key, in an empty
// place, or in place of the lease of its set that ends first.
func (t *table[K, V]) put(l *lease[K, V], now time.Time) {
	of := t.set(&l.key)
	set := of.Load()
	if set == nil {
		of.CompareAndSwap(nil, new(places[K, V]))
		set = of.Load()
	}
	at, first := 0, set[0].Load()
	for i := range set {
		o := set[i].Load()
		if o != nil && o.key == l.key {
			at = i
			break
		}
		if first != nil && (o == nil || o.until.Before(first.until)) {
			at, first = i, o
		}
	}
	if out := set[at].Swap(l); out != nil && out.key != l.key && out.has && now.Before(out.until) {
		t.evicted.Add(1)
	}
}

// memory counts what is leased, fresh or stale. What a failed call left counts
// as a miss.
func (t *table[K, V]) memory(kind string, now time.Time) board.Memory {
	m := board.Memory{
		Kind: kind, Hits: t.fresh.Load(), StaleHits: t.stale.Load(),
		Misses: t.missed.Load() + t.failed.Load(), Evicted: t.evicted.Load(),
	}
	for l := range t.all {
		if l.has && now.Before(l.until) {
			m.Entry(l.asked)
		}
	}
	return m
}

// all goes through the leases and the places where they are.
func (t *table[K, V]) all(yield func(*lease[K, V], *atomic.Pointer[lease[K, V]]) bool) {
	for i := range t.sets {
		set := t.sets[i].Load()
		if set == nil {
			continue
		}
		for j := range set {
			if l := set[j].Load(); l != nil && !yield(l, &set[j]) {
				return
			}
		}
	}
}

// drop forgets one answer.
func (t *table[K, V]) drop(l *lease[K, V]) {
	if set := t.set(&l.key).Load(); set != nil {
		for i := range set {
			set[i].CompareAndSwap(l, nil)
		}
	}
}

// clear forgets every answer.
func (t *table[K, V]) clear() {
	for _, place := range t.all {
		place.Store(nil)
	}
}

// forget ends the leases that match.
func (t *table[K, V]) forget(match func(K) bool) {
	for l, place := range t.all {
		if match(l.key) {
			place.CompareAndSwap(l, nil)
		}
	}
}

// question is how a table asks for what it does not have.
type question[V any] struct {
	now     func() time.Time
	timeout time.Duration
	// lease is used where the answer names none.
	lease sdk.Lease
	ask   func(ctx context.Context) (V, sdk.Lease, error)
}

// ask calls the plugin, once for all who want the same at the same time. The
// call runs under a context of its own: a caller that leaves harms nobody.
func (t *table[K, V]) ask(ctx context.Context, k K, q question[V]) (V, error) {
	t.mu.Lock()
	f, ok := t.asking[k]
	if !ok {
		// The answer may have come between the look-up and the lock.
		if l := t.find(&k); l != nil {
			switch now := q.now(); {
			case now.Before(l.fresh), l.has && now.Before(l.until):
				t.mu.Unlock()
				return l.value, nil
			case now.Before(l.failedUntil):
				t.mu.Unlock()
				var none V
				return none, l.err
			}
		}
		f = t.fly(k, q)
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// renew asks behind the requests.
func (t *table[K, V]) renew(k K, q question[V]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.asking[k]; !ok {
		t.fly(k, q)
	}
}

// fly starts the call. The lock is held.
func (t *table[K, V]) fly(k K, q question[V]) *flight[V] {
	f := &flight[V]{done: make(chan struct{})}
	t.asking[k] = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), q.timeout)
		defer cancel()
		var span sdk.Lease
		f.value, span, f.err = q.ask(ctx)
		t.land(k, f, q.withDefaults(span), q.now())
		t.mu.Lock()
		delete(t.asking, k)
		t.mu.Unlock()
		close(f.done)
	}()
	return f
}

func (q *question[V]) withDefaults(l sdk.Lease) sdk.Lease {
	if l.IsZero() {
		return q.lease
	}
	return l
}

// land keeps what the call brought. A failure keeps the last good answer.
func (t *table[K, V]) land(k K, f *flight[V], span sdk.Lease, now time.Time) {
	l, old := &lease[K, V]{key: k}, t.find(&k)
	if f.err == nil {
		if span.Fresh < 0 { // none, from now on
			if old != nil {
				t.drop(old)
			}
			return
		}
		l.value, l.has, l.asked = f.value, true, now
		l.fresh = now.Add(span.Fresh)
		l.until = l.fresh.Add(span.Stale)
	} else {
		l.err, l.failedUntil = f.err, now.Add(failureMemory)
		if old != nil && old.has {
			l.value, l.has, l.asked, l.fresh, l.until = old.value, true, old.asked, old.fresh, old.until
		}
	}
	t.put(l, now)
}
