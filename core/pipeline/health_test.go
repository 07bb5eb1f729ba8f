package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// probes answers for channels, and notes when it was asked.
type probes struct {
	mu      sync.Mutex
	answers map[string]sdk.Health // a channel without one is up
	err     error
	takes   time.Duration
	running int
	most    int
	at      map[string][]time.Time
}

func (p *probes) probe(ctx context.Context, c sdk.Channel, _ []string) (sdk.Health, error) {
	p.mu.Lock()
	p.running++
	p.most = max(p.most, p.running)
	p.at[c.Name] = append(p.at[c.Name], time.Now())
	a, ok := p.answers[c.Name]
	err, takes := p.err, p.takes
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
	}()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
	if !ok {
		a = sdk.Health{State: sdk.HealthUp}
	}
	return a, err
}

func (p *probes) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *probes) count(channel string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.at[channel])
}

// probing runs a pipeline's background until the test ends. Times in it are
// those of the test's bubble.
func probing(t *testing.T, answers map[string]sdk.Health, channels ...string) (*rig, *probes, *Pipeline) {
	t.Helper()
	r := newRig(channels...)
	p := &probes{answers: maps.Clone(answers), at: map[string][]time.Time{}}
	r.prober = p.probe
	return r, p, r.pipeline(t, healthStep())
}

func background(t *testing.T, p *Pipeline) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.Background(ctx)
	return func() {
		cancel()
		synctest.Wait()
	}
}

// ready tells whether the pipeline is ready now. Time in it stands still.
func ready(p *Pipeline) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	p.Ready(ctx)
	return ctx.Err() == nil
}

func TestAllAreProbedAtStartAndOnlySoManyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprint("c", i))
		}
		r, probes, p := probing(t, nil, names...)
		r.cfg.Channels[0].Off = "no key"
		r.board.Apply(r.cfg)
		probes.takes = time.Second
		defer background(t, p)()
		time.Sleep(2900 * time.Millisecond)
		synctest.Wait()
		if ready(p) {
			t.Error("said to be done before the last probe ended")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !ready(p) {
			t.Error("not said to be done")
		}
		for _, name := range names[1:] {
			if probes.count(name) != 1 || !r.board.View().Channel(name).Known() {
				t.Errorf("%s was probed %d times", name, probes.count(name))
			}
		}
		if probes.most != 8 || probes.count("c0") != 0 {
			t.Errorf("%d at a time, want 8; %d of a channel that is off", probes.most, probes.count("c0"))
		}
		if s := p.Stats()[0]; s.Asked != 19 || s.Failed != 0 || s.Kind != sdk.KindProber {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWithoutAProberThereIsNothingToWaitFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	newRig("a").pipeline(t, callStep()).Ready(ctx)
	if ctx.Err() != nil {
		t.Error("somebody would wait for ever")
	}
}

func TestReadyWithTheLastProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, probes, p := probing(t, nil, "a", "b")
		probes.takes = 100 * time.Millisecond
		begin := time.Now()
		defer background(t, p)()
		p.Ready(context.Background())
		if took := time.Since(begin); took != probes.takes {
			t.Errorf("ready after %s", took)
		}
	})
}

func TestProbesInTime(t *testing.T) {
	t.Parallel()
	models := []sdk.ModelInfo{{ID: "m"}}
	whole := sdk.Health{State: sdk.HealthUp, Key: sdk.KeyValid, Listed: true, Models: models}
	with := func(change func(*sdk.Health)) sdk.Health {
		h := whole
		change(&h)
		return h
	}
	tests := []struct {
		name     string
		answer   sdk.Health
		then     *sdk.Health // after the first
		err      error
		earliest time.Duration
		latest   time.Duration
	}{
		{name: "before health runs out", answer: whole, earliest: 240 * time.Second, latest: 271 * time.Second},
		{name: "by the answer's own lease", answer: with(func(h *sdk.Health) { h.Lease = sdk.For(time.Minute) }), earliest: 48 * time.Second, latest: 55 * time.Second},
		{name: "by the key's lease", answer: with(func(h *sdk.Health) { h.KeyLease = sdk.For(time.Minute) }), earliest: 48 * time.Second, latest: 55 * time.Second},
		{name: "by the models' lease", answer: with(func(h *sdk.Health) { h.ModelsLease = sdk.For(time.Minute) }), earliest: 48 * time.Second, latest: 55 * time.Second},
		{
			name: "by the specs' lease", earliest: 48 * time.Second, latest: 55 * time.Second,
			answer: with(func(h *sdk.Health) {
				h.Models, h.SpecsLease = []sdk.ModelInfo{{ID: "m", ContextTokens: 8000}}, sdk.For(time.Minute)
			}),
		},
		{
			name: "by the prices' lease", earliest: 48 * time.Second, latest: 55 * time.Second,
			answer: with(func(h *sdk.Health) {
				h.Models, h.PricesLease = []sdk.ModelInfo{{ID: "m", Price: sdk.Price{Known: true}}}, sdk.For(time.Minute)
			}),
		},
		{
			name: "what a list does not say has no lease", earliest: 240 * time.Second, latest: 271 * time.Second,
			answer: with(func(h *sdk.Health) { h.SpecsLease, h.PricesLease = sdk.For(time.Minute), sdk.For(time.Minute) }),
		},
		{name: "down", answer: sdk.Health{State: sdk.HealthDown}, earliest: 3 * time.Second, latest: 6 * time.Second},
		{name: "misconfigured", answer: sdk.Health{State: sdk.HealthMisconfigured}, earliest: 240 * time.Second, latest: 271 * time.Second},
		{name: "nothing found out", err: errors.New("the plugin is down"), earliest: 3 * time.Second, latest: 6 * time.Second},
		{name: "no lease", answer: with(func(h *sdk.Health) { h.Lease = sdk.NoLease }), earliest: 3 * time.Second, latest: 6 * time.Second},
		{
			// Its prices are forgotten in time.
			name: "the prices do not come again", earliest: time.Second, latest: 12 * time.Second,
			answer: with(func(h *sdk.Health) {
				h.Models, h.PricesLease = []sdk.ModelInfo{{ID: "m", Price: sdk.Price{Known: true}}}, sdk.For(time.Minute)
			}),
			then: &whole,
		},
		{
			// What runs out and is not found out again must not be asked for at once, for ever.
			name: "the list does not come again", answer: with(func(h *sdk.Health) { h.ModelsLease = sdk.For(time.Minute) }),
			then: &sdk.Health{State: sdk.HealthUp}, earliest: 240 * time.Second, latest: 271 * time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, probes, p := probing(t, map[string]sdk.Health{"a": tt.answer}, "a")
				r.cfg.Channels[0].Models = nil
				r.board.Apply(r.cfg)
				probes.err = tt.err
				defer background(t, p)()
				at := 1
				if tt.then != nil {
					time.Sleep(time.Second)
					probes.set(func() { probes.answers["a"] = *tt.then })
					time.Sleep(time.Minute)
					at = 2
				}
				time.Sleep(10 * time.Minute)
				probes.mu.Lock()
				defer probes.mu.Unlock()
				if len(probes.at["a"]) <= at {
					t.Fatalf("probed %d times in ten minutes", len(probes.at["a"]))
				}
				if gap := probes.at["a"][at].Sub(probes.at["a"][at-1]); gap < tt.earliest || gap > tt.latest {
					t.Errorf("probed again after %s, want %s to %s", gap, tt.earliest, tt.latest)
				}
			})
		})
	}
}

func TestChannelsDoNotGoInStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprint("c", i))
		}
		_, probes, p := probing(t, nil, names...)
		defer background(t, p)()
		time.Sleep(280 * time.Second)
		synctest.Wait()
		ticks := make(map[time.Time]int)
		probes.mu.Lock()
		defer probes.mu.Unlock()
		for _, name := range names {
			if n := len(probes.at[name]); n != 2 {
				t.Fatalf("%s was probed %d times", name, n)
			}
			ticks[probes.at[name][1]]++
		}
		if len(ticks) < 15 {
			t.Errorf("30 renewals fell on %d moments", len(ticks))
		}
	})
}

func TestAProbeThatFailsKeepsWhatWasKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		models := []sdk.ModelInfo{{ID: "m"}, {ID: "n"}}
		r, probes, p := probing(t, map[string]sdk.Health{
			"a": {State: sdk.HealthUp, Reason: "listed", Key: sdk.KeyValid, Listed: true, Models: models},
		}, "a")
		r.cfg.Channels[0].Models = nil
		r.board.Apply(r.cfg)
		defer background(t, p)()
		time.Sleep(time.Second)
		probes.set(func() { probes.err = errors.New("down") })
		time.Sleep(time.Hour)
		h := r.board.View().Channel("a").Health()
		if h.State != sdk.HealthUp || h.Key != sdk.KeyValid || len(h.Models) != 2 || len(r.board.View().Targets) != 2 {
			t.Errorf("known %+v, %d targets", h, len(r.board.View().Targets))
		}
		if s := p.Stats()[0]; s.Failed == 0 || s.Failed != s.Asked-1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAReloadIsPickedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, probes, p := probing(t, nil, "a")
		defer background(t, p)()
		time.Sleep(time.Second)
		next := *r.cfg
		b := *r.cfg.Channels[0]
		b.Name = "b"
		next.Channels = []*config.Channel{r.cfg.Channels[0], &b}
		r.board.Apply(&next)
		time.Sleep(time.Second)
		if probes.count("a") != 1 || probes.count("b") != 1 {
			t.Errorf("a was probed %d times, b %d times", probes.count("a"), probes.count("b"))
		}
		// Another key is another account: what was leased is not its own.
		last, a := next, *r.cfg.Channels[0]
		a.Secret = "sk-new"
		last.Channels = []*config.Channel{&a}
		r.board.Apply(&last)
		time.Sleep(time.Second)
		if probes.count("a") != 2 || probes.count("b") != 1 {
			t.Errorf("with a new key a was probed %d times, b, which is gone, %d times", probes.count("a"), probes.count("b"))
		}
		time.Sleep(10 * time.Minute)
		if probes.count("b") != 1 {
			t.Error("a channel that is gone is probed")
		}
	})
}

// A reload in the middle of a probe, which began with the old key.
func TestAProbeOfTheOldKeyIsNotTheNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, probes, p := probing(t, map[string]sdk.Health{"a": {State: sdk.HealthUp, Key: sdk.KeyInvalid, Reason: "401"}}, "a")
		probes.takes = 5 * time.Second
		defer background(t, p)()
		time.Sleep(time.Second)
		next, a := *r.cfg, *r.cfg.Channels[0]
		a.Secret = "sk-new"
		next.Channels = []*config.Channel{&a}
		r.board.Apply(&next)
		probes.set(func() { probes.answers["a"] = sdk.Health{State: sdk.HealthUp, Key: sdk.KeyValid} })
		time.Sleep(4500 * time.Millisecond)
		synctest.Wait()
		if ban := r.board.View().Channel("a").Ban(); ban != nil {
			t.Errorf("the new key is parked for the old one: %+v", ban)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if h := r.board.View().Channel("a").Health(); h.Key != sdk.KeyValid {
			t.Errorf("the new key was not probed: %+v", h)
		}
	})
}

func TestASlowProbeTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, probes, p := probing(t, nil, "a")
		probes.takes = time.Hour
		defer background(t, p)()
		time.Sleep(10*time.Second + healthTick)
		synctest.Wait()
		if s := p.Stats()[0]; s.Failed != 1 || !ready(p) {
			t.Errorf("stats %+v, done %t", s, ready(p))
		}
	})
}
