package sdk

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// upstreamConn is the plugin's end of the lent HTTP client: one connection to a
// router.
type upstreamConn struct {
	conn   *grpc.ClientConn
	client proto.UpstreamClient // nil where the host lends none
}

func (u *upstreamConn) dial(socket string) error {
	if u.conn != nil { // of the router before, where an author runs the plugin
		_ = u.conn.Close()
		u.conn, u.client = nil, nil
	}
	if socket == "" {
		return nil
	}
	// A dialer of its own, since a path may hold what a URL may not.
	conn, err := grpc.NewClient("passthrough:///upstream",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessageBytes)),
	)
	if err != nil {
		return err
	}
	u.conn, u.client = conn, proto.NewUpstreamClient(conn)
	return nil
}

// lentFor binds the client to one channel.
func (u *upstreamConn) lentFor(channel string) Upstream {
	return lentUpstream{client: u.client, channel: channel}
}

type lentUpstream struct {
	client  proto.UpstreamClient
	channel string
}

// maxReserve is the most that is kept of a call's time, of which a tenth is
// kept, for the plugin's own answer: one that learns of a silent upstream when
// its time is over can tell nobody.
const maxReserve = 500 * time.Millisecond

// Do is part of Upstream.
func (u lentUpstream) Do(ctx context.Context, r UpstreamRequest) (UpstreamResponse, error) {
	if u.client == nil {
		return UpstreamResponse{}, status.Error(codes.PermissionDenied, "upstream: the router lends none to this plugin")
	}
	if r.Method == "" {
		r.Method = "GET"
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(time.Until(end)/10, maxReserve)))
		defer cancel()
	}
	a, err := u.client.Do(ctx, &proto.UpstreamRequest{
		Channel: u.channel, Method: r.Method, Endpoint: string(r.Endpoint), Model: r.Model, Body: r.Body, MaxBytes: r.MaxBytes,
	})
	if err != nil {
		return UpstreamResponse{}, &upstreamError{status: status.Convert(err)}
	}
	resp := UpstreamResponse{Status: int(a.GetStatus()), Body: a.GetBody(), Latency: a.GetLatency().AsDuration()}
	for _, h := range a.GetHeaders() {
		resp.Headers = append(resp.Headers, Header{Name: h.GetName(), Value: h.GetValue()})
	}
	return resp, nil
}

// upstreamError reads better than gRPC's own and keeps its code.
type upstreamError struct{ status *status.Status }

func (e *upstreamError) Error() string              { return "upstream: " + e.status.Message() }
func (e *upstreamError) GRPCStatus() *status.Status { return e.status }

// Unwrap lets errors.Is find the end of a context.
func (e *upstreamError) Unwrap() error {
	switch e.status.Code() {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
