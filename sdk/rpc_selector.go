package sdk

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// selectorServer rebuilds for the author what the wire sends in two parts: the
// candidates' static half once a generation, their live half with each call.
type selectorServer struct {
	proto.UnimplementedSelectorServer
	*server
	impl Selector

	mu sync.RWMutex
	// newest and previous: while a host switches generations, requests of both
	// are under way.
	newest, previous *generation
}

// generation is the static half, by ref.
type generation struct {
	id         uint64
	candidates []Candidate
}

// Learn is part of proto.SelectorServer.
func (s *selectorServer) Learn(_ context.Context, r *proto.LearnRequest) (*proto.LearnResponse, error) {
	if err := s.configured(); err != nil {
		return nil, err
	}
	g := &generation{id: r.GetGeneration(), candidates: make([]Candidate, len(r.GetCandidates()))}
	channels := make([]Channel, len(r.GetChannels()))
	for i, c := range r.GetChannels() {
		channels[i] = channelFromProto(c)
	}
	for i, c := range r.GetCandidates() {
		if int(c.GetChannel()) >= len(channels) {
			return nil, status.Errorf(codes.InvalidArgument, "candidate %d is on channel %d of %d", i, c.GetChannel(), len(channels))
		}
		g.candidates[i] = Candidate{
			Ref: uint32(i), Channel: &channels[c.GetChannel()], Model: c.GetModel(), Priority: int(c.GetPriority()),
			Weight: c.GetWeight(), InputPrice: c.InputPrice, OutputPrice: c.OutputPrice, ContextTokens: c.GetContextTokens(),
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest != nil && s.newest.id != g.id {
		s.previous = s.newest
	}
	s.newest = g
	return &proto.LearnResponse{}, nil
}

func (s *selectorServer) generation(id uint64) *generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range []*generation{s.newest, s.previous} {
		if g != nil && g.id == id {
			return g
		}
	}
	return nil
}

// Select is part of proto.SelectorServer.
func (s *selectorServer) Select(ctx context.Context, r *proto.SelectRequest) (*proto.Plan, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.Plan, error) {
		g := s.generation(r.GetGeneration())
		if g == nil {
			return nil, status.Errorf(codes.FailedPrecondition, "generation %x was not learned", r.GetGeneration())
		}
		candidates, err := g.with(r.GetCandidates())
		if err != nil {
			return nil, err
		}
		plan, err := s.impl.Select(ctx, requestFromProto(r.GetRequest()), candidates)
		if err != nil {
			return nil, err
		}
		// The author may have sorted the candidates, hence those of the wire.
		if err := plan.Check(g.offered(r.GetCandidates())); err != nil {
			return nil, err
		}
		return planToProto(plan), nil
	})
}

// with adds the live half.
func (g *generation) with(live []*proto.Live) ([]Candidate, error) {
	cs := make([]Candidate, len(live))
	for i, l := range live {
		if int(l.GetRef()) >= len(g.candidates) {
			return nil, status.Errorf(codes.InvalidArgument, "candidate %d of %d", l.GetRef(), len(g.candidates))
		}
		c := &cs[i]
		*c = g.candidates[l.GetRef()]
		c.Fallback = int(l.GetFallback())
		c.Health = HealthState(l.GetHealth())
		c.TTFT = l.GetTtft().AsDuration()
		c.ErrorRate = l.GetErrorRate()
		c.InFlight = int(l.GetInFlight())
	}
	return cs, nil
}

// offered knows the candidates of a call. One that an author made up has
// another channel.
func (g *generation) offered(live []*proto.Live) func(Candidate) bool {
	refs := make(map[uint32]bool, len(live))
	for _, l := range live {
		refs[l.GetRef()] = true
	}
	return func(c Candidate) bool {
		if !refs[c.Ref] {
			return false
		}
		known := g.candidates[c.Ref]
		return c.Channel == known.Channel && c.Model == known.Model
	}
}

func requestFromProto(r *proto.Request) Request {
	return Request{
		Model: r.GetModel(), Endpoint: Endpoint(r.GetEndpoint()), Stream: r.GetStream(), Size: r.GetSize(),
		Tokens: r.GetTokens(), Tools: r.GetTools(), Images: r.GetImages(), JSON: r.GetJson(), Key: r.GetKey(),
		Headers: r.GetHeaders(), Region: r.GetRegion(), Prefix: r.GetPrefix(), Now: timeFromProto(r.GetNow()),
	}
}

func planToProto(plan Plan) *proto.Plan {
	p := &proto.Plan{Lease: leaseToProto(plan.Lease)}
	for _, t := range plan.Tiers {
		if len(t.Picks) == 0 {
			continue
		}
		tier := &proto.Tier{Balance: string(t.Balance)}
		for _, pick := range t.Picks {
			tier.Picks = append(tier.Picks, &proto.Pick{Ref: pick.Candidate.Ref, Weight: pick.Weight, Reason: pick.Reason})
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}
