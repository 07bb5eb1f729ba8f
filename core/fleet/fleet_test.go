package fleet

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
)

// Whatever befalls the store, all together never work on more than they may,
// and when it is there nearly all of it is used.
func TestNeverMoreThanMaxInFlightOverAllRouters(t *testing.T) {
	t.Parallel()
	const limit = 7
	tests := []struct {
		name  string
		fault func(g *rig)
		// idle: nothing goes on meanwhile.
		idle bool
	}{
		{name: "nothing", fault: func(*rig) { time.Sleep(time.Minute) }},
		{name: "the store is gone for a minute", fault: func(g *rig) { g.store.fail(errGone); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "the store comes back empty", fault: func(g *rig) { g.store.fail(errGone); g.store.wipe(); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "the store is emptied at once", fault: func(g *rig) { g.store.wipe(); g.join(); time.Sleep(time.Minute) }},
		{name: "the store blinks", fault: func(g *rig) {
			for range 100 {
				g.store.fail(errors.New("broken"))
				time.Sleep(time.Duration(rand.IntN(800)) * time.Millisecond)
				g.store.fail(nil)
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			}
		}},
		{name: "the store hangs", idle: true, fault: func(g *rig) { g.store.hang(); time.Sleep(time.Minute); g.store.fail(nil) }},
		{name: "a router is cut off", fault: func(g *rig) {
			l := g.members[0].store.(*link)
			l.cut.Store(true)
			time.Sleep(time.Minute)
			l.cut.Store(false)
		}},
		{name: "routers come", fault: func(g *rig) { g.join(); g.join(); time.Sleep(time.Minute) }},
		{name: "a new router finds an empty store", fault: func(g *rig) {
			g.store.fail(errGone)
			time.Sleep(10 * time.Second)
			g.store.wipe()
			g.join()
			g.store.fail(nil)
			time.Sleep(time.Minute)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 3, func(c *config.Channel) { c.MaxInFlight = limit })
				done := make(chan struct{})
				var all sync.WaitGroup
				for _, m := range g.members {
					g.press(m, 6, done, &all)
				}
				time.Sleep(20 * time.Second)
				before := g.requests.Load()
				tt.fault(g)
				for _, m := range g.members[3:] {
					g.press(m, 6, done, &all)
				}
				if !tt.idle && g.requests.Load() == before {
					t.Error("nothing went on meanwhile")
				}
				time.Sleep(30 * time.Second)
				before = g.requests.Load()
				time.Sleep(30 * time.Second)
				// Each place serves a request in about 105 ms.
				if rate := float64(g.requests.Load()-before) / 30; rate < 0.6*limit/0.105 {
					t.Errorf("%.1f requests a second in the end: places lie idle", rate)
				}
				close(done)
				all.Wait()
				if most := g.most.Load(); most > limit || most < limit-1 {
					t.Errorf("%d requests at the same time, of %d", most, limit)
				}
				g.end()
			})
		})
	}
}

// What one router does not need another has within a second.
func TestIdlePlacesGoToWhoNeedsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3, func(c *config.Channel) { c.MaxInFlight = 30 })
		time.Sleep(20 * time.Second)
		for i := range 3 {
			if got := g.share(i, board.LimitInFlight); got != 10 {
				t.Errorf("router %d has %d places of 30 that nobody needs", i, got)
			}
		}
		for _, i := range []int{0, 2, 1} {
			var all sync.WaitGroup
			for range 30 - 2 { // which the others keep
				all.Go(func() {
					if !g.ask(g.members[i], 5*time.Second, time.Second) {
						t.Errorf("router %d has no place within a second, though the others are idle", i)
					}
				})
			}
			all.Wait()
		}
		// One that ends gives back at once, one that is killed when its lease ends.
		g.members[0].kill()
		<-g.members[0].ended
		time.Sleep(3 * g.terms.Poll) // two may change hands one after the other
		if a, b := g.share(1, board.LimitInFlight), g.share(2, board.LimitInFlight); a+b != 30 {
			t.Errorf("the others have %d and %d", a, b)
		}
		g.members[1].store.(*link).cut.Store(true)
		time.Sleep(g.terms.Lease + 2*g.terms.Poll)
		if got := g.share(2, board.LimitInFlight); got != 30 {
			t.Errorf("the last one has %d of 30", got)
		}
		if got := g.share(1, board.LimitInFlight); got != 0 {
			t.Errorf("one that is cut off still has %d", got)
		}
		g.end()
	})
}

// Who idles when the store goes away can begin a request all the same, and all
// together still no more than they may.
func TestIdleRoutersKeepAPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                    string
		routers, limit, pressed int
		// kept are the places of those that idle.
		kept int64
	}{
		{name: "one is busy", routers: 3, limit: 12, pressed: 1, kept: 1},
		{name: "two are busy", routers: 3, limit: 12, pressed: 2, kept: 1},
		{name: "one of many is busy", routers: 6, limit: 100, pressed: 1, kept: 1},
		{name: "too few places to leave any idle", routers: 3, limit: 11, pressed: 1},
		{name: "fewer places than routers", routers: 3, limit: 2, pressed: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.routers, func(c *config.Channel) { c.MaxInFlight = tt.limit })
				done := make(chan struct{})
				var all sync.WaitGroup
				for _, m := range g.members[:tt.pressed] {
					g.press(m, 2*tt.limit, done, &all)
				}
				time.Sleep(20 * time.Second)
				g.store.fail(errGone)
				time.Sleep(2 * g.terms.Lease)
				for i, m := range g.members[tt.pressed:] {
					if got := m.View().Channels[0].Share(board.LimitInFlight); got != tt.kept {
						t.Errorf("idle router %d has %d places, want %d", i, got, tt.kept)
					}
					if served := g.ask(m, time.Second, 10*time.Second); served != (tt.kept > 0) {
						t.Errorf("idle router %d served a request: %t", i, served)
					}
					g.press(m, 2*tt.limit, done, &all)
				}
				time.Sleep(10 * time.Second)
				g.store.fail(nil)
				time.Sleep(3 * g.terms.Lease)
				for i, m := range g.members {
					if share := m.View().Channels[0].Share(board.LimitInFlight); tt.limit >= tt.routers && share == 0 {
						t.Errorf("router %d has no place once the store is back", i)
					}
				}
				close(done)
				all.Wait()
				if most := g.most.Load(); most > int64(tt.limit) || most < int64(tt.limit)-1 {
					t.Errorf("%d requests at the same time, of %d", most, tt.limit)
				}
				g.end()
			})
		})
	}
}
