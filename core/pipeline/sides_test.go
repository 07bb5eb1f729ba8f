package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

var otherPlugin = &config.Plugin{Kind: sdk.KindSelector, Name: "other"}

// withOther is a pipeline whose step has a second selector.
func (r *rig) withOther(t *testing.T, other selector, change func(*config.Step)) *Pipeline {
	t.Helper()
	s := chooseStep()
	change(s)
	cfg := &config.Pipeline{Name: "default", Steps: []*config.Step{s}}
	p, err := New(Options{
		Config: cfg, Board: r.board, Preparer: NewPreparer(nil), Log: nullLog,
		Plugins: func(c *config.Plugin) Plugin {
			out := r.plugins(c)
			if c == otherPlugin {
				out.Selector, out.Manifest.Version = other, "2.0.0"
				out.Manifest.Reads = []sdk.Fact{sdk.FactModel, sdk.FactKey}
			}
			return out
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shadowed(s *config.Step) { s.Shadow = otherPlugin }

func TestShadowIsAskedTheSameAndNotObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b")
		var first, second []host.Live
		r.selector = func(_ context.Context, _ *host.Generation, _ sdk.Request, live []host.Live) (sdk.Plan, error) {
			first = live
			return r.tiers(t, []string{"a"}, []string{"b"}), nil
		}
		calls := 0
		other := func(_ context.Context, g *host.Generation, q sdk.Request, live []host.Live) (sdk.Plan, error) {
			calls++
			second = live
			if q.Key != "ann" || q.Model != "m" || g.ID != r.board.View().Generation {
				t.Errorf("the shadow was asked about %+v of generation %d", q, g.ID)
			}
			p := r.tiers(t, []string{"b"}, []string{"a"})
			p.Tiers[0].Picks[0].Reason = "cheaper"
			return p, nil
		}
		p := r.withOther(t, other, shadowed)
		ctx, cancel := context.WithCancel(t.Context())
		wait := p.Background(ctx)
		var v Verdict
		for range 50 { // all but the first under a lease
			q := request()
			q.Facts.Key = "ann"
			v = p.Run(t.Context(), q)
			if got := order(v.Walk); !slices.Equal(got, []string{"a", "b"}) {
				t.Fatalf("the order is %v: the shadow was obeyed", got)
			}
			synctest.Wait()
		}
		if calls != 1 || !slices.Equal(first, second) {
			t.Errorf("%d calls for one plan; asked about %v and %v", calls, first, second)
		}
		st := p.Stats()[0].Shadow
		want := Disagreement{At: time.Now(), Model: "m", Key: "ann", Result: "first", Chosen: "a/m", Shadow: "b/m", Why: "cheaper"}
		if st.First != 1 || st.Apart != 1 || st.Same+st.Order+st.Failed+st.Dropped != 0 || len(st.Recent) != 1 || st.Recent[0] != want {
			t.Errorf("stats %+v", st)
		}
		time.Sleep(6 * time.Second) // the plan is renewed: a new one is compared
		for range 2 {
			q := request()
			q.Facts.Key = "ann"
			v = p.Run(t.Context(), q)
			synctest.Wait()
		}
		if calls != 2 {
			t.Errorf("%d calls for two plans", calls)
		}
		rec := v.Choice.Record(time.Now())
		if rec.Shadow == nil || rec.Shadow.Result != "first" || rec.Shadow.PluginVersion != "2.0.0" || rec.Shadow.Tiers[0].Picks[0].Channel != "b" {
			t.Errorf("the record says %s", asJSON(t, rec))
		}
		cancel()
		wait()
	})
}

func TestShadowIsAskedAboutASampleOfLeasedPlans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		r.selector = always(r.tiers(t, []string{"a"}))
		p := r.withOther(t, r.selector, func(s *config.Step) { s.Shadow, s.ShadowSample = otherPlugin, 0.5 })
		ctx, cancel := context.WithCancel(t.Context())
		wait := p.Background(ctx)
		for range 400 {
			p.Run(t.Context(), request())
			synctest.Wait()
		}
		if st := p.Stats()[0].Shadow; st.Same < 120 || st.Same > 280 {
			t.Errorf("%d of 400 were compared, of a sample of a half", st.Same)
		}
		cancel()
		wait()
	})
}

// A shadow that hangs, or fails, costs comparisons.
func TestShadowThatHangsHarmsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a")
		plan := r.tiers(t, []string{"a"})
		plan.Lease = sdk.NoLease // each request asks
		r.selector = always(plan)
		other := func(ctx context.Context, _ *host.Generation, _ sdk.Request, _ []host.Live) (sdk.Plan, error) {
			<-ctx.Done()
			return sdk.Plan{}, ctx.Err()
		}
		p := r.withOther(t, other, shadowed)
		ctx, cancel := context.WithCancel(t.Context())
		wait := p.Background(ctx)
		begun := time.Now()
		for range 1000 {
			if v := p.Run(t.Context(), request()); v.Reject != nil || v.Choice.Source != "asked" {
				t.Fatalf("%+v", v)
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("1000 requests waited for %s", took)
		}
		synctest.Wait()
		if st := p.Stats()[0].Shadow; st.Dropped < 700 || st.Dropped > 1000-shadowRoom {
			t.Errorf("%d were dropped", st.Dropped)
		}
		time.Sleep(time.Minute)
		if st := p.Stats()[0].Shadow; st.Failed+st.Dropped != 1000 {
			t.Errorf("%d failed and %d were dropped, of 1000", st.Failed, st.Dropped)
		}
		cancel()
		wait()
	})
}

func TestExplainTellsOfShadowAndCanary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		other  func(*rig) selector
		change func(*config.Step)
		want   []string
	}{
		{
			name: "a shadow that differs", change: shadowed,
			other: func(r *rig) selector { return always(r.tiers(t, []string{"b"})) },
			want:  []string{"shadow plugin.selector.other: 100% of such requests elsewhere first: b/m"},
		},
		{
			name: "one of another order", change: shadowed,
			other: func(r *rig) selector { return always(r.tiers(t, []string{"a"})) },
			want:  []string{"shadow plugin.selector.other: the same first, then another order"},
		},
		{
			name: "one that agrees", change: shadowed,
			other: func(r *rig) selector { return r.selector },
			want:  []string{"shadow plugin.selector.other: the same plan"},
		},
		{
			name: "one that fails", change: shadowed,
			other: func(*rig) selector { return failing },
			want:  []string{"shadow plugin.selector.other: no plan: no idea"},
		},
		{
			name:   "a canary",
			change: func(s *config.Step) { s.Canary = &config.Canary{Plugin: otherPlugin, Percent: 100} },
			other:  func(r *rig) selector { return always(r.tiers(t, []string{"b"})) },
			want:   []string{"  b/m  ", "canary plugin.selector.other takes 100% of the requests; this one is decided by the canary"},
		},
		{
			name:   "a canary that fails",
			change: func(s *config.Step) { s.Canary = &config.Canary{Plugin: otherPlugin, Percent: 99.5} },
			other:  func(*rig) selector { return failing },
			want:   []string{"  a/m  ", "canary plugin.selector.other takes 99.5% of the requests; this one is decided by the primary, as the canary gave no plan"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig("a", "b")
			r.selector = always(r.tiers(t, []string{"a"}, []string{"b"}))
			_, got := r.withOther(t, tt.other(r), tt.change).Explain(t.Context(), request())
			for _, want := range tt.want {
				if !strings.Contains(text(got), want) {
					t.Errorf("got\n%s\nwithout %q", text(got), want)
				}
			}
		})
	}
}

func failing(context.Context, *host.Generation, sdk.Request, []host.Live) (sdk.Plan, error) {
	return sdk.Plan{}, errors.New("no idea")
}

func TestCanaryTakesItsShareAndKeepsIt(t *testing.T) {
	t.Parallel()
	const callers = 4000
	r := newRig("a", "b")
	r.selector = always(r.tiers(t, []string{"a"}))
	took := func(by sdk.Fact, percent float64, fact func(q *Request, i int)) map[int]bool {
		p := r.withOther(t, always(r.tiers(t, []string{"b"})), func(s *config.Step) {
			s.Canary = &config.Canary{Plugin: otherPlugin, Percent: percent, By: by}
		})
		out := map[int]bool{}
		for range 2 { // the second time they go the same way
			for i := range callers {
				q := request()
				fact(q, i)
				v := p.Run(t.Context(), q)
				canary := v.Choice.Side == Canary
				if canary != (order(v.Walk)[0] == "b") || canary != (v.Choice.Side != Primary) {
					t.Fatalf("side %q, order %v", v.Choice.Side, order(v.Walk))
				}
				if was, ok := out[i]; ok && was != canary {
					t.Fatalf("%s: caller %d went this way and that way", by, i)
				}
				out[i] = canary
			}
		}
		return out
	}
	key := func(q *Request, i int) { q.Facts.Key = fmt.Sprint("caller ", i); q.Facts.Prefix = uint64(i / 2) }
	prefix := func(q *Request, i int) { q.Facts.Prefix = mix(uint64(i)) }
	header := func(q *Request, i int) { q.Header = map[string][]string{"X-Team": {fmt.Sprint("team ", i)}} }
	tests := []struct {
		name    string
		by      sdk.Fact
		percent float64
		fact    func(q *Request, i int)
	}{
		{name: "by key", fact: key, percent: 5},
		{name: "without keys, by prefix", fact: prefix, percent: 5},
		{name: "by prefix", by: sdk.FactPrefix, fact: prefix, percent: 20},
		{name: "by a header", by: sdk.HeaderFact("x-team"), fact: header, percent: 50},
		{name: "a fraction", fact: key, percent: 0.5},
		{name: "nobody", fact: key, percent: 0},
		{name: "everybody", fact: key, percent: 100},
	}
	for _, tt := range tests {
		n := 0
		for _, canary := range took(tt.by, tt.percent, tt.fact) {
			if canary {
				n++
			}
		}
		// Four standard deviations of a fair draw.
		want, slack := tt.percent/100*callers, 4*63.2*0.5
		if tt.percent == 0 || tt.percent == 100 {
			slack = 0
		}
		if float64(n) < want-slack || float64(n) > want+slack {
			t.Errorf("%s: %d of %d, want about %g%%", tt.name, n, callers, tt.percent)
		}
	}
	few, many := took("", 5, key), took("", 10, key)
	for i := range few {
		if few[i] && !many[i] {
			t.Fatalf("caller %d left the canary when it got a greater share", i)
		}
	}
}

func TestCanaryThatIsDeadFallsBackToThePrimary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig("a", "b")
		r.selector = always(r.tiers(t, []string{"a"}))
		dead, calls := false, 0
		other := func(ctx context.Context, g *host.Generation, q sdk.Request, l []host.Live) (sdk.Plan, error) {
			calls++
			if dead {
				return failing(ctx, g, q, l)
			}
			return r.tiers(t, []string{"b"}), nil
		}
		p := r.withOther(t, other, func(s *config.Step) {
			s.OnError = config.OnErrorReject
			s.Canary = &config.Canary{Plugin: otherPlugin, Percent: 100}
		})
		run := func(side, first string) {
			t.Helper()
			v := p.Run(t.Context(), request())
			if v.Reject != nil || v.Choice.Side != side || order(v.Walk)[0] != first {
				t.Errorf("side %q, order %v, reject %v; want %s and %s", v.Choice.Side, order(v.Walk), v.Reject, side, first)
			}
			synctest.Wait()
		}
		run(Canary, "b")
		run(Canary, "b")
		dead = true
		time.Sleep(2 * time.Minute) // its lease is over
		for range 10 {
			run(Fallback, "a")
		}
		if calls != 2 {
			t.Errorf("the dead canary was asked %d times, want once", calls-1)
		}
		dead = false
		time.Sleep(2 * time.Second)
		run(Canary, "b")
		st := p.Stats()[0]
		if st.Canary == nil || st.Canary.Asked != 3 || st.Canary.Fresh != 1 || st.Asked != 4 || st.Fresh != 10 {
			t.Errorf("stats %+v, canary %+v", st, st.Canary)
		}
	})
}

// Without shadow and canary a leased plan costs what it did.
func TestChoiceUnderALeaseAllocatesNothing(t *testing.T) {
	r := newRig("a")
	r.selector = always(r.tiers(t, []string{"a"}))
	c := r.pipeline(t, chooseStep()).steps[0].step.(*choose)
	q := request()
	var v Verdict
	c.run(t.Context(), q, &v)
	if n := testing.AllocsPerRun(100, func() { c.run(context.Background(), q, &v) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
