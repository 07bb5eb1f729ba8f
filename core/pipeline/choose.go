package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// choose is the selector step.
type choose struct {
	cfg    *config.Step
	board  *board.Board
	plugin Plugin
	reads  reads
	leases *table[choiceKey, *Plan]
	now    func() time.Time
	log    hclog.Logger
	counts counts
	gen    generations
}

// choiceKey is what a plan is leased under. The set stands for the model, the
// fallbacks and the generation.
type choiceKey struct {
	set   *board.Set
	facts factKey
}

// hash mixes the strings that are there, and all else by its bits.
func (k choiceKey) hash(seed maphash.Seed) uint64 {
	f := &k.facts
	h := k.set.Seed ^ uint64(f.shape)
	h = mix(h ^ f.prefix ^ uint64(f.now)<<32)
	for _, s := range [...]string{string(f.endpoint), f.key, f.region, f.headers} {
		if s != "" {
			h = h*31 + maphash.String(seed, s)
		}
	}
	return h
}

func newChoose(s *config.Step, o Options, log hclog.Logger) *choose {
	p := o.Plugins(s.Plugin)
	return &choose{
		cfg: s, board: o.Board, plugin: p, now: o.Now, log: log,
		reads:  newReads(p.Manifest.Reads, s.Headers),
		leases: newTable[choiceKey, *Plan](tableEntries),
	}
}

func (c *choose) name() string { return c.cfg.Name }

func (c *choose) run(ctx context.Context, q *Request, v *Verdict) {
	view := c.board.View()
	if c.gen.moved(view) {
		c.leases.clear() // the sets of an old view are never asked for again
	}
	set := view.Resolve(q.Facts.Model, q.Fallbacks)
	if set == nil {
		v.Reject = notFound(q.Facts.Model)
		return
	}
	if q.Channel != "" {
		c.pin(q, set, v)
		return
	}
	plan, source, err := c.plan(ctx, q, view, set)
	if err != nil {
		v.Reject = unavailable(c.cfg.Name, err)
		return
	}
	v.Choice = Choice{Plan: plan, Source: source, Set: set}
	v.Walk.begin(plan, q)
}

func notFound(model string) *Rejection {
	return &Rejection{
		Status: 404, Code: "model_not_found", Param: "model",
		Message: fmt.Sprintf("The model %q does not exist on any channel of this router. GET /v1/models lists those that do.", model),
	}
}

// pin plans a request that only one channel can answer: there is nothing to
// choose.
func (c *choose) pin(q *Request, set *board.Set, v *Verdict) {
	there := &board.Set{Model: set.Model, Seed: set.Seed}
	for _, m := range set.Members {
		if m.Channel.Config.Name == q.Channel {
			there.Members = append(there.Members, m)
		}
	}
	if len(there.Members) == 0 {
		v.Reject = &Rejection{
			Status: 400, Code: "model_not_found", Param: "model",
			Message: fmt.Sprintf("The request goes on from what the channel %q keeps, and that channel does not have the model %q.", q.Channel, q.Facts.Model),
		}
		return
	}
	plan := declared(there)
	v.Choice = Choice{Plan: plan, Source: "pinned", Set: there}
	v.Walk.begin(plan, q)
}

// plan is a leased plan, or a new one. An error is returned only where the
// step says reject.
func (c *choose) plan(ctx context.Context, q *Request, view *board.View, set *board.Set) (*Plan, string, error) {
	k := choiceKey{set: set}
	c.reads.mask(&k.facts, q)
	l, f, renew := c.leases.get(&k, q.Start)
	switch f {
	case fresh:
		return l.value, "fresh", nil
	case stale:
		if renew {
			c.leases.renew(c.own(k), c.question(q, view, set))
		}
		return l.value, "stale", nil
	case failed:
		return c.onError(l, set, l.err)
	}
	plan, err := c.leases.ask(ctx, c.own(k), c.question(q, view, set))
	if err == nil {
		return plan, "asked", nil
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err() // the client has gone
	}
	return c.onError(l, set, err)
}

// own is the key with nothing in it that points into a request's body.
func (c *choose) own(k choiceKey) choiceKey {
	k.facts.region = strings.Clone(k.facts.region)
	return k
}

// onError answers without the plugin: by the last lease, however old, then in
// declared order; or not at all.
func (c *choose) onError(l *lease[choiceKey, *Plan], set *board.Set, err error) (*Plan, string, error) {
	c.counts.failed.Add(1)
	switch {
	case c.cfg.OnError == config.OnErrorReject:
		return nil, "", err
	case c.cfg.OnError == config.OnErrorStale && l != nil && l.has:
		return l.value, "failed lease", nil
	default:
		return declared(set), "declared", nil
	}
}

func (c *choose) question(q *Request, view *board.View, set *board.Set) question[*Plan] {
	// The request may be over before the answer is there: nothing of it is kept.
	facts := c.reads.factsOf(q, set.Model)
	return question[*Plan]{
		now: c.now, timeout: c.cfg.Timeout,
		lease: sdk.Lease{Fresh: c.cfg.Fresh, Stale: c.cfg.Stale},
		ask: func(ctx context.Context) (*Plan, sdk.Lease, error) {
			c.counts.asked.Add(1)
			live := make([]host.Live, len(set.Members))
			for i, m := range set.Members {
				l := &live[i]
				l.Ref, l.Fallback = m.Ref, m.Fallback
				l.Health, l.TTFT, l.ErrorRate, l.InFlight = m.Live()
			}
			answer, err := c.plugin.Selector.Select(ctx, c.gen.of(view), facts, live)
			if err == nil {
				var plan *Plan
				if plan, err = compile(answer, set); err == nil {
					return plan, answer.Lease, nil
				}
				err = fmt.Errorf("%s: %w", c.cfg.Plugin.Address(), err)
			}
			if !errors.Is(err, context.Canceled) {
				c.log.Warn("no plan", "plugin", c.cfg.Plugin.Address(), "model", set.Model, "on_error", c.cfg.OnError, "err", err)
			}
			return nil, sdk.Lease{}, err
		},
	}
}

func (c *choose) stats() StepStats {
	return StepStats{
		Step: c.cfg.Name, Kind: sdk.KindSelector,
		Fresh: c.leases.fresh.Load(), Stale: c.leases.stale.Load(),
		Asked: c.counts.asked.Load(), Failed: c.counts.failed.Load(),
	}
}
