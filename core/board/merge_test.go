package board

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// fleet is boards that share a store, each in a router of its own.
type fleet struct {
	t      *testing.T
	clock  *clock
	store  *memory
	boards []*Board
}

func newFleet(t *testing.T, n int, channels ...*config.Channel) *fleet {
	t.Helper()
	f := &fleet{t: t, clock: newClock(), store: &memory{}}
	for range n {
		b := New(f.clock.now)
		b.Apply(conf(channels...))
		f.boards = append(f.boards, b)
	}
	return f
}

// read has a router look at the store, write has it write what it noted. It
// reports whether there was anything.
func (f *fleet) read(b *Board) {
	f.t.Helper()
	if err := b.read(context.Background(), f.store, account); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) write(b *Board) bool {
	f.t.Helper()
	before := len(f.store.log)
	dirty, _ := b.keeper.take()
	if err := b.write(context.Background(), f.store, account, dirty); err != nil {
		f.t.Fatal(err)
	}
	return len(f.store.log) > before
}

// settle lets all look and write until nobody has anything to say.
func (f *fleet) settle() {
	f.t.Helper()
	for round := 0; ; round++ {
		said := false
		for _, b := range f.boards {
			f.read(b)
			said = f.write(b) || b.reader.again.Load() || said
		}
		if !said {
			return
		}
		if round == 10 {
			f.t.Fatalf("after %d rounds they still contradict each other:\n%s", round, f.store.text())
		}
	}
}

// knows is all that a router knows and shares.
func knows(b *Board) string {
	var out strings.Builder
	b.View().seats(func(p place, c *Channel, s *seat) {
		fmt.Fprintf(&out, "%s", strings.ReplaceAll(p.key(), "\x00", "/"))
		if ban := s.ban.Load(); ban != nil && !ban.Ended(b.now()) {
			fmt.Fprintf(&out, " %s until %s since %s", ban.Class, ban.Until.Format(time.RFC3339Nano), ban.Since.Format(time.RFC3339Nano))
		}
		if p.model == "" {
			h := c.Health()
			fmt.Fprintf(&out, " %s %s %v", h.State, h.Key, h.Models)
		}
		out.WriteByte('\n')
	})
	return out.String()
}

func (f *fleet) wantAgreed() {
	f.t.Helper()
	for i, b := range f.boards[1:] {
		if got, want := knows(b), knows(f.boards[0]); got != want {
			f.t.Fatalf("router %d knows\n%s\nrouter 0\n%s\nthe store has\n%s", i+1, got, want, f.store.text())
		}
	}
}

// Whatever is found out where, whenever who looks and writes: they agree in the
// end, and stop writing.
func TestRoutersAgreeWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 7))
		listed := channel("listed")
		listed.Models = nil
		f := newFleet(t, 3, channel("a", "m1", "m2"), channel("b", "m1"), listed)
		for range 60 {
			f.clock.move(time.Duration(r.IntN(3000)) * time.Millisecond)
			b := f.boards[r.IntN(3)]
			v := b.View()
			x := v.Targets[r.IntN(len(v.Targets))]
			switch r.IntN(12) {
			case 0, 1:
				fail(b, x, Failure{Class: Classes[r.IntN(len(Classes)-2)], Reason: "it broke"})
			case 2:
				fail(b, x, Failure{Class: RateLimit, RetryAfter: time.Duration(1+r.IntN(60)) * time.Second})
			case 3:
				succeed(b, x)
			case 4:
				if _, err := b.Ban(x.Channel.Config.Name, "", time.Duration(r.IntN(3))*time.Minute, "by hand"); err != nil {
					t.Fatal(err)
				}
			case 5:
				if _, err := b.Unban(x.Channel.Config.Name, ""); err != nil {
					t.Fatal(err)
				}
			case 6:
				b.SetHealth(v.Channel("listed"), Health{
					State: sdk.HealthState(1 + r.IntN(2)), Until: b.now().Add(time.Minute),
					Listed: true, Models: []sdk.ModelInfo{{ID: fmt.Sprint("m", r.IntN(3))}}, ModelsUntil: b.now().Add(time.Hour),
				})
			case 7:
				b.SetHealth(x.Channel, Health{Key: sdk.KeyState(1 + r.IntN(2)), KeyUntil: b.now().Add(time.Hour)})
			case 8, 9:
				f.read(b)
			default:
				f.write(b)
			}
		}
		f.settle()
		f.wantAgreed()
	}
}

func TestWhatOneRouterFindsOutTheOthersObey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first func(f *fleet, b *Board) // told to the others, before
		then  func(f *fleet, a, b *Board)
		want  Class // of m1's ban on every router; None: there is none
		whole Class // of the channel's
	}{
		{name: "a ban", then: func(_ *fleet, a, _ *Board) { fail(a, a.View().Targets[0], Failure{Class: NotFound}) }, want: NotFound},
		{name: "a refused key", then: func(_ *fleet, a, _ *Board) { fail(a, a.View().Targets[0], Failure{Class: Auth}) }, whole: Auth},
		{
			name:  "an unban by hand",
			first: func(_ *fleet, b *Board) { fail(b, b.View().Targets[0], Failure{Class: Quota}) },
			then:  func(_ *fleet, _, b *Board) { unban(b, "a") },
		},
		{
			name:  "a recovery",
			first: func(_ *fleet, b *Board) { fail(b, b.View().Targets[0], Failure{Class: Timeout}) },
			then: func(f *fleet, _, b *Board) {
				f.clock.move(31 * time.Second)
				succeed(b, b.View().Targets[0])
			},
		},
		{
			name: "the later end", want: RateLimit,
			then: func(_ *fleet, a, b *Board) {
				fail(a, a.View().Targets[0], Failure{Class: RateLimit, RetryAfter: 20 * time.Second})
				fail(b, b.View().Targets[0], Failure{Class: RateLimit, RetryAfter: 4 * time.Minute})
			},
		},
		{
			name: "a ban that began after the unban that did not know of it", want: NotFound,
			first: func(_ *fleet, b *Board) { fail(b, b.View().Targets[0], Failure{Class: NotFound}) },
			then: func(f *fleet, a, b *Board) {
				unban(b, "a")
				f.clock.move(time.Second)
				unban(a, "a")
				f.clock.move(time.Second)
				fail(a, a.View().Targets[0], Failure{Class: NotFound})
			},
		},
		{
			name: "a success does not lift a quota that another router was told of", want: None, whole: Quota,
			first: func(_ *fleet, b *Board) { fail(b, b.View().Targets[0], Failure{Class: Timeout}) },
			then: func(f *fleet, a, b *Board) {
				fail(a, a.View().Targets[0], Failure{Class: Quota})
				f.clock.move(time.Second)
				succeed(b, b.View().Targets[0])
			},
		},
		{
			name: "an operator's last word", whole: Manual,
			then: func(f *fleet, a, b *Board) {
				fail(a, a.View().Targets[0], Failure{Class: Auth})
				f.clock.move(time.Second)
				if _, err := b.Ban("a", "", time.Minute, "maintenance"); err != nil {
					f.t.Fatal(err)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 3, channel("a", "m1"))
			if tt.first != nil {
				tt.first(f, f.boards[0])
				f.settle()
				f.wantAgreed()
			}
			tt.then(f, f.boards[0], f.boards[1])
			f.settle()
			f.wantAgreed()
			for i, b := range f.boards {
				if got := classOf(b.View().Targets[0].Ban()); got != tt.want {
					t.Errorf("router %d has the model banned by %s, want %s", i, got, tt.want)
				}
				if got := classOf(b.View().Channels[0].Ban()); got != tt.whole {
					t.Errorf("router %d has the channel banned by %s, want %s", i, got, tt.whole)
				}
			}
			if tt.name == "the later end" {
				if until := f.boards[2].View().Targets[0].Ban().Until; !until.Equal(f.clock.now().Add(4 * time.Minute)) {
					t.Errorf("it ends at %s", until)
				}
			}
		})
	}
}

func unban(b *Board, channel string) {
	if _, err := b.Unban(channel, ""); err != nil {
		panic(err)
	}
}

func classOf(b *Ban) Class {
	if b == nil {
		return None
	}
	return b.Class
}

// A store that comes back empty gets what the routers know; an unban that one of
// them did not hear of meanwhile is not undone by it.
func TestStoreThatLostAll(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, channel("a", "m1"), channel("b", "m1"))
	fail(f.boards[0], target(t, f.boards[0], "a", "m1"), Failure{Class: Quota})
	fail(f.boards[0], target(t, f.boards[0], "b", "m1"), Failure{Class: Auth})
	f.settle()
	f.store = &memory{}
	f.clock.move(time.Second)
	unban(f.boards[1], "b")
	for _, b := range f.boards {
		b.reader.again.Store(true) // as after a look that failed
	}
	f.settle()
	f.wantAgreed()
	fresh := New(f.clock.now)
	fresh.Apply(conf(channel("a", "m1"), channel("b", "m1")))
	f.boards = append(f.boards, fresh)
	f.read(fresh)
	f.wantAgreed()
	if a, b := fresh.View().Channel("a").Ban(), fresh.View().Channel("b").Ban(); classOf(a) != Quota || b != nil {
		t.Errorf("the bans are %+v and %+v", a, b)
	}
}

// A channel that a reload adds is told of what the others found out before.
func TestChannelOfAReloadIsLookedUp(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, channel("a", "m1"), channel("b", "m1"))
	late := f.boards[1]
	late.Apply(conf(channel("a", "m1")))
	fail(f.boards[0], target(t, f.boards[0], "b", "m1"), Failure{Class: Quota})
	f.settle()
	late.Apply(conf(channel("a", "m1"), channel("b", "m1")))
	f.settle()
	f.wantAgreed()
}

// What another router finds out, again and again, costs nothing for each target that
// it does not change.
func TestFollowingBuildsNoViewForNothing(t *testing.T) {
	b, _ := large(173)
	v := b.View()
	if n := testing.AllocsPerRun(10, func() { b.merge(heard(b), nil, account, false) }); n > 300 { // of 6574 targets
		t.Errorf("%.0f allocations for a channel that is up still", n)
	}
	if b.View() != v || v.Channels[0].Health().State != sdk.HealthUp {
		t.Errorf("another view, or %+v", v.Channels[0].Health())
	}
	news := heard(b)
	for _, k := range news {
		k.Health.Models, k.Health.Learned.Models = append(k.Health.Models[:0:0], sdk.ModelInfo{ID: "new"}), b.now()
	}
	b.merge(news, nil, account, false)
	if b.View() == v || b.View().Resolve("new", nil) == nil {
		t.Error("a model that another router found is no target")
	}
}

// What is read is not told as written: the loops of two routers come to rest.
func TestFollowingComesToRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		var boards []*Board
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var failures atomic.Int32
		for range 2 {
			b := New(nil)
			b.Apply(conf(channel("a", "m1")))
			boards = append(boards, b)
			go b.Keep(ctx, store, account, func(error) {})
			go b.Follow(ctx, store, account, func() time.Duration { return 500 * time.Millisecond }, func(err error) {
				if err != nil {
					failures.Add(1)
				}
			})
		}
		fail(boards[0], boards[0].View().Targets[0], Failure{Class: Quota})
		time.Sleep(time.Second)
		synctest.Wait()
		if classOf(boards[1].View().Channels[0].Ban()) != Quota {
			t.Error("the other router does not obey within a second")
		}
		store.set(errors.New("away"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if failures.Load() == 0 {
			t.Error("nobody was told that the store is away")
		}
		store.set(nil)
		time.Sleep(keepRetry + time.Second)
		synctest.Wait()
		puts := store.puts
		time.Sleep(time.Hour / 4)
		synctest.Wait()
		if store.puts != puts {
			t.Errorf("%d writes in a quarter of an hour in which nothing happened", store.puts-puts)
		}
	})
}
