package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// reloaded is the pipeline that follows p, with the plugins of a rig whose
// instances have these names.
func (r *rig) reloaded(t *testing.T, last *Pipeline, instances map[sdk.Kind]string, steps ...*config.Step) *Pipeline {
	t.Helper()
	p, err := New(Options{
		Config: &config.Pipeline{Name: "p", Steps: steps}, Board: r.board, Log: nullLog, Last: last,
		Preparer: preparerOf(r.cfg, r.plugins),
		Plugins: func(c *config.Plugin) Plugin {
			p := r.plugins(c)
			p.Instance = instances[c.Kind]
			return p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhatAReloadCarriesOver(t *testing.T) {
	t.Parallel()
	running := map[sdk.Kind]string{sdk.KindSelector: "first", sdk.KindProber: "first"}
	for _, test := range []struct {
		name      string
		change    func(s *config.Step)
		instances map[sdk.Kind]string
		source    string // of the plan
	}{
		{name: "an unchanged step, with its leases", source: "fresh"},
		{name: "nothing of a step that changed", change: func(s *config.Step) { s.Timeout++ }, source: "asked"},
		{
			name:      "nothing of a step whose plugin started anew",
			instances: map[sdk.Kind]string{sdk.KindSelector: "second", sdk.KindProber: "first"}, source: "asked",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, asked := newRig("a"), &counted{}
			r.selector = asked.over(func() sdk.Plan { return r.tiers(t, []string{"a"}) })
			p := r.reloaded(t, nil, running, chooseStep())
			p.Run(context.Background(), request())
			p.Run(context.Background(), request())
			step := chooseStep()
			if test.change != nil {
				test.change(step)
			}
			if test.instances == nil {
				test.instances = running
			}
			next := *r.cfg
			next.Hash = "h2" // such as another key of a caller's
			r.board.Apply(&next)
			p = r.reloaded(t, p, test.instances, step)
			if v := p.Run(context.Background(), request()); v.Choice.Source != test.source {
				t.Errorf("the plan is %q, want %q", v.Choice.Source, test.source)
			}
			if s := p.Stats()[0]; s.Asked+s.Fresh != 3 {
				t.Errorf("counted %+v, and 3 requests came", s)
			}
		})
	}
}

// Probing goes on where it was, and what is not carried over ends.
func TestBackgroundSurvivesAReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, probes, _ := probing(t, nil, "a")
		running := map[sdk.Kind]string{sdk.KindProber: "first"}
		ctx, cancel := context.WithCancel(context.Background())
		first := r.reloaded(t, nil, running, healthStep())
		first.Background(ctx)
		time.Sleep(time.Second)
		same := r.reloaded(t, first, running, healthStep())
		same.Background(ctx)
		first.Rest(same)()
		time.Sleep(10 * time.Minute)
		if n := probes.count("a"); n < 2 || n > 3 {
			t.Errorf("%d probes in ten minutes, with an interval of five", n)
		}
		other := healthStep()
		other.AtOnce++
		last := r.reloaded(t, same, running, other)
		wait := last.Background(ctx)
		same.Rest(last)()
		before := probes.count("a")
		time.Sleep(10 * time.Minute)
		if n := probes.count("a") - before; n < 1 || n > 3 {
			t.Errorf("%d probes in ten minutes, with an interval of five", n)
		}
		cancel()
		wait()
	})
}

// A step that a reload replaces counts on: its metrics are counters.
func TestStepCountsOnAfterItIsReplaced(t *testing.T) {
	figures := StepStats{Fresh: 1, Stale: 2, Asked: 3, Failed: 4, Rejected: 5, Edited: 6, Known: 7}
	sum := StepStats{Fresh: 2, Stale: 4, Asked: 6, Failed: 8, Rejected: 10, Edited: 12, Known: 7} // Known is no counter
	if got := figures.plus(figures); got != sum {
		t.Errorf("got %+v, want %+v", got, sum)
	}
}
