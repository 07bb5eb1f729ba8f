package sdk

import "context"

// Selector decides which targets a request goes to, and in what order.
type Selector interface {
	// Select answers a plan over some of the candidates, of which there is at
	// least one. It is called by many goroutines at once. What the router
	// knows at each try (bans, limits, requests in flight) it applies to the
	// plan itself. An error is counted, and the step's on_error rules.
	Select(ctx context.Context, r Request, cs []Candidate) (Plan, error)
}
