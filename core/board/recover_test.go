package board

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// up is what a probe finds of a channel that does well.
func up(b *Board) Health {
	return Health{State: sdk.HealthUp, Reason: "listed", Until: b.now().Add(5 * time.Minute)}
}

// exact are the terms without chance.
func exact(t *testing.T, channels ...*config.Channel) (*Board, *clock) {
	t.Helper()
	cfg := conf(channels...)
	cfg.Bans = config.Defaults.Bans
	cfg.Bans.Jitter = 0
	return newBoard(t, cfg)
}

func ban(b *Board, x *Target, c Class, times int) {
	for range times {
		fail(b, x, Failure{Class: c, Reason: "down"})
	}
}

// A probe lets one request in early. What it finds decides.
func TestAProbeHalfOpensABan(t *testing.T) {
	t.Parallel()
	for _, class := range []Class{Upstream, Timeout, Connect} {
		t.Run(class.String(), func(t *testing.T) {
			t.Parallel()
			b, clock := exact(t, channel("a", "m1"))
			x := b.View().Targets[0]
			ban(b, x, class, 5)
			if x.Admit(b.now()) != Doubtful || !x.Channel.Ailing(b.now()) {
				t.Fatal("not banned, or nobody looks after it")
			}
			b.SetHealth(x.Channel, Health{State: sdk.HealthDown, Until: b.now().Add(time.Minute)})
			clock.move(2 * time.Second)
			if x.Admit(b.now()) != Doubtful || !x.Channel.Ailing(b.now()) {
				t.Fatal("a probe that found it down opens it, or is the last one")
			}
			b.SetHealth(x.Channel, up(b))
			if x.Admit(b.now()) != Admitted || x.Channel.Ailing(b.now()) {
				t.Fatalf("up, and nobody may try; or it is probed on and on: %+v", x.Ban())
			}
			x.Begin(b.now())
			if x.Admit(b.now()) != Doubtful {
				t.Error("a second one beside the trial")
			}
			b.Fail(x, Failure{Class: class}) // at once, and twice as long
			if got := x.Ban(); got.Times != 2 || !got.Trial.IsZero() || !x.Channel.Ailing(b.now()) {
				t.Fatalf("after a failed trial: %+v", got)
			}
			b.SetHealth(x.Channel, up(b))
			clock.move(2*time.Second - 1)
			if x.Admit(b.now()) != Doubtful {
				t.Error("the back-off does not double")
			}
			clock.move(1)
			if x.Admit(b.now()) != Admitted {
				t.Error("the back-off does not end")
			}
			succeed(b, x)
			if x.Ban() != nil || x.Admit(b.now()) != Admitted {
				t.Errorf("after a good trial: %+v", x.Ban())
			}
		})
	}
}

// What the upstream itself said is no guess that a probe could mend.
func TestAProbeOpensNoHint(t *testing.T) {
	t.Parallel()
	for _, f := range []Failure{
		{Class: Upstream, RetryAfter: time.Minute}, {Class: RateLimit, RetryAfter: time.Minute}, {Class: RateLimit},
		{Class: Quota}, {Class: Auth}, {Class: NotFound},
	} {
		b, clock := exact(t, channel("a", "m1"))
		x := b.View().Targets[0]
		fail(b, x, f)
		b.SetHealth(x.Channel, up(b))
		clock.move(9 * time.Second)
		if x.Admit(b.now()) == Admitted || x.Channel.Ailing(b.now()) {
			t.Errorf("%s, hinted %s: admitted, or probed before its time", f.Class, f.RetryAfter)
		}
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	t.Parallel()
	terms := config.Defaults.Bans
	for times, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 20 * time.Second, 60: 20 * time.Second} {
		lowest, highest := want, time.Duration(0)
		for range 200 {
			d := (&Ban{Times: times}).backoff(&terms)
			lowest, highest = min(lowest, d), max(highest, d)
		}
		if highest > want || lowest < want/2 || highest-lowest < want/4 {
			t.Errorf("%d in a row: from %s to %s, want %s with a jitter of half of it", times, lowest, highest, want)
		}
	}
}

// A trial that says nothing ends: with its request where that is the only one,
// else by its time.
func TestATrialThatSaysNothing(t *testing.T) {
	t.Parallel()
	b, clock := exact(t, channel("a", "m1"))
	x := b.View().Targets[0]
	x.Begin(b.now()) // a long stream, from before
	ban(b, x, Upstream, 5)
	clock.move(time.Minute)
	x.Begin(b.now())
	x.Leave()
	if x.Admit(b.now()) != Doubtful {
		t.Error("somebody left, and it might not have been the trial")
	}
	clock.move(config.Defaults.Bans.MaxBackoff)
	if x.Admit(b.now()) != Admitted {
		t.Error("a silent trial shuts its target for good")
	}
	x.Begin(b.now())
	if x.Admit(b.now()) != Doubtful {
		t.Error("no new trial")
	}
	x.Leave()
	x.Leave()
	if x.Admit(b.now()) != Admitted {
		t.Error("all have left, and nobody may try")
	}
}

func TestAChannelWithBannedModels(t *testing.T) {
	t.Parallel()
	models := []string{"m1", "m2", "m3", "m4"}
	tests := []struct {
		name string
		do   func(b *Board, clock *clock, x []*Target)
		out  bool
	}{
		{name: "two", do: func(b *Board, _ *clock, x []*Target) {
			ban(b, x[0], Upstream, 5)
			ban(b, x[1], Upstream, 5)
		}},
		{name: "three", out: true, do: func(b *Board, _ *clock, x []*Target) {
			ban(b, x[0], Upstream, 5)
			ban(b, x[1], RateLimit, 1)
			ban(b, x[2], NotFound, 1)
		}},
		{name: "one of them three times", do: func(b *Board, clock *clock, x []*Target) {
			for range 3 {
				ban(b, x[0], RateLimit, 1)
				clock.move(time.Hour)
			}
		}},
		{name: "three, one of which is over", do: func(b *Board, clock *clock, x []*Target) {
			ban(b, x[0], RateLimit, 1)
			clock.move(10 * time.Second)
			ban(b, x[1], RateLimit, 1)
			ban(b, x[2], RateLimit, 1)
		}},
		{name: "three, with an answer between", do: func(b *Board, _ *clock, x []*Target) {
			ban(b, x[0], NotFound, 1)
			ban(b, x[1], NotFound, 1)
			succeed(b, x[3])
			ban(b, x[2], NotFound, 1)
		}},
		{name: "three, then an answer", do: func(b *Board, _ *clock, x []*Target) {
			ban(b, x[0], NotFound, 1)
			ban(b, x[1], NotFound, 1)
			ban(b, x[2], NotFound, 1)
			succeed(b, x[3])
		}},
		{name: "by hand", do: func(b *Board, _ *clock, _ []*Target) {
			for _, m := range models[:3] {
				if _, err := b.Ban("a", m, time.Hour, ""); err != nil {
					panic(err)
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, clock := exact(t, channel("a", models...))
			x := b.View().Targets
			tt.do(b, clock, x)
			got := x[0].Channel.Ban()
			if (got != nil) != tt.out {
				t.Fatalf("the channel's ban is %+v", got)
			}
			want := Admitted
			if tt.out {
				want = Doubtful // its last model still answers where nobody else does
				if got.Class != Models || got.Until.IsZero() || got.Times != 1 {
					t.Errorf("the channel's ban is %+v", got)
				}
			}
			if a := x[3].Admit(b.now()); a != want {
				t.Errorf("the model that is well: admission %d, want %d", a, want)
			}
		})
	}
}

func TestAChannelWithBannedModelsRecovers(t *testing.T) {
	t.Parallel()
	b, clock := exact(t, channel("a", "m1", "m2", "m3"))
	x := b.View().Targets
	for i := range x {
		ban(b, x[i], Upstream, 5)
	}
	b.SetHealth(x[0].Channel, up(b))
	clock.move(time.Second)
	if x[0].Admit(b.now()) != Admitted {
		t.Fatalf("not half open: %+v", x[0].Channel.Ban())
	}
	x[0].Begin(b.now())
	if x[1].Admit(b.now()) != Doubtful {
		t.Error("two trials on one channel")
	}
	b.Fail(x[0], Failure{Class: Upstream})
	if got := x[0].Channel.Ban(); got == nil || got.Times != 2 {
		t.Fatalf("after a failed trial: %+v", got)
	}
	b.SetHealth(x[0].Channel, up(b))
	clock.move(2 * time.Second)
	succeed(b, x[1])
	if x[1].Channel.Ban() != nil || x[1].Ban() != nil || x[0].Ban() == nil {
		t.Errorf("after a good trial: channel %+v, its model %+v, another %+v", x[1].Channel.Ban(), x[1].Ban(), x[0].Ban())
	}
}

// told counts what a board tells of bans.
type told struct{ banned, freed atomic.Int64 }

func (o *told) Banned(*Channel, string, *Ban) { o.banned.Add(1) }
func (o *told) Freed(*Channel, string, *Ban)  { o.freed.Add(1) }

func TestBansAreTold(t *testing.T) {
	t.Parallel()
	c := newClock()
	b, o := New(c.now), &told{}
	b.Observe(o)
	b.Apply(conf(channel("a", "m1")))
	x := b.View().Targets[0]
	ban(b, x, Upstream, 9) // one ban: the last four were under way
	succeed(b, x)
	b.SetHealth(x.Channel, Health{Key: sdk.KeyInvalid, KeyUntil: b.now().Add(time.Hour)})
	b.SetHealth(x.Channel, Health{Key: sdk.KeyInvalid, KeyUntil: b.now().Add(time.Hour)})
	if x.Channel.Key(b.now()) != sdk.KeyInvalid {
		t.Error("the key is not known to be bad")
	}
	b.SetHealth(x.Channel, Health{Key: sdk.KeyValid, KeyUntil: b.now().Add(time.Hour)})
	if x.Channel.Key(b.now()) != sdk.KeyValid {
		t.Error("the key is not known to be good")
	}
	if o.banned.Load() != 2 || o.freed.Load() != 2 {
		t.Errorf("told of %d bans and %d ends, want 2 and 2", o.banned.Load(), o.freed.Load())
	}
}
