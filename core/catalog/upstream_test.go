package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestUpstreamIsLent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method string
		grants []string
		rate   float64
		reply  string
		err    error

		want string
		code codes.Code
	}{
		"a GET":            {method: "", rate: 10, reply: "models", want: "models"},
		"a POST":           {method: "POST", rate: 10, code: codes.PermissionDenied},
		"a granted POST":   {method: "POST", grants: []string{sdk.NeedBilledCalls}, rate: 10, reply: "ok", want: "ok"},
		"a DELETE":         {method: "DELETE", grants: []string{sdk.NeedBilledCalls}, rate: 10, code: codes.PermissionDenied},
		"a long reply":     {rate: 10, reply: strings.Repeat("x", maxReplyBytes+1), code: codes.ResourceExhausted},
		"nobody there":     {rate: 10, err: errors.New("connection refused"), code: codes.Unavailable},
		"an error's code":  {rate: 10, err: status.Error(codes.DeadlineExceeded, "slow"), code: codes.DeadlineExceeded},
		"more than it may": {rate: 0, code: codes.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plugin("prober", "asker")
			p.Grants, p.UpstreamRate = c.grants, c.rate
			cat := newCatalog(t, func(o *Options) {
				o.Upstream = func(ctx context.Context, by *config.Plugin, channel string, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
					if _, ok := ctx.Deadline(); !ok || by != p || channel != "a" || r.Endpoint != sdk.Models || r.MaxBytes != maxReplyBytes {
						t.Errorf("asked for %+v on %q by %v", r, channel, by)
					}
					return sdk.UpstreamResponse{Status: 200, Body: []byte(c.reply)}, c.err
				}
			})
			i := load(t, cat, p).Plugin(p.Address())
			h, err := i.Prober().Probe(t.Context(), sdk.Channel{Name: "a", Settings: map[string]string{"method": c.method}}, nil)
			if h.Reason != c.want || status.Code(err) != c.code {
				t.Errorf("answer is %.20q, %v", h.Reason, err)
			}
		})
	}
}

func TestUpstreamWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := plugin("prober", "asker")
		p.UpstreamRate = 5
		u := newUpstream(func(context.Context, *config.Plugin, string, sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			return sdk.UpstreamResponse{}, nil
		}, p)
		burst := func(n int) time.Duration {
			began := time.Now()
			for range n {
				if _, err := u.request(t.Context(), "a", sdk.UpstreamRequest{}); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		if took := burst(7).Round(time.Millisecond); took != 400*time.Millisecond {
			t.Errorf("7 requests at 5 a second took %v", took)
		}

		// Who has no time is told at once.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := u.request(ctx, "a", sdk.UpstreamRequest{}); status.Code(err) != codes.ResourceExhausted || ctx.Err() != nil {
			t.Errorf("error is %v", err)
		}

		// A reload changes the rate of a process that runs on.
		faster := *p
		faster.UpstreamRate = 1000
		u.set(&faster)
		if took := burst(100); took > 200*time.Millisecond {
			t.Errorf("100 requests at 1000 a second took %v", took)
		}
	})
}
