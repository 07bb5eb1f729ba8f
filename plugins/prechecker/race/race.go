// Package race is the prechecker that a configuration gets if it names none.
//
// It asks a target's channel for its models, which spends nothing, and judges
// by the status line alone: whoever answers is reached. That the first of
// several that answer wins is the router's part, hence the name.
package race

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// race is the plugin; its tagged fields are the config block.
type race struct {
	RetryAfter time.Duration `config:"retry_after" doc:"how long a target that could not be reached is believed to be so" min:"0s"`
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "race", Doc: "Calls a target reachable when its models endpoint answers.",
		Prechecker: &race{RetryAfter: 10 * time.Second},
	}
}

// replyBytes of a reply are read: enough to reuse the connection where a list
// is of usual length, and little where it is not.
const replyBytes = 64 << 10

// Check is part of sdk.Prechecker.
func (r *race) Check(ctx context.Context, _ sdk.Candidate, up sdk.Upstream) (sdk.Availability, error) {
	resp, err := up.Do(ctx, sdk.UpstreamRequest{Endpoint: sdk.Models, MaxBytes: replyBytes})
	if err == nil {
		a := sdk.Availability{Available: reached(resp.Status)}
		a.Reason = fmt.Sprintf("models endpoint answered %d in %s", resp.Status, resp.Latency.Round(time.Millisecond))
		return r.leased(a), nil
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return r.leased(sdk.Availability{Reason: err.Error()}), nil
	default:
		// The request was not made, which says nothing about the target.
		return sdk.Availability{}, fmt.Errorf("prechecker(race): %w", err)
	}
}

// leased leaves the lease of what is available to the step.
func (r *race) leased(a sdk.Availability) sdk.Availability {
	if !a.Available {
		a.Lease = sdk.For(r.RetryAfter)
		if r.RetryAfter == 0 {
			a.Lease = sdk.NoLease
		}
	}
	return a
}

// reached tells a target that would take a request from one that would refuse
// it: whatever is asked (5xx, a redirect), of this key (401, 402, 403), or now
// (408, 429). Other refusals are about the models endpoint, which not every
// provider has.
func reached(code int) bool {
	switch code {
	case 401, 402, 403, 407, 408, 429:
		return false
	case 501:
		return true
	default:
		return code >= 200 && code < 300 || code >= 400 && code < 500
	}
}
