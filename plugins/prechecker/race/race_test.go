package race

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type upstream func(sdk.UpstreamRequest) (sdk.UpstreamResponse, error)

func (u upstream) Do(_ context.Context, r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
	return u(r)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	short := sdk.For(10 * time.Second)
	tests := []struct {
		name   string
		status int
		err    error
		want   sdk.Availability
		failed bool
	}{
		{name: "lists", status: 200, want: sdk.Availability{Available: true, Reason: "models endpoint answered 200 in 35ms"}},
		{name: "has no list", status: 404, want: sdk.Availability{Available: true, Reason: "models endpoint answered 404 in 35ms"}},
		{name: "has no list either", status: 405, want: sdk.Availability{Available: true, Reason: "models endpoint answered 405 in 35ms"}},
		{name: "never heard of it", status: 501, want: sdk.Availability{Available: true, Reason: "models endpoint answered 501 in 35ms"}},
		{name: "bad key", status: 401, want: sdk.Availability{Reason: "models endpoint answered 401 in 35ms", Lease: short}},
		{name: "no money", status: 402, want: sdk.Availability{Reason: "models endpoint answered 402 in 35ms", Lease: short}},
		{name: "forbidden", status: 403, want: sdk.Availability{Reason: "models endpoint answered 403 in 35ms", Lease: short}},
		{name: "too many", status: 429, want: sdk.Availability{Reason: "models endpoint answered 429 in 35ms", Lease: short}},
		{name: "elsewhere", status: 302, want: sdk.Availability{Reason: "models endpoint answered 302 in 35ms", Lease: short}},
		{name: "broken", status: 503, want: sdk.Availability{Reason: "models endpoint answered 503 in 35ms", Lease: short}},
		{
			name: "not reached", err: status.Error(codes.Unavailable, "connection refused"),
			want: sdk.Availability{Reason: "rpc error: code = Unavailable desc = connection refused", Lease: short},
		},
		{
			name: "silent", err: status.Error(codes.DeadlineExceeded, "no answer within 2s"),
			want: sdk.Availability{Reason: "rpc error: code = DeadlineExceeded desc = no answer within 2s", Lease: short},
		},
		{name: "not asked: rate limit", err: status.Error(codes.ResourceExhausted, "slow down"), failed: true},
		{name: "not asked: no such endpoint", err: sdk.Unsupported("has no list of models"), failed: true},
		{name: "not asked: the caller left", err: context.Canceled, failed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := upstream(func(r sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
				if r.Method != "" || r.Endpoint != sdk.Models || r.Body != nil {
					t.Errorf("request %+v may be billed", r)
				}
				return sdk.UpstreamResponse{Status: tt.status, Latency: 35 * time.Millisecond}, tt.err
			})
			got, err := New().Prechecker.Check(context.Background(), sdk.Candidate{}, up)
			if (err != nil) != tt.failed {
				t.Fatalf("error %v", err)
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestRetryAfterZeroForbidsALease(t *testing.T) {
	t.Parallel()
	r := &race{}
	down := upstream(func(sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
		return sdk.UpstreamResponse{Status: 500}, nil
	})
	a, err := r.Check(context.Background(), sdk.Candidate{}, down)
	if err != nil || a.Lease != sdk.NoLease {
		t.Errorf("got %+v, %v", a, err)
	}
}
