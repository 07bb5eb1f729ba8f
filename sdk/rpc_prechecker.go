package sdk

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type precheckerServer struct {
	proto.UnimplementedPrecheckerServer
	*server
	impl Prechecker
}

// Check is part of proto.PrecheckerServer.
func (s *precheckerServer) Check(ctx context.Context, r *proto.CheckRequest) (*proto.Availability, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.Availability, error) {
		channel := channelFromProto(r.GetChannel())
		c := Candidate{Channel: &channel, Model: r.GetModel()}
		a, err := s.impl.Check(ctx, c, s.upstream.lentFor(channel.Name))
		if err != nil {
			return nil, err
		}
		return &proto.Availability{Available: a.Available, Reason: a.Reason, Lease: leaseToProto(a.Lease)}, nil
	})
}
