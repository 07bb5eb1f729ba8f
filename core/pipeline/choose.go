package pipeline

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// choose is the selector step.
type choose struct {
	cfg     *config.Step
	board   *board.Board
	primary *side
	canary  *canary // nil: none
	shadow  *shadow // nil: none
	failed  atomic.Int64
	now     func() time.Time
}

// choiceKey is what a plan is leased under. The set stands for the model, the
// fallbacks and the generation.
type choiceKey struct {
	set   *board.Set
	facts factKey
}

func (k choiceKey) hash(seed maphash.Seed) uint64 {
	return k.facts.hash(seed, k.set.Seed)
}

// hash mixes into h the strings that are there, and all else by its bits.
func (f *factKey) hash(seed maphash.Seed, h uint64) uint64 {
	h = mix(h ^ uint64(f.shape) ^ f.prefix ^ uint64(f.now)<<32)
	for _, s := range [...]string{string(f.endpoint), f.key, f.region, f.headers} {
		if s != "" {
			h = h*31 + maphash.String(seed, s)
		}
	}
	return h
}

func newChoose(s *config.Step, o Options, log hclog.Logger) *choose {
	return &choose{
		cfg: s, board: o.Board, now: o.Now,
		primary: newSide(s.Plugin, s, o, log), canary: newCanary(s, o, log), shadow: newShadow(s, o, log),
	}
}

func (c *choose) name() string { return c.cfg.Name }

func (c *choose) run(ctx context.Context, q *Request, v *Verdict) {
	view := c.board.View()
	c.primary.turn(view)
	set := view.Resolve(q.Facts.Model, q.Fallbacks)
	if set == nil {
		c.board.Unknown()
		v.Reject = notFound(q.Facts.Model)
		return
	}
	if q.Channel != "" {
		c.pin(q, set, v)
		return
	}
	plan, source, side, err := c.plan(ctx, q, view, set)
	if err != nil {
		v.Reject = unavailable(c.cfg.Name, err)
		return
	}
	v.Choice = Choice{Plan: plan, Source: source, Side: side, Set: set, step: c}
	v.Choice.shadow = c.shadow.watch(q, &v.Choice)
	v.Walk.begin(plan, q)
}

// background runs the shadow.
func (c *choose) background(ctx context.Context) {
	if c.shadow != nil {
		c.shadow.background(ctx)
	}
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
	v.Choice = Choice{Plan: plan, Source: "pinned", Set: there, step: c}
	v.Walk.begin(plan, q)
}

// plan is that of the side whose turn it is. An error is returned only where the
// step says reject.
func (c *choose) plan(ctx context.Context, q *Request, view *board.View, set *board.Set) (_ *Plan, source, side string, _ error) {
	if c.canary != nil {
		c.canary.turn(view)
		side = Primary
		if c.canary.takes(q) {
			plan, source, _, err := c.canary.plan(ctx, q, view, set)
			if err == nil {
				return plan, source, Canary, nil
			}
			side = Fallback
		}
	}
	plan, source, l, err := c.primary.plan(ctx, q, view, set)
	switch {
	case err == nil:
		return plan, source, side, nil
	case ctx.Err() != nil:
		return nil, "", side, ctx.Err() // the client has gone
	}
	plan, source, err = c.onError(l, set, err)
	return plan, source, side, err
}

// onError answers without the plugin: by the last lease, however old, then in
// declared order; or not at all.
func (c *choose) onError(l *lease[choiceKey, *Plan], set *board.Set, err error) (*Plan, string, error) {
	c.failed.Add(1)
	switch {
	case c.cfg.OnError == config.OnErrorReject:
		return nil, "", err
	case c.cfg.OnError == config.OnErrorStale && l != nil && l.has:
		return l.value, "failed lease", nil
	default:
		return declared(set), "declared", nil
	}
}

func (c *choose) memories(now time.Time) []board.Memory {
	all := []board.Memory{c.primary.leases.memory(memoryPlans, now)}
	if c.canary != nil {
		all = append(all, c.canary.leases.memory(memoryPlans, now))
	}
	return all
}

func (c *choose) stats() StepStats {
	p := c.primary.stats()
	out := StepStats{
		Step: c.cfg.Name, Kind: sdk.KindSelector, Fresh: p.Fresh, Stale: p.Stale, Asked: p.Asked, Failed: c.failed.Load(),
		Shadow: c.shadow.stats(),
	}
	if c.canary != nil {
		k := c.canary.stats()
		out.Canary = &k
		out.Fresh, out.Stale, out.Asked = out.Fresh+k.Fresh, out.Stale+k.Stale, out.Asked+k.Asked
	}
	return out
}
