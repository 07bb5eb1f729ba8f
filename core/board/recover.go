package board

import (
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Ailing reports whether the channel is worth a probe sooner than its leases
// say: it is down, or a fault banned it or a target of it since it was last
// seen up. One whose key or quota is out rests.
func (c *Channel) Ailing(now time.Time) bool {
	if b := c.ban.Load(); b != nil && b.Class.Hard() && !b.Ended(now) {
		return false
	}
	a := c.avail.Load()
	return a != nil && !a.Available || c.doubted.Load()
}

// Key is what is known of the channel's credential: a request that was refused
// for it says more than the last probe.
func (c *Channel) Key(now time.Time) sdk.KeyState {
	if b := c.ban.Load(); b != nil && b.Class == Auth && !b.Ended(now) {
		return sdk.KeyInvalid
	}
	return c.health.Load().Key
}

// seenUp lets requests try the channel and its targets before their bans run
// out: one each, after the back-off.
func (b *Board) seenUp(c *Channel) {
	if !c.doubted.Swap(false) {
		return
	}
	b.soon(&c.seat)
	for _, t := range b.View().Targets {
		if t.Channel.channelLive == c.channelLive && b.soon(&t.seat) {
			// A selector that goes by it would keep the trial away.
			t.errorRate.reset()
		}
	}
}

// soon gives a ban its trial, and reports whether it needed one.
func (b *Board) soon(s *seat) bool {
	ban := s.ban.Load()
	if ban == nil || !ban.guess() || !ban.Trial.IsZero() {
		return false
	}
	early := *ban
	early.Trial = ban.Since.Add(ban.backoff(b.terms.Load()))
	return s.ban.CompareAndSwap(ban, &early) // else somebody knows better
}
