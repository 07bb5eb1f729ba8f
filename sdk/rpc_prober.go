package sdk

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type proberServer struct {
	proto.UnimplementedProberServer
	*server
	impl Prober
}

// Probe is part of proto.ProberServer.
func (s *proberServer) Probe(ctx context.Context, r *proto.ProbeRequest) (*proto.ProbeResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.ProbeResponse, error) {
		channel := channelFromProto(r.GetChannel())
		h, err := s.impl.Probe(ctx, channel, s.upstream.lentFor(channel.Name))
		if err != nil {
			return nil, err
		}
		p := &proto.ProbeResponse{
			Health: proto.Health(h.State), Reason: h.Reason, Lease: leaseToProto(h.Lease),
			Key: proto.KeyState(h.Key), KeyLease: leaseToProto(h.KeyLease),
			Listed: h.Listed, ModelsLease: leaseToProto(h.ModelsLease),
			SpecsLease: leaseToProto(h.SpecsLease), PricesLease: leaseToProto(h.PricesLease),
		}
		for _, m := range h.Models {
			model := &proto.Model{
				Id: m.ID, Created: m.Created, OwnedBy: m.OwnedBy, ContextTokens: m.ContextTokens, OutputTokens: m.OutputTokens,
			}
			if m.Price.Known {
				model.Price = &proto.Price{Input: m.Price.Input, Output: m.Price.Output}
			}
			p.Models = append(p.Models, model)
		}
		return p, nil
	})
}
