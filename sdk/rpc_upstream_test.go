package sdk

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// askedUpstream answers with what it was asked in.
type askedUpstream struct {
	proto.UpstreamClient
	until *time.Time
}

func (a askedUpstream) Do(ctx context.Context, _ *proto.UpstreamRequest, _ ...grpc.CallOption) (*proto.UpstreamResponse, error) {
	*a.until, _ = ctx.Deadline()
	return &proto.UpstreamResponse{}, nil
}

func TestSilentUpstreamLeavesTimeForAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name        string
		call        time.Duration
		least, most time.Duration // kept
	}{
		{name: "a tenth", call: 4 * time.Second, least: 1, most: 400 * time.Millisecond},
		{name: "at most half a second", call: time.Hour, least: maxReserve, most: maxReserve},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.call)
			defer cancel()
			var until time.Time
			if _, err := (lentUpstream{client: askedUpstream{until: &until}}).Do(ctx, UpstreamRequest{}); err != nil {
				t.Fatal(err)
			}
			end, _ := ctx.Deadline()
			if kept := end.Sub(until); kept < c.least || kept > c.most {
				t.Errorf("%v of %v is kept for the plugin's answer", kept, c.call)
			}
		})
	}
}
