package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
)

// spending is what the requests of a test took, and when they were let through.
type spending struct {
	mu  sync.Mutex
	all []spent
}

type spent struct {
	at time.Time
	n  int64
}

func (s *spending) add(at time.Time, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, spent{at, n})
}

// sums are that of all, and the most within a minute.
func (s *spending) sums() (all, most int64) {
	slices.SortFunc(s.all, func(a, b spent) int { return a.at.Compare(b.at) })
	var within int64
	first := 0
	for _, x := range s.all {
		for x.at.Sub(s.all[first].at) >= time.Minute {
			within -= s.all[first].n
			first++
		}
		within += x.n
		all += x.n
		most = max(most, within)
	}
	return all, most
}

// In no minute do all together take more than the limit, of tokens about so many
// more as some answers are longer than was reckoned; and nearly all of it is used.
func TestLimitsPerMinuteOverAllRouters(t *testing.T) {
	t.Parallel()
	const minutes = 5
	for _, tt := range []struct {
		name string
		// tokens: it is a limit of tokens, else of requests.
		tokens           bool
		limit            int
		routers, pressed int
		// size of a request, at least and at most.
		size, largest int64
		// queue: requests stand in line for 10 s, else they come again.
		queue bool
		// least is how much of the limit is used each minute. Two of the largest
		// requests fit in one, and each turn of another router costs a second or so.
		least float64
	}{
		{name: "7 requests, by one", limit: 7, routers: 3, pressed: 1, size: 1, largest: 1, least: 0.86},
		{name: "7 requests, by three", limit: 7, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.86},
		{name: "2 requests, by three", limit: 2, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.7},
		{name: "600 requests, by one", limit: 600, routers: 3, pressed: 1, size: 1, largest: 1, least: 0.95},
		{name: "600 requests, by three", limit: 600, routers: 3, pressed: 3, size: 1, largest: 1, least: 0.95},
		{name: "600 requests, by three in line", limit: 600, routers: 3, pressed: 3, size: 1, largest: 1, queue: true, least: 0.95},
		{name: "60,000 tokens, by one", tokens: true, limit: 60_000, routers: 3, pressed: 1, size: 20, largest: 500, least: 0.95},
		{name: "60,000 tokens, by three", tokens: true, limit: 60_000, routers: 3, pressed: 3, size: 20, largest: 500, least: 0.95},
		{name: "60,000 tokens, by three in line", tokens: true, limit: 60_000, routers: 3, pressed: 3, size: 20, largest: 500, queue: true, least: 0.95},
		{name: "too few tokens for five", tokens: true, limit: 10_000, routers: 5, pressed: 5, size: 4100, largest: 4100, least: 0.4},
		{name: "too few tokens for five in line", tokens: true, limit: 10_000, routers: 5, pressed: 5, size: 4100, largest: 4100, queue: true, least: 0.4},
		{name: "all tokens for one request", tokens: true, limit: 10_000, routers: 3, pressed: 3, size: 20_000, largest: 20_000, queue: true, least: 0.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.routers, func(c *config.Channel) {
					if tt.tokens {
						c.TokensPerMinute = tt.limit
					} else {
						c.RequestsPerMinute = tt.limit
					}
				})
				time.Sleep(20 * time.Second)
				var s spending
				served := make([]int, tt.pressed)
				done := make(chan struct{})
				var all sync.WaitGroup
				for i, m := range g.members[:tt.pressed] {
					for range 20 {
						all.Go(func() {
							for {
								select {
								case <-done:
									return
								case <-time.After(time.Duration(10+rand.IntN(40)) * time.Millisecond):
								}
								size := tt.size + rand.Int64N(tt.largest-tt.size+1)
								at, ok := g.pass(m, size, tt.queue)
								if !ok {
									continue
								}
								if tt.tokens && size < int64(tt.limit) {
									took := size*4/5 + rand.Int64N(size*2/5)
									m.View().Targets[0].Settle(at, size, took)
									size = took
								}
								s.add(at, min(size, int64(tt.limit)))
								s.mu.Lock()
								served[i]++
								s.mu.Unlock()
							}
						})
					}
				}
				time.Sleep(minutes * time.Minute)
				close(done)
				all.Wait()
				over := 1.0
				if tt.tokens {
					over = 1.05
				}
				sum, most := s.sums()
				if float64(most) > over*float64(tt.limit) {
					t.Errorf("%d within a minute, of %d", most, tt.limit)
				}
				if want := tt.least * minutes * float64(tt.limit); float64(sum) < want {
					t.Errorf("%d in %d minutes, want %.0f at least", sum, minutes, want)
				}
				for i, n := range served {
					if n == 0 {
						t.Errorf("router %d had no turn: %v", i, served)
					}
				}
				t.Logf("%d at most within a minute, %d in all, by %v", most, sum, served)
				g.end()
			})
		})
	}
}

// pass has a request of so many tokens let through, and answers when it was.
func (g *rig) pass(m *member, tokens int64, queue bool) (at time.Time, ok bool) {
	x := m.View().Targets[0]
	at = time.Now()
	if ok = x.BeginWith(at, tokens); !ok && queue {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := board.QueueWith(ctx, []*board.Target{x}, tokens, time.Now)
		at, ok = time.Now(), err == nil
	}
	if ok {
		x.Leave()
	}
	return at, ok
}

// A router that has had no part of a limit per minute before the store went away
// is not idle for the whole outage.
func TestLimitsPerMinuteOfWhoComesWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	const limit = 60
	for _, tt := range []struct {
		name   string
		silent string
		// before is how long the router has the store.
		before time.Duration
		fault  func(g *rig)
		want   int64
		// places of max_in_flight that it has: none that nobody gave it.
		places int64
	}{
		{name: "it is gone", fault: func(g *rig) { g.store.fail(errGone) }, want: limit},
		{name: "it fails", fault: func(g *rig) { g.store.fail(errors.New("broken")) }, want: limit},
		{name: "it hangs", fault: func(g *rig) { g.store.hang() }, want: limit},
		{name: "it fails, and shares are kept", silent: config.SilentKeep, want: limit, fault: func(g *rig) {
			g.store.fail(errors.New("broken"))
		}},
		// There it knows how many others there are.
		{name: "it goes before shares were taken", before: time.Second, want: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
		}},
		{name: "it is gone when a channel comes", before: 20 * time.Second, want: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
			time.Sleep(time.Second)
			for _, m := range g.members {
				c := *g.cfg
				c.Name = "b"
				m.Apply(&config.Config{Channels: []*config.Channel{&c}, Hash: "i"})
			}
		}},
		{name: "it is gone, and what is held is kept", before: 20 * time.Second, want: limit / 3, places: limit / 3, fault: func(g *rig) {
			g.store.fail(errGone)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 2, func(c *config.Channel) { c.RequestsPerMinute, c.MaxInFlight = limit, limit })
				if tt.silent != "" {
					g.terms.Silent = tt.silent
				}
				time.Sleep(20 * time.Second)
				if tt.before > 0 {
					g.join()
					time.Sleep(tt.before)
				}
				tt.fault(g)
				if tt.before == 0 {
					g.join()
				}
				time.Sleep(2 * g.terms.Lease)
				if got := g.share(2, board.LimitRequests); got != tt.want {
					t.Errorf("it has %d of %d requests a minute, want %d", got, limit, tt.want)
				}
				if got := g.share(2, board.LimitInFlight); got != tt.places {
					t.Errorf("it has %d places of max_in_flight, want %d", got, tt.places)
				}
				g.store.fail(nil)
				time.Sleep(2*time.Minute + 2*g.terms.Lease)
				sum := int64(0)
				for i := range g.members {
					sum += g.share(i, board.LimitRequests)
				}
				if sum > limit || sum < limit-1 {
					t.Errorf("all have %d of %d when it is back", sum, limit)
				}
				g.end()
			})
		})
	}
}
