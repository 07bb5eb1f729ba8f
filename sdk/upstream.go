package sdk

import (
	"context"
	"time"
)

// Upstream is the router's pooled HTTP client, lent for one channel. The
// router turns an endpoint into a URL by the channel's adapter and adds the
// credential. Every failure to get an answer is an error with one of these
// gRPC codes: PermissionDenied (needs a grant), ResourceExhausted (rate limit,
// or a reply over 8 MiB), Unavailable (not reached), DeadlineExceeded.
type Upstream interface {
	Do(ctx context.Context, r UpstreamRequest) (UpstreamResponse, error)
}

// UpstreamRequest is one request to a channel.
type UpstreamRequest struct {
	// Method is GET by default. A POST needs the grant "billed_calls".
	Method   string
	Endpoint Endpoint
	// Model goes with endpoints that have one.
	Model string
	// Body is JSON. A chat is asked for in OpenAI's words: the router translates
	// them for a channel of another format.
	Body []byte
	// MaxBytes of the reply are read; 0: 8 MiB.
	MaxBytes int64
}

// UpstreamResponse is the answer, of whatever status.
type UpstreamResponse struct {
	Status  int
	Headers []Header
	Body    []byte
	// Latency runs from the request's first byte to the status line.
	Latency time.Duration
}
