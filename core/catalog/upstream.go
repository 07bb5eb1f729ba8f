package catalog

import (
	"context"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// maxReplyBytes of an upstream are given to a plugin.
	maxReplyBytes = 8 << 20
	// upstreamTimeout bounds a plugin's upstream request, the wait for its
	// turn included.
	upstreamTimeout = time.Minute
)

// UpstreamFunc sends one request of a plugin to a channel, with the channel's
// credential. It reads at most r.MaxBytes of the reply.
type UpstreamFunc func(ctx context.Context, p *config.Plugin, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error)

// upstream is the router's HTTP client as one plugin may use it.
type upstream struct {
	do UpstreamFunc
	// plugin is its present configuration: a reload may change the rate.
	plugin atomic.Pointer[config.Plugin]
	// given are its grants that its manifest asks for.
	given atomic.Pointer[[]string]
	limit *rate.Limiter // over all its processes
}

func newUpstream(do UpstreamFunc, p *config.Plugin) *upstream {
	// Its bucket is full at first, which that of a changed limiter is not.
	u := &upstream{do: do, limit: rate.NewLimiter(rate.Limit(p.UpstreamRate), burst(p))}
	u.plugin.Store(p)
	u.given.Store(new([]string))
	return u
}

func (u *upstream) set(p *config.Plugin) {
	u.plugin.Store(p)
	u.limit.SetLimit(rate.Limit(p.UpstreamRate))
	u.limit.SetBurst(burst(p))
}

// burst is what a second allows.
func burst(p *config.Plugin) int { return int(math.Ceil(p.UpstreamRate)) }

// request carries out one request, or says with a gRPC code why not.
func (u *upstream) request(ctx context.Context, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	p := u.plugin.Load()
	if err := u.allow(ctx, p, &r); err != nil {
		return sdk.UpstreamResponse{}, err
	}
	if r.MaxBytes <= 0 || r.MaxBytes > maxReplyBytes {
		r.MaxBytes = maxReplyBytes
	}
	resp, err := u.do(ctx, p, channel, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return resp, status.FromContextError(ctx.Err()).Err()
	case err != nil:
		return resp, err // without a code it is Unavailable, see sdk/host
	case int64(len(resp.Body)) > r.MaxBytes:
		return resp, status.Errorf(codes.ResourceExhausted, "the reply is longer than %d bytes", r.MaxBytes)
	}
	return resp, nil
}

func (u *upstream) allow(ctx context.Context, p *config.Plugin, r *sdk.UpstreamRequest) error {
	switch r.Method {
	case "", http.MethodGet:
		r.Method = http.MethodGet
	case http.MethodPost:
		if !slices.Contains(*u.given.Load(), sdk.NeedBilledCalls) {
			return status.Errorf(codes.PermissionDenied, "a POST may be billed: the manifest of %s must need it, and grants = [%[2]q] give it", p.Address(), sdk.NeedBilledCalls)
		}
	default:
		return status.Errorf(codes.PermissionDenied, "method %q is not lent, GET and POST are", r.Method)
	}
	// It waits for its turn, unless its own deadline comes first.
	if err := u.limit.Wait(ctx); err != nil {
		return status.Errorf(codes.ResourceExhausted, "over the rate of %g upstream requests a second", p.UpstreamRate)
	}
	return nil
}
