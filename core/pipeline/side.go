package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// side is one selector of a selector step, with leases of its own.
type side struct {
	cfg    *config.Step
	plugin *config.Plugin
	Plugin // the running one
	reads  reads
	leases *table[choiceKey, *Plan]
	now    func() time.Time
	log    hclog.Logger
	counts counts
	gen    generations
}

func newSide(plugin *config.Plugin, s *config.Step, o Options, log hclog.Logger) *side {
	p := o.Plugins(plugin)
	return &side{
		cfg: s, plugin: plugin, Plugin: p, now: o.Now, log: log,
		reads:  newReads(p.Manifest.Reads, s.Headers),
		leases: newTable[choiceKey, *Plan](tableEntries),
	}
}

// turn forgets the leases of an old view: its sets are never asked for again.
func (s *side) turn(view *board.View) {
	if s.gen.moved(view) {
		s.leases.clear()
	}
}

// plan is a leased plan, or a new one. Where there is an error the last lease,
// if any, comes with it.
func (s *side) plan(ctx context.Context, q *Request, view *board.View, set *board.Set) (*Plan, string, *lease[choiceKey, *Plan], error) {
	k := choiceKey{set: set}
	s.reads.mask(&k.facts, q)
	l, f, renew := s.leases.get(&k, q.Start)
	switch f {
	case fresh:
		return l.value, "fresh", l, nil
	case stale:
		if renew {
			s.leases.renew(s.own(k), s.question(q, view, set))
		}
		return l.value, "stale", l, nil
	case failed:
		return nil, "", l, l.err
	}
	plan, err := s.leases.ask(ctx, s.own(k), s.question(q, view, set))
	if err != nil {
		return nil, "", l, err
	}
	return plan, "asked", l, nil
}

// own is the key with nothing in it that points into a request's body.
func (s *side) own(k choiceKey) choiceKey {
	k.facts.region = strings.Clone(k.facts.region)
	return k
}

func (s *side) question(q *Request, view *board.View, set *board.Set) question[*Plan] {
	// The request may be over before the answer is there: nothing of it is kept.
	facts := s.reads.factsOf(q, set.Model)
	return question[*Plan]{
		now: s.now, timeout: s.cfg.Timeout,
		lease: sdk.Lease{Fresh: s.cfg.Fresh, Stale: s.cfg.Stale},
		ask: func(ctx context.Context) (*Plan, sdk.Lease, error) {
			s.counts.asked.Add(1)
			plan, span, err := s.ask(ctx, view, set, facts, liveOf(set))
			if err != nil && !errors.Is(err, context.Canceled) {
				s.log.Warn("no plan", "plugin", s.plugin.Address(), "model", set.Model, "on_error", s.cfg.OnError, "err", err)
			}
			return plan, span, err
		},
	}
}

// ask calls the plugin.
func (s *side) ask(ctx context.Context, view *board.View, set *board.Set, facts sdk.Request, live []host.Live) (*Plan, sdk.Lease, error) {
	made := made{by: s, at: s.now(), live: live, view: view}
	answer, err := s.Selector.Select(ctx, s.gen.of(view), facts, live)
	if err != nil {
		return nil, sdk.Lease{}, err
	}
	plan, err := compile(answer, set)
	if err != nil {
		return nil, sdk.Lease{}, fmt.Errorf("%s: %w", s.plugin.Address(), err)
	}
	made.took = s.now().Sub(made.at)
	plan.made = made
	return plan, answer.Lease, nil
}

// left is what is left of the lease of a request's plan, in words; empty: there
// is none.
func (s *side) left(q *Request, set *board.Set) string {
	k := choiceKey{set: set}
	s.reads.mask(&k.facts, q)
	l := s.leases.find(&k)
	if l == nil || !l.has {
		return ""
	}
	now := s.now()
	return fmt.Sprintf("fresh for %s more, stale for %s",
		max(0, l.fresh.Sub(now)).Round(time.Millisecond), max(0, l.until.Sub(now)).Round(time.Millisecond))
}

// SideStats are the figures of one selector of a step.
type SideStats struct {
	Plugin string
	// Fresh and Stale plans came from a lease, Asked from the plugin.
	Fresh, Stale, Asked int64
}

func (s *side) stats() SideStats {
	return SideStats{
		Plugin: s.plugin.Address(),
		Fresh:  s.leases.fresh.Load(), Stale: s.leases.stale.Load(), Asked: s.counts.asked.Load(),
	}
}
