package pipeline

import (
	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The sides of a selector step with a canary.
const (
	Primary = "primary"
	Canary  = "canary"
	// Fallback: it was the canary's turn, but that gave no plan, and the primary
	// did.
	Fallback = "fallback"
)

// canary is a second selector that decides a share of the requests.
type canary struct {
	*side
	cfg  *config.Canary
	salt uint64
}

func newCanary(s *config.Step, o Options, log hclog.Logger) *canary {
	if s.Canary == nil {
		return nil
	}
	return &canary{
		side: newSide(s.Canary.Plugin, s, o, log), cfg: s.Canary,
		// Two canaries are not to try their luck with the same callers.
		salt: fnv64(s.Canary.Plugin.Address()),
	}
}

// takes tells whether a request is the canary's. Equal facts go the same way, in
// every router and after a restart, and a greater share adds to a smaller one.
func (c *canary) takes(q *Request) bool {
	u := float64(mix(c.fact(q)^c.salt)>>11) / (1 << 53)
	return u*100 < c.cfg.Percent
}

// fact is a hash of what the requests are split by.
func (c *canary) fact(q *Request) uint64 {
	by := c.cfg.By
	if by == "" {
		by = sdk.FactKey
		if q.Facts.Key == "" {
			by = sdk.FactPrefix
		}
	}
	return q.hashOf(by)
}
