package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// precheck is the prechecker step. Only a head that was never seen up, or
// failed last, is worth a wait: the top targets are then checked at the same
// time, and the first one that is up goes first within its tier. What a check
// finds is on the board, also where the plugin gives no answer later: so
// on_error = "stale" is "skip" here.
type precheck struct {
	cfg    *config.Step
	plugin Plugin
	leases *table[checkKey, sdk.Availability]
	now    func() time.Time
	log    hclog.Logger
	counts counts
	// known, lapsed and unknown count the looks at what is known of channels.
	known, lapsed, unknown atomic.Int64
}

// checkKey is a channel: that is what a prechecker finds out about, and there
// are far fewer than targets.
type checkKey struct{ *config.Channel }

func (k checkKey) hash(seed maphash.Seed) uint64 { return maphash.String(seed, k.Name) }

const (
	checkEntries = 4096
	// silentFor is how long a target that did not answer in time is believed
	// to be silent.
	silentFor = 10 * time.Second
)

func newPrecheck(s *config.Step, o Options, log hclog.Logger) *precheck {
	return &precheck{
		cfg: s, plugin: o.Plugins(s.Plugin), now: o.Now, log: log,
		leases: newTable[checkKey, sdk.Availability](checkEntries),
	}
}

func (p *precheck) name() string { return p.cfg.Name }

func (p *precheck) run(ctx context.Context, q *Request, v *Verdict) {
	ahead := v.Walk // a copy: the walk itself is not used up
	head, _, ok := ahead.Next(q.Start)
	if !ok {
		return
	}
	if head.Channel.Known() {
		if p.renewBehind(head, q.Start) {
			p.lapsed.Add(1)
		} else {
			p.known.Add(1)
		}
		return
	}
	r := race{step: p}
	for ; ok && len(r.top) < p.cfg.Top; head, _, ok = ahead.Next(q.Start) {
		r.add(head, v.Walk.plan.tierOf(head))
	}
	err := r.run(ctx, q.Start)
	if err != nil {
		p.counts.failed.Add(1)
		if p.cfg.OnError == config.OnErrorReject {
			v.Reject = unavailable(p.cfg.Name, err)
			return
		}
	}
	v.Walk.head, v.Walk.late = r.head(), r.late()
}

// renewBehind renews the availability of a head whose last success is long
// ago, without a wait; false: it is not.
func (p *precheck) renewBehind(t *board.Target, now time.Time) bool {
	a := t.Channel.Availability()
	if a == nil || now.Before(a.Until) {
		return false
	}
	k := checkKey{t.Channel.Config}
	if _, f, renew := p.leases.get(&k, now); f == missed || renew {
		p.leases.renew(k, p.question(t))
	}
	return true
}

// leased is what a lease says of the target, if anything.
func (p *precheck) leased(t *board.Target, now time.Time) (state, error) {
	if t.Channel.Known() {
		return up, nil
	}
	k := checkKey{t.Channel.Config}
	l, f, renew := p.leases.get(&k, now)
	switch {
	case f == failed:
		return unknown, l.err
	case f == missed:
		return open, nil
	case l.value.Available: // but not known any more: it failed since
		p.leases.drop(l)
		return open, nil
	case renew:
		p.leases.renew(k, p.question(t))
	}
	return down, nil
}

func (p *precheck) question(t *board.Target) question[sdk.Availability] {
	return question[sdk.Availability]{
		now: p.now, timeout: p.cfg.Timeout,
		lease: sdk.Lease{Fresh: p.cfg.Fresh, Stale: p.cfg.Stale},
		ask: func(ctx context.Context) (sdk.Availability, sdk.Lease, error) {
			p.counts.asked.Add(1)
			before := t.Channel.Availability()
			a, err := p.plugin.Prechecker.Check(ctx, t.Channel.Info, t.Upstream)
			if err != nil && ctx.Err() != nil {
				a = sdk.Availability{Reason: fmt.Sprintf("no answer in %s", p.cfg.Timeout), Lease: sdk.For(silentFor)}
			} else if err != nil {
				p.log.Debug("not checked", "channel", t.Channel.Config.Name, "err", err)
				return a, sdk.Lease{}, err
			}
			span := a.Lease
			if span.IsZero() {
				span.Fresh = p.cfg.Fresh
			}
			if a.Available || t.Channel.Availability() == before { // else a request brought newer news
				t.Channel.SetAvailability(board.Availability{
					Available: a.Available, Reason: a.Reason, Until: p.now().Add(span.Fresh),
				})
			}
			return a, a.Lease, nil
		},
	}
}

// race is one request's check of several targets at the same time.
type race struct {
	step *precheck
	top  []contender
	// first is the index of the first one that is up in the best tier, plus one.
	first int
}

// contender is a target in a race.
type contender struct {
	*board.Target
	tier  int
	state state
}

// state is what a race knows of a contender.
type state uint8

const (
	open state = iota
	up
	down
	unknown // the plugin could not tell
)

// add takes part in the race, once a channel.
func (r *race) add(t *board.Target, tier int) {
	for _, c := range r.top {
		if c.Channel == t.Channel {
			return
		}
	}
	r.top = append(r.top, contender{Target: t, tier: tier})
}

// run ends as soon as one is up and no open one is of a better tier. The error
// is the plugin's, where nothing was found out.
func (r *race) run(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, r.step.cfg.Timeout)
	defer cancel()
	type result struct {
		at    int
		state state
		err   error
	}
	results := make(chan result, len(r.top)) // so that no late check blocks
	var failed error
	waiting := 0
	for i := range r.top {
		c := &r.top[i]
		var err error
		if c.state, err = r.step.leased(c.Target, now); c.state != open {
			failed = cmp.Or(failed, err)
			r.settle(i)
			if c.state == unknown {
				r.step.unknown.Add(1)
			} else {
				r.step.known.Add(1)
			}
			continue
		}
		r.step.unknown.Add(1)
		waiting++
		go func() {
			a, err := r.step.leases.ask(ctx, checkKey{c.Channel.Config}, r.step.question(c.Target))
			switch {
			case err != nil:
				results <- result{i, unknown, err}
			case a.Available:
				results <- result{i, up, nil}
			default:
				results <- result{i, down, nil}
			}
		}()
	}
	for ; waiting > 0 && !r.decided(); waiting-- {
		select {
		case got := <-results:
			r.top[got.at].state = got.state
			r.settle(got.at)
			failed = cmp.Or(failed, got.err)
		case <-ctx.Done():
			waiting = 1
		}
	}
	if ctx.Err() != nil { // what is open now did not answer in time
		for i := range r.top {
			if r.top[i].state == open || r.top[i].state == unknown {
				r.top[i].state = down
			}
		}
	}
	if r.first > 0 {
		return nil
	}
	return failed
}

// settle notes the first one that is up: of one tier the first to answer, but
// a better tier beats it.
func (r *race) settle(at int) {
	if c := &r.top[at]; c.state == up && (r.first == 0 || c.tier < r.top[r.first-1].tier) {
		r.first = at + 1
	}
}

func (r *race) decided() bool {
	return r.first > 0 && !slices.ContainsFunc(r.top, func(c contender) bool {
		return c.state == open && c.tier < r.top[r.first-1].tier
	})
}

// head is the target to go first in its tier; nil: none is known to be up.
func (r *race) head() *board.Target {
	if r.first == 0 {
		return nil
	}
	return r.top[r.first-1].Target
}

// late are the channels to go after all others: they are down or silent, or
// the plugin could not tell and another one is up.
func (r *race) late() []*board.Channel {
	var out []*board.Channel
	for _, c := range r.top {
		if c.state == down || c.state == unknown && r.first > 0 {
			out = append(out, c.Channel)
		}
	}
	return out
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

// memories are the looks; the entries are the board's.
func (p *precheck) memories(time.Time) []board.Memory {
	return []board.Memory{{
		Kind: board.MemoryAvailability, Hits: p.known.Load(), StaleHits: p.lapsed.Load(), Misses: p.unknown.Load(),
	}}
}

func (p *precheck) stats() StepStats {
	return StepStats{
		Step: p.cfg.Name, Kind: sdk.KindPrechecker,
		Fresh: p.leases.fresh.Load(), Stale: p.leases.stale.Load(),
		Asked: p.counts.asked.Load(), Failed: p.counts.failed.Load(),
	}
}
