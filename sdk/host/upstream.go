package host

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Do carries out one upstream request of a plugin for a channel. Its errors
// should have one of the codes that [sdk.Upstream] names.
type Do func(ctx context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error)

// ServeUpstream lends do to the plugin that dials l. stop closes l, cancels
// the requests under way and returns when their handlers have.
func ServeUpstream(l net.Listener, do Do) (stop func()) {
	g := grpc.NewServer(grpc.MaxRecvMsgSize(sdk.MaxMessageBytes), grpc.WaitForHandlers(true))
	proto.RegisterUpstreamServer(g, upstreamServer{do: do})
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends by stop, or by the listener's being closed: either is wanted.
		_ = g.Serve(l)
	}()
	return func() {
		g.Stop()
		<-done
	}
}

type upstreamServer struct {
	proto.UnimplementedUpstreamServer
	do Do
}

// Do is part of proto.UpstreamServer.
func (s upstreamServer) Do(ctx context.Context, r *proto.UpstreamRequest) (*proto.UpstreamResponse, error) {
	if r.GetMaxBytes() < 0 {
		return nil, status.Errorf(codes.InvalidArgument, "max_bytes is %d", r.GetMaxBytes())
	}
	a, err := s.do(ctx, r.GetChannel(), sdk.UpstreamRequest{
		Method: r.GetMethod(), Endpoint: sdk.Endpoint(r.GetEndpoint()), Model: r.GetModel(), Body: r.GetBody(),
		MaxBytes: r.GetMaxBytes(),
	})
	if err != nil {
		if _, ok := status.FromError(err); ok {
			return nil, err
		}
		if s := status.FromContextError(err); s.Code() != codes.Unknown {
			return nil, s.Err()
		}
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	p := &proto.UpstreamResponse{Status: int32(a.Status), Body: a.Body, Latency: durationpb.New(a.Latency)}
	for _, h := range a.Headers {
		p.Headers = append(p.Headers, &proto.Header{Name: h.Name, Value: h.Value})
	}
	return p, nil
}
