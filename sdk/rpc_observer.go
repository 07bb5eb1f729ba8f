package sdk

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type observerServer struct {
	proto.UnimplementedObserverServer
	*server
	impl Observer
}

// Observe is part of proto.ObserverServer.
func (s *observerServer) Observe(ctx context.Context, r *proto.ObserveRequest) (*proto.ObserveResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.ObserveResponse, error) {
		batch := make([]Outcome, len(r.GetDecisionsJson()))
		for i, record := range r.GetDecisionsJson() {
			var err error
			if batch[i], err = outcomeFromRecord(record); err != nil {
				return nil, status.Errorf(codes.InvalidArgument, "decision %d: %v", i, err)
			}
		}
		return &proto.ObserveResponse{}, s.impl.Observe(ctx, batch)
	})
}
