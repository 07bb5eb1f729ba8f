package board

import (
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestAdmit(t *testing.T) {
	t.Parallel()
	times := func(n int, c Class) func(*Board, *Target) {
		return func(b *Board, x *Target) {
			for range n {
				fail(b, x, Failure{Class: c})
			}
			x.Channel.avail.Store(nil) // it is the bans that are looked at
		}
	}
	health := func(s sdk.HealthState) func(*Board, *Target) {
		return func(b *Board, x *Target) {
			x.Channel.health.Store(&Health{State: s, Until: b.now().Add(time.Minute)})
		}
	}
	avail := func(up bool) func(*Board, *Target) {
		return func(b *Board, x *Target) {
			x.Channel.SetAvailability(Availability{Available: up, Until: b.now().Add(time.Minute)})
		}
	}
	tests := []struct {
		name  string
		given func(b *Board, x *Target)
		after time.Duration
		want  Admission
	}{
		{name: "unknown", given: func(*Board, *Target) {}, want: Admitted},
		{name: "the request was wrong", given: times(9, None), want: Admitted},
		{name: "auth", given: times(1, Auth), want: Out},
		{name: "auth, a year later", given: times(1, Auth), after: 365 * 24 * time.Hour, want: Out},
		{name: "quota", given: times(1, Quota), want: Out},
		{name: "quota, over", given: times(1, Quota), after: 1800 * time.Second, want: Admitted},
		{name: "not found", given: times(1, NotFound), want: Out},
		{name: "rate limit", given: times(1, RateLimit), want: Doubtful},
		{name: "rate limit, over", given: times(1, RateLimit), after: 10 * time.Second, want: Admitted},
		{name: "a hiccup", given: times(4, Upstream), want: Admitted},
		{name: "five in a row", given: times(5, Upstream), want: Doubtful},
		{name: "silent, which was slow enough", given: times(1, Timeout), want: Doubtful},
		{name: "refused", given: times(5, Connect), want: Doubtful},
		{name: "broken, and said for how long", given: func(b *Board, x *Target) {
			fail(b, x, Failure{Class: Upstream, RetryAfter: time.Minute})
		}, want: Doubtful},
		{name: "rate limits are no faults", want: Admitted, after: 10 * time.Second, given: func(b *Board, x *Target) {
			times(2, RateLimit)(b, x)
			times(1, Upstream)(b, x)
		}},
		{name: "eight, but not in a row", want: Admitted, given: func(b *Board, x *Target) {
			times(4, Upstream)(b, x)
			succeed(b, x)
			times(4, Upstream)(b, x)
		}},
		{name: "up", given: avail(true), want: Admitted},
		{name: "down", given: avail(false), want: Doubtful},
		{name: "down a while ago", given: avail(false), after: time.Minute, want: Admitted},
		{name: "probed up", given: health(sdk.HealthUp), want: Admitted},
		{name: "probed down", given: health(sdk.HealthDown), want: Doubtful},
		{name: "probed down a while ago", given: health(sdk.HealthDown), after: time.Minute, want: Admitted},
		{name: "misconfigured", given: health(sdk.HealthMisconfigured), want: Doubtful},
		{name: "full", given: func(b *Board, x *Target) { x.Begin(b.now()); x.Begin(b.now()) }, want: Full},
		{name: "one place left", given: func(b *Board, x *Target) { x.Begin(b.now()) }, want: Admitted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := channel("a", "m1")
			c.MaxInFlight = 2
			b, clock := newBoard(t, conf(c))
			x := b.View().Targets[0]
			tt.given(b, x)
			clock.move(tt.after)
			if got := x.Admit(b.now()); got != tt.want {
				t.Errorf("admission %d, want %d", got, tt.want)
			}
		})
	}
}

// Admission is in this order: a walk takes what is at most so bad.
func TestAdmissionsAreOrdered(t *testing.T) {
	t.Parallel()
	if Admitted >= Doubtful || Doubtful >= Full || Full >= Out {
		t.Error("the admissions are out of order")
	}
}

func TestHardClassesAreAboutTheRightPlace(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2")))
	m1, m2 := b.View().Targets[0], b.View().Targets[1]
	fail(b, m1, Failure{Class: NotFound})
	if m2.Admit(b.now()) != Admitted || m1.Admit(b.now()) != Out {
		t.Error("a model that is not there is about that model alone")
	}
	fail(b, m2, Failure{Class: Quota})
	if m2.Admit(b.now()) != Out || m2.Ban() != nil || m2.Channel.Ban() == nil {
		t.Error("a quota is about the whole channel")
	}
}

func TestOneTrialAfterABan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		class Class
		times int
		term  time.Duration
	}{
		{name: "of a target", class: Upstream, times: 5, term: 60 * time.Second},
		{name: "of a channel", class: Quota, times: 1, term: 1800 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, clock := newBoard(t, conf(channel("a", "m1")))
			x := b.View().Targets[0]
			ban := func() {
				for range tt.times {
					fail(b, x, Failure{Class: tt.class})
				}
			}
			ban()
			clock.move(tt.term)
			if x.Admit(b.now()) != Admitted {
				t.Fatal("nobody may try an ended ban")
			}
			x.Begin(b.now())
			if got := x.Admit(b.now()); got != Doubtful {
				t.Errorf("a second one beside the trial: admission %d", got)
			}
			b.Fail(x, Failure{Class: tt.class}) // at once, and twice as long
			clock.move(2*tt.term - time.Second)
			if got := x.Admit(b.now()); got == Admitted {
				t.Error("the second ban is not twice as long")
			}
			clock.move(time.Second)
			x.Begin(b.now())
			x.Leave()
			if x.Admit(b.now()) != Admitted {
				t.Error("a trial that said nothing leaves the target shut")
			}
			succeed(b, x)
			if x.Ban() != nil || x.Channel.Ban() != nil {
				t.Error("a good trial leaves the ban")
			}
			ban()
			clock.move(tt.term)
			if x.Admit(b.now()) != Admitted {
				t.Error("bans go on doubling after a success")
			}
		})
	}
}

// A request that began before the ban and succeeds after it proves nothing
// that the upstream's own word does not outweigh.
func TestWhichBansASuccessLifts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		class Class
		lifts bool
	}{
		{name: "upstream", class: Upstream, lifts: true},
		{name: "timeout", class: Timeout, lifts: true},
		{name: "connect", class: Connect, lifts: true},
		{name: "rate limit", class: RateLimit},
		{name: "quota", class: Quota},
		{name: "auth", class: Auth},
		{name: "not found", class: NotFound},
		{name: "manual", class: Manual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newBoard(t, conf(channel("a", "m1")))
			x := b.View().Targets[0]
			for _, s := range []*seat{&x.seat, &x.Channel.seat} {
				s.ban.Store(&Ban{Class: tt.class, Until: b.now().Add(time.Minute), Times: 1})
				succeed(b, x)
				if lifted := s.ban.Load() == nil; lifted != tt.lifts {
					t.Errorf("lifted %t, want %t", lifted, tt.lifts)
				}
				s.ban.Store(nil)
			}
		})
	}
}

// An upstream that dies under load fails its requests in many ways at once.
func TestAStormOfFailuresIsOneBan(t *testing.T) {
	t.Parallel()
	b, clock := newBoard(t, conf(channel("a", "m1")))
	x := b.View().Targets[0]
	for range 64 {
		x.Begin(b.now())
	}
	for i := range 64 {
		b.Fail(x, Failure{Class: []Class{Connect, Upstream, Timeout}[i%3]})
		clock.move(10 * time.Millisecond)
	}
	if ban := x.Ban(); ban == nil || ban.Times != 1 || ban.Until.Sub(b.now()) > time.Minute {
		t.Errorf("64 requests under way made %+v", ban)
	}
}

func TestInFlightBalances(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2")))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 500 {
				x := b.View().Targets[(i+n)%2]
				x.Admit(b.now())
				x.Begin(b.now())
				switch n % 4 {
				case 0:
					b.Succeed(x, time.Millisecond)
				case 1:
					b.Fail(x, Failure{Class: Class(n % 8)})
				case 2:
					x.Leave()
				case 3:
					b.Apply(b.cfgNow())
					b.Fail(x, Failure{Class: None})
				}
			}
		}()
	}
	wg.Wait()
	for _, x := range b.View().Targets {
		if x.InFlight() != 0 || x.Channel.InFlight() != 0 {
			t.Errorf("%s: %d in flight, its channel %d", x.Name(), x.InFlight(), x.Channel.InFlight())
		}
	}
}

func (b *Board) cfgNow() *config.Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg
}

func TestFigures(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1")))
	x := b.View().Targets[0]
	if x.Load() <= 0 {
		t.Error("a target never measured has no load, so it would take everything")
	}
	x.Begin(b.now())
	b.Succeed(x, 100*time.Millisecond)
	if x.TTFT() != 100*time.Millisecond {
		t.Errorf("the first figure is %s, want it whole", x.TTFT())
	}
	x.Begin(b.now())
	b.Succeed(x, 200*time.Millisecond)
	if x.TTFT() != 120*time.Millisecond {
		t.Errorf("the average is %s, want 120ms", x.TTFT())
	}
	x.Begin(b.now())
	b.Succeed(x, 0)
	if x.TTFT() != 120*time.Millisecond {
		t.Error("what was not measured moved the average")
	}
	fail(b, x, Failure{Class: Upstream})
	if x.ErrorRate() != 0.2 {
		t.Errorf("error rate %v after one failure, want 0.2", x.ErrorRate())
	}
	idle := x.Load()
	x.Begin(b.now())
	if x.Load() != 2*idle {
		t.Errorf("load %v with one in flight, %v without", x.Load(), idle)
	}
	health, ttft, errors, inFlight := x.Live()
	if health != sdk.HealthUp || ttft != x.TTFT() || errors != 0.2 || inFlight != 1 {
		t.Errorf("live: %s %s %v %d", health, ttft, errors, inFlight)
	}
}

func TestLiveHealth(t *testing.T) {
	t.Parallel()
	up, down := &Availability{Available: true}, &Availability{}
	tests := []struct {
		name   string
		probed sdk.HealthState
		seen   *Availability
		want   sdk.HealthState
		known  bool
	}{
		{name: "never seen", want: sdk.HealthUnknown},
		{name: "probed up", probed: sdk.HealthUp, want: sdk.HealthUp, known: true},
		{name: "probed up, failed since", probed: sdk.HealthUp, seen: down, want: sdk.HealthDown},
		{name: "probed down, answered since", probed: sdk.HealthDown, seen: up, want: sdk.HealthUp, known: true},
		{name: "misconfigured, answers", probed: sdk.HealthMisconfigured, seen: up, want: sdk.HealthMisconfigured, known: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newBoard(t, conf(channel("a", "m1")))
			x := b.View().Targets[0]
			x.Channel.health.Store(&Health{State: tt.probed})
			x.Channel.avail.Store(tt.seen)
			if got, _, _, _ := x.Live(); got != tt.want {
				t.Errorf("health %s, want %s", got, tt.want)
			}
			if got := x.Channel.Known(); got != tt.known {
				t.Errorf("known %t, want %t", got, tt.known)
			}
		})
	}
}

func TestASuccessRenewsAvailabilityOnceInAWhile(t *testing.T) {
	t.Parallel()
	b, clock := newBoard(t, conf(channel("a", "m1")))
	x := b.View().Targets[0]
	succeed(b, x)
	first := x.Channel.Availability()
	if first == nil || !first.Available || !first.Until.Equal(b.now().Add(time.Minute)) {
		t.Fatalf("a success gives %+v", first)
	}
	clock.move(20 * time.Second)
	succeed(b, x)
	if x.Channel.Availability() != first {
		t.Error("every success writes a line that all requests read")
	}
	clock.move(20 * time.Second)
	succeed(b, x)
	if a := x.Channel.Availability(); !a.Until.Equal(b.now().Add(time.Minute)) {
		t.Errorf("not renewed: %+v", a)
	}
	fail(b, x, Failure{Class: Connect, Reason: "refused"})
	if a := x.Channel.Availability(); a.Available || a.Reason != "refused" {
		t.Errorf("after a failure: %+v", a)
	}
	succeed(b, x)
	if !x.Channel.Known() {
		t.Error("a success after a failure does not make the channel known")
	}
}

// Who is left alone for its errors must get another chance.
func TestErrorsFade(t *testing.T) {
	t.Parallel()
	b, clock := newBoard(t, conf(channel("a", "m1")))
	x := b.View().Targets[0]
	for range 5 {
		fail(b, x, Failure{Class: Upstream})
	}
	was := x.ErrorRate()
	clock.move(halfLife)
	if got := x.ErrorRate(); got != was/2 {
		t.Errorf("%v after a half-life, want half of %v", got, was)
	}
	fail(b, x, Failure{Class: Upstream})
	if got, want := x.ErrorRate(), was/2+weight*(1-was/2); got != want {
		t.Errorf("%v after another failure, want %v", got, want)
	}
	b.SetHealth(x.Channel, up(b))
	if got := x.ErrorRate(); got != 0 {
		t.Errorf("%v when the trial is due: who goes by it would keep the trial away", got)
	}
	clock.move(-time.Hour)
	fail(b, x, Failure{Class: Upstream})
	if got := x.ErrorRate(); got <= 0 || got > 1 {
		t.Errorf("%v by a clock that went back", got)
	}
}
