package pipeline

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// precheck is the prechecker step. Only a head that was never seen up, or
// failed last, is worth a wait: the top targets are then checked at the same
// time, and the first one that is up goes first within its tier.
type precheck struct {
	cfg    *config.Step
	plugin Plugin
	leases *table[checkKey, sdk.Availability]
	now    func() time.Time
	log    hclog.Logger
	counts counts
}

// checkKey is a channel: that is what a prechecker finds out about, and there
// are far fewer than targets.
type checkKey struct{ *board.Channel }

func (k checkKey) hash(seed maphash.Seed) uint64 { return maphash.String(seed, k.Config.Name) }

// checks are per channel: that is what a prechecker finds out about, and far
// fewer than there are targets.
const precheckEntries = 4096

func newPrecheck(s *config.Step, o Options, log hclog.Logger) *precheck {
	return &precheck{
		cfg: s, plugin: o.Plugins(s.Plugin), now: o.Now, log: log,
		leases: newTable[checkKey, sdk.Availability](precheckEntries),
	}
}

func (p *precheck) name() string { return p.cfg.Name }

func (p *precheck) run(ctx context.Context, q *Request, v *Verdict) {
	plan := v.Walk.plan
	if plan == nil {
		return
	}
	// A look ahead: the walk itself is not used up.
	ahead := v.Walk
	head, _, ok := ahead.Next(q.Start)
	if !ok || head.Channel.Known() {
		p.renewBehind(head, q)
		return
	}
	top := []*board.Target{head}
	for len(top) < p.cfg.Top {
		t, _, ok := ahead.Next(q.Start)
		if !ok {
			break
		}
		top = append(top, t)
	}
	if found := p.race(ctx, q, plan, top); found != nil {
		v.Walk.head = found
	}
}

// renewBehind renews the availability of a head whose last success is long
// ago, without a wait.
func (p *precheck) renewBehind(t *board.Target, q *Request) {
	if t == nil {
		return
	}
	a := t.Channel.Availability()
	if a == nil || q.Start.Before(a.Until) {
		return
	}
	if _, f, renew := p.leases.get(&checkKey{t.Channel}, q.Start); f == missed || renew {
		p.leases.renew(checkKey{t.Channel}, p.question(t))
	}
}

// race checks the targets at the same time. It returns the first that is up,
// as soon as no target of a better tier can still turn out to be.
func (p *precheck) race(ctx context.Context, q *Request, plan *Plan, top []*board.Target) *board.Target {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	type result struct {
		at int
		up bool
	}
	results := make(chan result, len(top)) // so that no late check blocks
	for i, t := range top {
		if t.Channel.Known() {
			results <- result{i, true}
			continue
		}
		go func() {
			a, err := p.check(ctx, t, q.Start)
			results <- result{i, err == nil && a.Available}
		}()
	}
	tiers := make([]int, len(top))
	for i, t := range top {
		tiers[i] = plan.tierOf(t)
	}
	up := make([]bool, len(top))
	open := make([]bool, len(top))
	for i := range open {
		open[i] = true
	}
	first := -1
	for range top {
		select {
		case r := <-results:
			open[r.at], up[r.at] = false, r.up
			// Of one tier the first to answer wins; a better tier beats it.
			if r.up && (first < 0 || tiers[r.at] < tiers[first]) {
				first = r.at
			}
		case <-ctx.Done():
			p.counts.failed.Add(1)
			if first < 0 {
				return nil
			}
			return top[first]
		}
		if first < 0 {
			continue
		}
		better := false
		for i := range top {
			better = better || open[i] && tiers[i] < tiers[first]
		}
		if !better {
			return top[first]
		}
	}
	if first < 0 {
		return nil
	}
	return top[first]
}

// check is a leased availability, or a new one.
func (p *precheck) check(ctx context.Context, t *board.Target, now time.Time) (sdk.Availability, error) {
	if l, f, _ := p.leases.get(&checkKey{t.Channel}, now); f == fresh {
		return l.value, nil
	}
	return p.leases.ask(ctx, checkKey{t.Channel}, p.question(t))
}

func (p *precheck) question(t *board.Target) question[sdk.Availability] {
	return question[sdk.Availability]{
		now: p.now, timeout: p.cfg.Timeout,
		lease: sdk.Lease{Fresh: p.cfg.Fresh, Stale: p.cfg.Stale},
		ask: func(ctx context.Context) (sdk.Availability, sdk.Lease, error) {
			p.counts.asked.Add(1)
			a, err := p.plugin.Prechecker.Check(ctx, t.Channel.Info, t.Upstream)
			if err != nil {
				p.log.Debug("not checked", "channel", t.Channel.Config.Name, "err", err)
				return a, sdk.Lease{}, err
			}
			span := a.Lease
			if span.IsZero() {
				span.Fresh = p.cfg.Fresh
			}
			t.Channel.SetAvailability(board.Availability{
				Available: a.Available, Reason: a.Reason, Until: p.now().Add(span.Fresh),
			})
			return a, a.Lease, nil
		},
	}
}

// tierOf is the index of the target's tier.
func (p *Plan) tierOf(t *board.Target) int {
	for i := range p.tiers {
		for j := range p.tiers[i].picks {
			if p.tiers[i].picks[j].Target == t {
				return i
			}
		}
	}
	return len(p.tiers)
}

func (p *precheck) stats() StepStats {
	return StepStats{
		Step: p.cfg.Name, Kind: sdk.KindPrechecker,
		Fresh: p.leases.fresh.Load(), Stale: p.leases.stale.Load(),
		Asked: p.counts.asked.Load(), Failed: p.counts.failed.Load(),
	}
}
