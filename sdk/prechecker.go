package sdk

import "context"

// Prechecker says whether a target can be reached before it gets a request.
// It must not cause a billed call.
type Prechecker interface {
	// Check is asked only about targets that were never seen up or failed
	// last, for some at the same time. An error counts as not known.
	Check(ctx context.Context, c Candidate, up Upstream) (Availability, error)
}

// Availability is a prechecker's answer. Its lease is one minute by default.
type Availability struct {
	Available bool
	// Reason is for people, such as "models endpoint answered 200".
	Reason string
	Lease  Lease
}
