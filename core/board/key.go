package board

import (
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// keyWorked keeps that a live request was answered: of a provider that lists
// its models to everyone, nothing else shows that a key is valid.
func (b *Board) keyWorked(c *Channel) {
	if c.health.Load().Key == sdk.KeyValid || c.Config.Secret == "" {
		return // the common request writes nothing
	}
	if ban := c.ban.Load(); ban != nil && ban.Class == Auth {
		return // refused since: this request was under way before that
	}
	b.learnKey(c, sdk.KeyValid)
}

// learnKey keeps a key's state until something else is found out. It has no
// lease, as no probe could renew it.
func (b *Board) learnKey(c *Channel, state sdk.KeyState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := *c.health.Load()
	if h.Key == state {
		return
	}
	h.Key, h.KeyUntil, h.Learned.Key = state, time.Time{}, b.now()
	c.health.Store(&h)
	b.keeper.note(place{channel: c.Config.Name})
}
