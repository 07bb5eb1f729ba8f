package pipeline

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type testKey string

func (k testKey) hash(seed maphash.Seed) uint64 { return maphash.String(seed, string(k)) }

// sameSet hashes to one set of the table.
type sameSet int

func (sameSet) hash(maphash.Seed) uint64 { return 0 }

func there[K key](t *table[K, int], k K) *lease[K, int] { return t.find(&k) }

// numbered answers 1, 2, 3 and counts.
type numbered struct {
	calls atomic.Int64
	lease sdk.Lease
	err   error
	takes time.Duration
	// timeout of a call; 20 ms where 0.
	timeout time.Duration
}

func (n *numbered) question() question[int] {
	return question[int]{
		now: time.Now, timeout: cmp.Or(n.timeout, 20*time.Millisecond), lease: sdk.Lease{Fresh: 5 * time.Second, Stale: time.Minute},
		ask: func(ctx context.Context) (int, sdk.Lease, error) {
			v := int(n.calls.Add(1))
			select {
			case <-time.After(n.takes):
				return v, n.lease, n.err
			case <-ctx.Done():
				return 0, sdk.Lease{}, ctx.Err()
			}
		},
	}
}

// look is a whole look-up, as the steps make it.
func look(t *table[testKey, int], k testKey, n *numbered) (int, found, error) {
	l, f, renew := t.get(&k, time.Now())
	switch f {
	case fresh, stale:
		if renew {
			t.renew(k, n.question())
		}
		return l.value, f, nil
	case failed:
		return l.value, f, l.err
	}
	v, err := t.ask(context.Background(), k, n.question())
	return v, missed, err
}

func TestALeaseGoesFromFreshToStaleToAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, n := newTable[testKey, int](64), &numbered{takes: time.Millisecond}
		expect := func(value int, where found, calls int64) {
			t.Helper()
			v, f, err := look(table, "k", n)
			if v != value || f != where || err != nil || n.calls.Load() != calls {
				t.Errorf("got %d from %d, %v, after %d calls; want %d from %d after %d", v, f, err, n.calls.Load(), value, where, calls)
			}
		}
		expect(1, missed, 1)
		expect(1, fresh, 1)
		time.Sleep(4999 * time.Millisecond)
		expect(1, fresh, 1)
		time.Sleep(time.Millisecond)
		expect(1, stale, 1) // renewed behind
		expect(1, stale, 1) // and once only
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		expect(2, fresh, 2)
		time.Sleep(65 * time.Second)
		expect(3, missed, 3)
	})
}

func TestThousandWaitersMakeOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, n := newTable[testKey, int](64), &numbered{takes: 10 * time.Millisecond}
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if i%2 == 0 { // half of them leave, the one that asked first perhaps
					time.AfterFunc(time.Millisecond, cancel)
				}
				v, err := table.ask(ctx, "k", n.question())
				if i%2 == 0 && !errors.Is(err, context.Canceled) || i%2 == 1 && (v != 1 || err != nil) {
					t.Errorf("waiter %d got %d, %v", i, v, err)
				}
			}()
		}
		wg.Wait()
		if c := n.calls.Load(); c != 1 {
			t.Errorf("%d calls", c)
		}
	})
}

func TestALaterWaiterFindsTheAnswer(t *testing.T) {
	t.Parallel()
	table, n := newTable[testKey, int](64), &numbered{timeout: time.Minute}
	for range 1000 { // each as if it had missed before another's answer came
		if v, err := table.ask(context.Background(), "k", n.question()); v != 1 || err != nil {
			t.Fatal(v, err)
		}
	}
	n.err = errors.New("down")
	n.lease = sdk.NoLease
	for range 1000 {
		if _, err := table.ask(context.Background(), "other", n.question()); err == nil {
			t.Fatal("no error")
		}
	}
	if c := n.calls.Load(); c != 2 {
		t.Errorf("%d calls, want one for the answer and one for the failure", c)
	}
}

func TestAFailureIsRememberedAndTheLastAnswerKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, n := newTable[testKey, int](64), &numbered{err: errors.New("down")}
		for range 3 {
			if _, _, err := look(table, "k", n); err == nil || err.Error() != "down" {
				t.Errorf("got %v", err)
			}
		}
		if c := n.calls.Load(); c != 1 {
			t.Errorf("%d calls within a second of the failure", c)
		}
		time.Sleep(time.Second)
		n.err = nil
		if v, f, err := look(table, "k", n); v != 2 || f != missed || err != nil {
			t.Errorf("after a second: %d from %d, %v", v, f, err)
		}

		time.Sleep(10 * time.Second)
		n.err = errors.New("down again")
		look(table, "k", n)
		synctest.Wait()
		for range 3 {
			if v, f, _ := look(table, "k", n); v != 2 || f != stale {
				t.Errorf("a failed renewal answers %d from %d, want the stale 2", v, f)
			}
		}
		if c := n.calls.Load(); c != 3 {
			t.Errorf("%d calls, want no renewal within a second of the failed one", c)
		}
		time.Sleep(time.Second)
		look(table, "k", n)
		synctest.Wait()
		if c := n.calls.Load(); c != 4 {
			t.Errorf("%d calls, want one more renewal", c)
		}
		time.Sleep(time.Minute)
		look(table, "k", n)
		synctest.Wait()
		if v, f, err := look(table, "k", n); v != 2 || f != failed || err == nil {
			t.Errorf("beyond its end: %d from %d, %v; want the last answer beside the error", v, f, err)
		}
	})
}

func TestATimeoutIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, n := newTable[testKey, int](64), &numbered{takes: time.Hour}
		begin := time.Now()
		_, _, err := look(table, "k", n)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 20*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
	})
}

func TestNoLeaseAsksEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, n := newTable[testKey, int](64), &numbered{lease: sdk.NoLease}
		for want := range 3 {
			if v, f, _ := look(table, "k", n); v != want+1 || f != missed {
				t.Errorf("got %d from %d", v, f)
			}
		}
		// One that gave a lease before: the old answer ends with the word.
		n.lease = sdk.Lease{}
		look(table, "k", n)
		time.Sleep(6 * time.Second)
		n.lease = sdk.NoLease
		look(table, "k", n)
		synctest.Wait()
		if v, f, _ := look(table, "k", n); f != missed || v != 6 {
			t.Errorf("after the plugin forbade it: %d from %d", v, f)
		}
	})
}

func TestTheTableIsBounded(t *testing.T) {
	t.Parallel()
	table := newTable[sameSet, int](64)
	base := time.Now()
	put := func(k int, end time.Duration) {
		table.put(&lease[sameSet, int]{key: sameSet(k), value: k, has: true, fresh: base.Add(end), until: base.Add(end)}, base)
	}
	// A full set, one of them a failure that brought nothing.
	for k := range ways - 1 {
		put(k, time.Duration(10+k)*time.Minute)
	}
	table.put(&lease[sameSet, int]{key: 100, err: errors.New("down"), failedUntil: base.Add(time.Second)}, base)
	for k := range ways - 1 {
		if there(table, sameSet(k)) == nil {
			t.Fatalf("%d went out of a set with room for it", k)
		}
	}
	put(200, time.Hour) // in place of the failure
	put(201, time.Hour) // in place of the one that ends first
	for k, want := range map[int]bool{100: false, 0: false, 1: true, 2: true, 6: true, 200: true, 201: true} {
		if got := there(table, sameSet(k)) != nil; got != want {
			t.Errorf("%d is there: %t, want %t", k, got, want)
		}
	}
	put(3, 2*time.Hour) // in its own place
	n := 0
	for l := range table.all {
		if l.key == 3 {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d leases of one key", n)
	}
}

func TestForgetAndClear(t *testing.T) {
	t.Parallel()
	table, n := newTable[testKey, int](64), &numbered{timeout: time.Minute}
	for _, k := range []testKey{"a1", "a2", "b"} {
		look(table, k, n)
	}
	table.forget(func(k testKey) bool { return k[0] == 'a' })
	if there(table, testKey("a1")) != nil || there(table, testKey("a2")) != nil || there(table, testKey("b")) == nil {
		t.Error("forgot the wrong ones")
	}
	old := there(table, testKey("b"))
	table.put(&lease[testKey, int]{key: "b", value: 9, has: true}, time.Time{})
	table.drop(old)
	if l := there(table, testKey("b")); l == nil || l.value != 9 {
		t.Error("an answer was dropped for the one before it")
	}
	table.drop(there(table, testKey("b")))
	look(table, "c", n)
	table.clear()
	if there(table, testKey("b")) != nil || there(table, testKey("c")) != nil {
		t.Error("not clear")
	}
}

func TestTheTableUnderLoad(t *testing.T) {
	t.Parallel()
	table := newTable[testKey, int](16)
	n := &numbered{lease: sdk.Lease{Fresh: time.Microsecond, Stale: time.Millisecond}, timeout: time.Minute}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 300 {
				k := testKey([]byte{'a' + byte((i+j)%26)})
				if _, _, err := look(table, k, n); err != nil {
					t.Error(err)
				}
				if j%50 == 0 {
					table.clear()
				}
			}
		}()
	}
	wg.Wait()
	// Renewals may be under way still; each leaves nothing behind.
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		table.mu.Lock()
		left := len(table.asking)
		table.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d calls are still noted", left)
		}
	}
}
