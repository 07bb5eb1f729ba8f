package sdk

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type adapterServer struct {
	proto.UnimplementedAdapterServer
	*server
	impl Adapter
}

// Prepare is part of proto.AdapterServer.
func (s *adapterServer) Prepare(ctx context.Context, r *proto.PrepareRequest) (*proto.Prepared, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.Prepared, error) {
		a, err := s.impl.Prepare(ctx, channelFromProto(r.GetChannel()), r.GetModel(), Endpoint(r.GetEndpoint()), r.GetStream())
		if err != nil {
			return nil, err
		}
		p := &proto.Prepared{
			Url: a.URL, Codec: a.Codec, Model: a.Model, Lease: leaseToProto(a.Lease),
			Auth: &proto.Auth{
				Kind: string(a.Auth.Kind), Name: a.Auth.Name, Value: a.Auth.Value, Expires: timeToProto(a.Auth.Expires),
				Service: a.Auth.Service, Region: a.Auth.Region,
			},
		}
		for _, h := range a.Headers {
			p.Headers = append(p.Headers, &proto.Header{Name: h.Name, Value: h.Value})
		}
		for _, e := range a.Edits {
			p.Edits = append(p.Edits, &proto.Edit{Op: string(e.Op), Field: e.Field, ValueJson: string(e.Value), To: e.To})
		}
		return p, nil
	})
}
