package board

import "time"

// Whole is the share of a router that shares a limit with nobody.
const Whole = -1

// Limit names one of a channel's limits.
type Limit string

// The limits.
const (
	LimitInFlight Limit = "in_flight" // requests at the same time
	LimitRequests Limit = "requests"  // in a minute
	LimitTokens   Limit = "tokens"    // in a minute
)

// Limits are all of them.
var Limits = [...]Limit{LimitInFlight, LimitRequests, LimitTokens}

// Need is what a router needs of a limit.
type Need struct {
	// Used can't be given back now.
	Used int64
	// Wanted is what it would use at least, with what waits for it.
	Wanted int64
	// Least is the smallest part of that of any use: what one request takes.
	Least int64
	// Since is when it began that nothing goes on for want of it; zero: it does.
	Since time.Time
}

// Most is the channel's limit; 0: there is none.
func (c *Channel) Most(l Limit) int64 {
	switch l {
	case LimitInFlight:
		return int64(c.Config.MaxInFlight)
	case LimitRequests:
		return int64(c.Config.RequestsPerMinute)
	default:
		return int64(c.Config.TokensPerMinute)
	}
}

func (c *Channel) meter(l Limit) *meter {
	if l == LimitRequests {
		return &c.requests
	}
	return &c.tokens
}

// Share of a limit that this router has; [Whole]: it shares it with nobody.
func (c *Channel) Share(l Limit) int64 {
	if l == LimitInFlight {
		return c.places.share()
	}
	return c.meter(l).ownShare()
}

// SetShare gives this router its share of a limit, and answers what is used. Of
// the requests that come from then on, none goes beyond the share.
func (c *Channel) SetShare(l Limit, n int64) (used int64) {
	if l == LimitInFlight {
		used = c.places.setShare(n)
	} else {
		used = c.meter(l).setShare(n, c.now())
	}
	if c.gate.length.Load() > 0 {
		c.serve()
	}
	return used
}

// Used is how much of a limit is used now.
func (c *Channel) Used(l Limit) int64 {
	if l == LimitInFlight {
		return c.InFlight()
	}
	return c.meter(l).now(c.now())
}

// Need of a limit.
func (c *Channel) Need(l Limit) Need {
	line := c.gate.waiting()
	if l == LimitInFlight {
		if !c.crowded() {
			line = lined{} // it waits for another limit
		}
		used := c.InFlight()
		if used > 0 {
			line.since = time.Time{} // it goes on
		}
		// What was refused is told once.
		return Need{Used: used, Wanted: used + max(c.refused.Swap(0), line.requests), Least: 1, Since: line.since}
	}
	n := c.meter(l).need(c.now(), line.requests > 0)
	if line.requests == 0 {
		return n
	}
	wanted := line.requests
	n.Least = 1
	if l == LimitTokens {
		wanted, n.Least = line.tokens, min(line.first, c.Most(l))
	}
	n.Wanted = n.Used + wanted // what was refused is what came to the line, again and again
	if n.Since.IsZero() {
		n.Since = line.since
	}
	return n
}

// Share has every new channel begin without a share of its limits, until
// [Channel.SetShare] gives it one.
func (b *Board) Share(shared bool) { b.shared.Store(shared) }

// Short is told when a request was refused for want of a share.
func (b *Board) Short() <-chan struct{} { return b.short }

// wants notes that a request was refused that the whole limit may let through.
func (c *Channel) wants(l Limit) {
	if s := c.Share(l); s == Whole || s >= c.Most(l) {
		return
	}
	select {
	case c.short <- struct{}{}:
	default:
	}
}
