package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// shadow is a second selector that is asked the same as the first, and never
// obeyed: once for each plan of the first, and for a sample of the requests that
// get a plan from a lease. One worker asks, behind the requests.
type shadow struct {
	*side
	sample  float64
	queue   chan *comparison
	dropped atomic.Int64

	mu     sync.Mutex
	counts shadowCounts
	recent []Disagreement // the newest last
}

// shadowCounts are comparisons by how they ended.
type shadowCounts struct {
	same, order, first, failed int64
	// apart sums the shares of requests that would go elsewhere first.
	apart float64
}

const (
	// shadowRoom is how many comparisons wait.
	shadowRoom = 256
	// shadowRecent is how many disagreements are kept to be looked at.
	shadowRecent = 20
)

// comparison is one plan that the shadow is asked about.
type comparison struct {
	plan   *Plan
	set    *board.Set
	facts  sdk.Request
	result atomic.Pointer[decision.Shadow] // nil: not yet
}

// ShadowStats say how often a shadow would have decided otherwise.
type ShadowStats struct {
	Plugin string
	// Same plans; Order: only a later target differs; First: the first one does.
	Same, Order, First int64
	// Apart is the share of the compared requests, from 0 to 1, that would have
	// gone to another target first.
	Apart float64
	// Failed: the shadow gave no plan. Dropped: there were too many to ask.
	Failed, Dropped int64
	// Recent disagreements, the newest last.
	Recent []Disagreement
}

// Disagreement is a request that a shadow would have sent elsewhere.
type Disagreement struct {
	At    time.Time
	Model string
	Key   string // the caller's name
	// Result is "first" or "order".
	Result string
	// Chosen and Shadow are the first targets of the two plans, and Why is the
	// shadow's reason.
	Chosen, Shadow, Why string
}

func newShadow(s *config.Step, o Options, log hclog.Logger) *shadow {
	if s.Shadow == nil {
		return nil
	}
	return &shadow{side: newSide(s.Shadow, s, o, log), sample: s.ShadowSample, queue: make(chan *comparison, shadowRoom)}
}

// watch has a choice compared, where it is its turn; nil: it is not.
func (s *shadow) watch(q *Request, c *Choice) *comparison {
	if s == nil || c.Side == Canary || c.Plan.made.at.IsZero() {
		return nil
	}
	turn := !c.Plan.shadowed.Load() && c.Plan.shadowed.CompareAndSwap(false, true)
	if !turn && (s.sample <= 0 || rand.Float64() >= s.sample) {
		return nil
	}
	x := s.compare(q, c)
	select {
	case s.queue <- x:
	default:
		s.dropped.Add(1)
		x.result.Store(&decision.Shadow{Result: "dropped"})
	}
	return x
}

func (s *shadow) compare(q *Request, c *Choice) *comparison {
	return &comparison{plan: c.Plan, set: c.Set, facts: s.reads.factsOf(q, c.Set.Model)}
}

// background is part of a step that works behind the requests.
func (s *shadow) background(ctx context.Context) {
	for {
		select {
		case x := <-s.queue:
			other, result := s.ask(ctx, x)
			if ctx.Err() != nil {
				return
			}
			s.count(x, other, result)
			x.result.Store(result)
		case <-ctx.Done():
			return
		}
	}
}

// ask asks the shadow what the first selector was asked: the same candidates,
// as they were then.
func (s *shadow) ask(ctx context.Context, x *comparison) (*Plan, *decision.Shadow) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	m := &x.plan.made
	out := &decision.Shadow{}
	other, _, err := s.side.ask(ctx, m.view, x.set, x.facts, m.live)
	if err != nil {
		out.Result, out.Error = "failed", err.Error()
		return nil, out
	}
	out.Tiers = other.record()
	d := decision.Compare(x.plan.record(), out.Tiers)
	out.Result, out.First = d.Result(), d.First
	return other, out
}

func (s *shadow) count(x *comparison, other *Plan, r *decision.Shadow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Result {
	case "failed":
		s.counts.failed++
		return
	case "same":
		s.counts.same++
		return
	case "order":
		s.counts.order++
	default:
		s.counts.first++
		s.counts.apart += r.First
	}
	if len(s.recent) == shadowRecent {
		s.recent = append(s.recent[:0], s.recent[1:]...)
	}
	s.recent = append(s.recent, Disagreement{
		At: s.now(), Model: x.set.Model, Key: x.facts.Key, Result: r.Result,
		Chosen: x.plan.firsts(), Shadow: other.firsts(), Why: other.tiers[0].picks[0].reason,
	})
}

func (s *shadow) stats() *ShadowStats {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	out := &ShadowStats{
		Plugin: s.plugin.Address(), Same: c.same, Order: c.order, First: c.first, Failed: c.failed,
		Dropped: s.dropped.Load(), Recent: append([]Disagreement(nil), s.recent...),
	}
	if n := c.same + c.order + c.first; n > 0 {
		out.Apart = c.apart / float64(n)
	}
	return out
}

// firsts are the targets of the first tier, in words.
func (p *Plan) firsts() string {
	const most = 4
	var names []string
	for i, k := range p.tiers[0].picks {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(p.tiers[0].picks)-most))
			break
		}
		names = append(names, k.Name())
	}
	return strings.Join(names, ", ")
}

// explain asks the shadow about this one request, and counts nothing.
func (s *shadow) explain(ctx context.Context, q *Request, v *Verdict, r *Report) {
	if s == nil || v.Choice.Plan.made.at.IsZero() {
		return
	}
	other, result := s.ask(ctx, s.compare(q, &v.Choice))
	switch result.Result {
	case "failed":
		r.say("shadow %s: no plan: %s", s.plugin.Address(), result.Error)
	case "same":
		r.say("shadow %s: the same plan", s.plugin.Address())
	case "order":
		r.say("shadow %s: the same first, then another order", s.plugin.Address())
	default:
		r.say("shadow %s: %.0f%% of such requests elsewhere first: %s", s.plugin.Address(), 100*result.First, other.firsts())
	}
	st := s.stats()
	if n := st.Same + st.Order + st.First; n > 0 {
		r.say("  of %d compared: %d another first (%.1f%% of the requests), %d another order, %d failed, %d dropped",
			n, st.First, 100*st.Apart, st.Order, st.Failed, st.Dropped)
	}
}
