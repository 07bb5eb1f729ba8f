package sdk

import (
	"context"
	"encoding/json"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type guardServer struct {
	proto.UnimplementedGuardServer
	*server
	impl Guard
}

// Inspect is part of proto.GuardServer.
func (s *guardServer) Inspect(ctx context.Context, r *proto.InspectRequest) (*proto.Ruling, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.Ruling, error) {
		ruling, err := s.impl.Inspect(ctx, requestFromProto(r.GetRequest()), r.GetPromptJson())
		if err != nil {
			return nil, err
		}
		p := &proto.Ruling{Lease: leaseToProto(ruling.Lease)}
		if e := ruling.Rejection; e != nil {
			p.Reject = &proto.Rejection{Status: int32(e.Status), Code: e.Code, Message: e.Message}
		}
		if len(ruling.Patch) > 0 {
			p.PatchJson, err = json.Marshal(ruling.Patch)
		}
		return p, err
	})
}
