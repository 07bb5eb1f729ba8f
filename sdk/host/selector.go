package host

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Generation is what selectors are told once: the candidates' static halves. A
// candidate's Ref is its index. It is not changed after its first use.
type Generation struct {
	// ID is a hash of channels, models, prices and plugins.
	ID         uint64
	Candidates []sdk.Candidate
}

// Live is how a candidate does at the time of a call.
type Live struct {
	// Ref is the index in Generation.Candidates.
	Ref uint32
	// Fallback is 0 for the model that was asked for, n for its n-th fallback.
	Fallback int
	Health   sdk.HealthState
	// TTFT is 0 where never measured.
	TTFT time.Duration
	// ErrorRate is from 0 to 1.
	ErrorRate float64
	InFlight  int
}

// Selector calls a selector plugin.
type Selector struct {
	plugin *Plugin
	client proto.SelectorClient

	mu       sync.Mutex
	learning map[uint64]*lesson // the two newest generations
	newest   uint64
}

// lesson is one generation's Learn, sent once for all who wait for it.
type lesson struct {
	done chan struct{}
	err  error // set before done is closed
}

// Selector is the plugin's selector. One is kept and used for all calls.
func (p *Plugin) Selector() *Selector {
	return &Selector{plugin: p, client: proto.NewSelectorClient(p.calls()), learning: make(map[uint64]*lesson)}
}

// Select asks for a plan over the candidates in live. In the plan's picks the
// candidates are those of g with the figures of live.
func (s *Selector) Select(ctx context.Context, g *Generation, r sdk.Request, live []Live) (sdk.Plan, error) {
	req := &proto.SelectRequest{Generation: g.ID, Request: requestToProto(r), Candidates: liveToProto(live)}
	lesson, err := s.learn(ctx, g)
	if err != nil {
		return sdk.Plan{}, s.plugin.wrap(err)
	}
	plan, err := s.client.Select(ctx, req)
	if status.Code(err) == codes.FailedPrecondition {
		// It forgot: two newer ones came between.
		s.forget(g.ID, lesson)
		if _, err = s.learn(ctx, g); err == nil {
			plan, err = s.client.Select(ctx, req)
		}
	}
	if err != nil {
		return sdk.Plan{}, s.plugin.wrap(err)
	}
	return s.planFromProto(plan, g, live)
}

// learn returns when the plugin knows g.
func (s *Selector) learn(ctx context.Context, g *Generation) (*lesson, error) {
	l, mine := s.lesson(g.ID)
	if mine {
		// Not bound to the first caller, who may have less time than all need.
		go s.teach(context.WithoutCancel(ctx), g, l)
	}
	select {
	case <-l.done:
		return l, l.err
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Selector) teach(ctx context.Context, g *Generation, l *lesson) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	if _, l.err = s.client.Learn(ctx, learnRequest(g)); l.err != nil {
		s.forget(g.ID, l)
	}
}

// learnTimeout is ample for some 100,000 candidates.
const learnTimeout = 5 * time.Second

// lesson reports true to the one caller who has to send it.
func (s *Selector) lesson(id uint64) (l *lesson, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.learning[id]; l != nil {
		return l, false
	}
	for known := range s.learning {
		if known != s.newest {
			delete(s.learning, known)
		}
	}
	l = &lesson{done: make(chan struct{})}
	s.learning[id], s.newest = l, id
	return l, true
}

func (s *Selector) forget(id uint64, l *lesson) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.learning[id] == l {
		delete(s.learning, id)
	}
}

func learnRequest(g *Generation) *proto.LearnRequest {
	r := &proto.LearnRequest{Generation: g.ID, Candidates: make([]*proto.Candidate, len(g.Candidates))}
	channels := make(map[*sdk.Channel]uint32)
	for i, c := range g.Candidates {
		at, ok := channels[c.Channel]
		if !ok {
			at = uint32(len(r.Channels))
			channels[c.Channel] = at
			r.Channels = append(r.Channels, channelToProto(*c.Channel))
		}
		r.Candidates[i] = &proto.Candidate{
			Channel: at, Model: c.Model, Priority: int32(c.Priority), Weight: c.Weight,
			InputPrice: c.InputPrice, OutputPrice: c.OutputPrice, ContextTokens: c.ContextTokens,
		}
	}
	return r
}

func liveToProto(live []Live) []*proto.Live {
	ps := make([]*proto.Live, len(live))
	for i, l := range live {
		ps[i] = &proto.Live{
			Ref: l.Ref, Fallback: uint32(l.Fallback), Health: proto.Health(l.Health), Ttft: durationToProto(l.TTFT),
			ErrorRate: l.ErrorRate, InFlight: int32(l.InFlight),
		}
	}
	return ps
}

func (s *Selector) planFromProto(p *proto.Plan, g *Generation, live []Live) (sdk.Plan, error) {
	offered := make(map[uint32]Live, len(live))
	for _, l := range live {
		offered[l.Ref] = l
	}
	plan := sdk.Plan{Lease: leaseFromProto(p.GetLease())}
	for _, t := range p.GetTiers() {
		if len(t.GetPicks()) == 0 {
			continue
		}
		tier := sdk.Tier{Balance: sdk.Balance(t.GetBalance()), Picks: make([]sdk.Pick, len(t.GetPicks()))}
		for i, pick := range t.GetPicks() {
			tier.Picks[i] = sdk.Pick{Candidate: sdk.Candidate{Ref: pick.GetRef()}, Weight: pick.GetWeight(), Reason: pick.GetReason()}
			if l, ok := offered[pick.GetRef()]; ok {
				tier.Picks[i].Candidate = l.on(g)
			}
		}
		plan.Tiers = append(plan.Tiers, tier)
	}
	isOffered := func(c sdk.Candidate) bool { _, ok := offered[c.Ref]; return ok }
	if err := plan.Check(isOffered); err != nil {
		return sdk.Plan{}, s.plugin.refuse("%v", err)
	}
	return plan, nil
}

// on is the whole candidate.
func (l Live) on(g *Generation) sdk.Candidate {
	c := g.Candidates[l.Ref]
	c.Ref, c.Fallback, c.Health, c.TTFT, c.ErrorRate, c.InFlight = l.Ref, l.Fallback, l.Health, l.TTFT, l.ErrorRate, l.InFlight
	return c
}
