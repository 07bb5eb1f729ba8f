package board

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

func newBudget(share float64, atLeast int) *Budget {
	b := &Budget{}
	b.set(config.RetryBudget{Share: share, AtLeast: atLeast, Window: 10 * time.Second})
	return b
}

// takeAll takes until there is nothing left.
func takeAll(b *Budget, now time.Time) int {
	for n := 0; ; n++ {
		if !b.Take(now) {
			return n
		}
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	now := newClock().now()
	for _, tt := range []struct {
		name     string
		share    float64
		atLeast  int
		requests int
		want     int
	}{
		{name: "no request", share: 0.2, atLeast: 3, want: 3},
		{name: "few", share: 0.2, atLeast: 3, requests: 14, want: 3},
		{name: "a share of many", share: 0.2, atLeast: 3, requests: 100, want: 20},
		{name: "never more than the share", share: 0.2, atLeast: 3, requests: 24, want: 4},
		{name: "none", requests: 100},
		{name: "all", share: 1, requests: 7, want: 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBudget(tt.share, tt.atLeast)
			for range tt.requests {
				b.Begin(now)
			}
			if got := takeAll(b, now); got != tt.want {
				t.Errorf("%d tries for %d requests, want %d", got, tt.requests, tt.want)
			}
			if b.Refused() != 1 {
				t.Errorf("%d refused, want 1", b.Refused())
			}
			// A window later the requests are forgotten, and so are the tries.
			later := now.Add(10 * time.Second)
			if got := takeAll(b, later); got != tt.atLeast {
				t.Errorf("%d tries a window later, want %d", got, tt.atLeast)
			}
		})
	}
}

func TestBudgetMovesOn(t *testing.T) {
	t.Parallel()
	b, now := newBudget(0.2, 1), newClock().now()
	taken := 0
	for i := range 6000 { // 100 requests a second for a minute
		now = now.Add(10 * time.Millisecond)
		b.Begin(now)
		if b.Take(now) {
			taken++
		}
		if most := 1 + (i+1)/5; taken > most {
			t.Fatalf("%d tries for %d requests, want %d at most", taken, i+1, most)
		}
	}
	if taken < 1150 {
		t.Errorf("%d tries for 6000 requests, want a fifth", taken)
	}
	if b.Begin(now.Add(-time.Hour)); b.Take(now.Add(-time.Hour)) {
		t.Error("a clock that went back gives more tries")
	}
	if got := takeAll(b, now.Add(1000*time.Hour)); got != 1 {
		t.Errorf("%d tries after a long pause, want 1", got)
	}
}

func TestBudgetIsNeverOverdrawn(t *testing.T) {
	t.Parallel()
	b, now := newBudget(0.2, 3), newClock().now()
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				b.Begin(now)
				if b.Take(now) {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := taken.Load(); n > 1600 || n < 1500 {
		t.Errorf("%d tries for 8000 requests, want a fifth", n)
	}
}

// Where a good target is left nobody is refused; what is doubtful costs.
func TestMayRetry(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("good", "m1"), channel("bad", "m1")))
	good, bad := target(t, b, "good", "m1"), target(t, b, "bad", "m1")
	ban(b, bad, Upstream, 5)
	for range 1000 {
		b.Budget().Begin(b.now())
		if !b.MayRetry(good, false, b.now()) {
			t.Fatal("no failover to a good target")
		}
	}
	// What failed over has had its part: nothing but the least is left.
	for i := range 3 {
		if x := []*Target{good, bad}[i%2]; !b.MayRetry(x, x == good, b.now()) {
			t.Fatal("the least number of tries is not to be had")
		}
	}
	if b.MayRetry(bad, false, b.now()) || b.MayRetry(good, true, b.now()) {
		t.Error("the budget has no end")
	}
	if b.Budget().Refused() != 2 {
		t.Errorf("%d refused", b.Budget().Refused())
	}
}

// A reload with other numbers is in force at once.
func TestBudgetIsConfigured(t *testing.T) {
	t.Parallel()
	cfg := conf(channel("a", "m1"))
	b, _ := newBoard(t, cfg)
	next := *cfg
	next.RetryBudget = config.RetryBudget{Share: 0.5, AtLeast: 7, Window: time.Second}
	next.Bans = config.Defaults.Bans
	next.Bans.Failures = 1
	b.Apply(&next)
	if got := takeAll(b.Budget(), b.now()); got != 7 {
		t.Errorf("%d tries, want 7", got)
	}
	x := b.View().Targets[0]
	if ban(b, x, Upstream, 1); x.Ban() == nil {
		t.Error("the new number of failures is not in force")
	}
}
