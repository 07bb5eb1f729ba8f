package board

import (
	"maps"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// lift is what is left of bans that were lifted, so that no router that has not
// heard of it brings one back: when that was last, by class. It does not change.
type lift map[string]time.Time

// The other times of a lift: of whatever there was, by an operator, and of
// guesses, of which one class stands for all.
const (
	liftAll   = "all"
	liftGuess = "guess"
)

// with is the lift once a ban was lifted too.
func (l lift) with(b *Ban, all bool, now time.Time) lift {
	name := b.Class.String()
	switch {
	case all:
		name = liftAll
	case b.guess():
		name = liftGuess
	}
	return l.join(lift{name: now})
}

// join is what two routers know together.
func (l lift) join(other lift) lift {
	out := maps.Clone(l)
	if out == nil {
		out = make(lift, len(other))
	}
	for name, at := range other {
		if at.After(out[name]) {
			out[name] = at
		}
	}
	return out
}

// over reports whether l says more than other.
func (l lift) over(other lift) bool {
	for name, at := range l {
		if at.After(other[name]) {
			return true
		}
	}
	return false
}

// covers reports whether the ban was lifted. One that began later was not, and
// what an upstream said is not taken back by a request that knew nothing of it.
func (l lift) covers(b *Ban) bool {
	for _, name := range [...]string{liftAll, liftGuess, b.Class.String()} {
		if at, ok := l[name]; ok && !b.Since.After(at) && (name != liftGuess || b.guess()) {
			return true
		}
	}
	return false
}

// last is when something was lifted last.
func (l lift) last() (at time.Time) {
	for _, t := range l {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// outranks orders bans of one place, in every router alike: where two know
// different ones, both end up with the same. An operator's word goes first, his
// last one; then what is said by the upstream before what is a guess, and the
// later end.
func (b *Ban) outranks(other *Ban) bool {
	if first, second := b.Class == Manual, other.Class == Manual; first != second {
		return first
	} else if !first {
		if hard := b.Class.Hard(); hard != other.Class.Hard() {
			return hard
		}
		if unending := b.Until.IsZero(); unending != other.Until.IsZero() {
			return unending
		}
		if !b.Until.Equal(other.Until) {
			return b.Until.After(other.Until)
		}
	}
	if !b.Since.Equal(other.Since) {
		return b.Since.After(other.Since)
	}
	return b.Class < other.Class
}

// mergeBan takes in what the store has of a place. It reports whether this
// router knows better, so that the store is to get that.
func (b *Board) mergeBan(c *Channel, model string, s *seat, k *keptBan, account Fingerprint) bool {
	now, theirs, lifted := b.now(), k.Ban, k.Lifted
	if k.Account != account(c.Config) {
		// An operator's word is about the channel, whatever its account is.
		if theirs != nil && theirs.Class != Manual {
			theirs = nil
		}
		if at, ok := lifted[liftAll]; ok {
			lifted = lift{liftAll: at}
		} else {
			lifted = nil
		}
	}
	known := s.learn(lifted)
	better := known.over(k.Lifted)
	if theirs != nil && (theirs.Ended(now) || known.covers(theirs)) {
		theirs = nil
	}
	b.swap(c, model, s, func(ours *Ban) *Ban {
		lasts := ours != nil && !ours.Ended(now) && !known.covers(ours)
		better = better || lasts && (theirs == nil || ours.outranks(theirs))
		switch {
		case theirs != nil && (!lasts || theirs.outranks(ours)):
			return theirs
		case ours != nil && known.covers(ours):
			return nil
		default:
			return ours
		}
	})
	return better
}

// learn adds to what is known of lifted bans, and answers that.
func (s *seat) learn(l lift) lift {
	for {
		old := s.lifted.Load()
		var known lift
		if old != nil {
			known = *old
		}
		if !l.over(known) {
			return known
		}
		known = known.join(l)
		if s.lifted.CompareAndSwap(old, &known) {
			return known
		}
	}
}

// mergeHealth takes in what the store has of a channel: of each part, what was
// found out last. It reports whether this router knows better. The caller holds
// b.mu, and builds the view anew where the models changed.
func (b *Board) mergeHealth(c *Channel, k *Health) (better bool) {
	was := c.health.Load()
	h := *was
	newer := func(theirs, ours time.Time) bool {
		better = better || ours.After(theirs)
		return theirs.After(ours)
	}
	if newer(k.Learned.Health, was.Learned.Health) {
		h.State, h.Reason, h.Until, h.Learned.Health = k.State, k.Reason, k.Until, k.Learned.Health
		b.sawState(c, &h)
	}
	if newer(k.Learned.Key, was.Learned.Key) {
		// A ban for the key comes, or is lifted, by itself.
		h.Key, h.KeyUntil, h.Learned.Key = k.Key, k.KeyUntil, k.Learned.Key
	}
	if newer(k.Learned.Models, was.Learned.Models) {
		h.Listed, h.Models, h.ModelsUntil, h.Learned.Models = k.Listed, k.Models, k.ModelsUntil, k.Learned.Models
		// With what the list says of them.
		h.SpecsUntil, h.Learned.Specs = k.SpecsUntil, k.Learned.Specs
		h.PricesUntil, h.Learned.Prices = k.PricesUntil, k.Learned.Prices
	}
	c.health.Store(&h)
	return better
}

// sawState keeps what a probe found of the way to a channel.
func (b *Board) sawState(c *Channel, h *Health) {
	if h.State != sdk.HealthUp && h.State != sdk.HealthDown {
		return
	}
	c.SetAvailability(Availability{Available: h.State == sdk.HealthUp, Reason: h.Reason, Until: h.Until})
	if h.State == sdk.HealthUp {
		b.seenUp(c)
	}
}

// seats calls f with every place that a ban can be at.
func (v *View) seats(f func(p place, c *Channel, s *seat)) {
	for _, c := range v.Channels {
		f(place{channel: c.Config.Name}, c, &c.seat)
	}
	for _, t := range v.Targets {
		f(place{t.Channel.Config.Name, t.Model}, t.Channel, &t.seat)
	}
}

// Fingerprint identifies an account without revealing its credential, so that
// what was kept for an old key is not believed of a new one.
type Fingerprint func(*config.Channel) string
