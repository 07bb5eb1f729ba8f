package board

import (
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Failure is a request that failed at a target.
type Failure struct {
	Class  Class
	Reason string
	// RetryAfter is the upstream's hint; 0: none.
	RetryAfter time.Duration
}

// Succeed counts a request out that the target answered. ttft is 0 where it
// was not measured.
func (b *Board) Succeed(t *Target, ttft time.Duration) {
	t.Leave()
	if ttft > 0 {
		t.ttft.add(float64(ttft), true)
	}
	t.errorRate.add(0, b.now)
	if t.failures.Load() != 0 {
		t.failures.Store(0)
	}
	c, now := t.Channel, b.now()
	// A fault is over then. A key, a quota or a rate, of which the upstream
	// itself spoke, is not: the request may have been under way before that.
	over := func(x *Ban) bool { return x.guess() || x.Ended(now) }
	if t.ban.Load() != nil {
		b.free(c, t.Model, &t.seat, over)
	}
	if c.ban.Load() != nil {
		b.free(c, "", &c.seat, over)
	}
	c.suspects.clear()
	b.keyWorked(c)
	// A live success renews availability for nothing. It is stored at most
	// once per lease half, so that the common request writes no shared line.
	if a := c.avail.Load(); a == nil || !a.Available || a.Until.Sub(now) < availability/2 {
		c.SetAvailability(Availability{Available: true, Reason: "answered a request", Until: now.Add(availability)})
	}
}

// availability is how long a live success stands for the channel.
const availability = time.Minute

// Fail counts a request out that failed at the target.
func (b *Board) Fail(t *Target, f Failure) {
	c := t.Channel
	where, s := t.Model, &t.seat
	if f.Class.Whole() {
		where, s = "", &c.seat
	}
	trial := s.trial.Load() != 0
	t.Leave()
	if f.Class == None {
		return
	}
	t.errorRate.add(1, b.now)
	if f.Class == Auth {
		b.learnKey(c, sdk.KeyInvalid)
	}
	if f.Class == Connect {
		c.SetAvailability(Availability{Reason: f.Reason, Until: b.now().Add(availability)})
	}
	counted := f.RetryAfter == 0 && (f.Class == Upstream || f.Class == Connect)
	if counted && int(t.failures.Add(1)) < b.terms.Load().Failures && t.ban.Load() == nil {
		return
	}
	if b.out(c, where, s, f, trial) && where != "" {
		b.suspect(t, f)
	}
}

// out bans who sits there, and reports whether that changed anything.
func (b *Board) out(c *Channel, model string, s *seat, f Failure, trial bool) bool {
	terms, now := b.terms.Load(), b.now()
	return b.put(c, model, s, func(last *Ban) *Ban { return next(terms, f, last, trial, now) })
}

// put replaces the ban of a channel, or of a model on it, by what change makes
// of it. That is told and kept.
func (b *Board) put(c *Channel, model string, s *seat, change func(last *Ban) *Ban) bool {
	return b.replace(c, model, s, false, change)
}

// replace is put; with all, a ban that it lifts was lifted by an operator's word.
func (b *Board) replace(c *Channel, model string, s *seat, all bool, change func(last *Ban) *Ban) bool {
	last, ban, ok := b.swap(c, model, s, change)
	if !ok {
		return false
	}
	if ban == nil {
		s.learn(lift{}.with(last, all, b.now()))
	}
	b.keeper.note(place{channel: c.Config.Name, model: model})
	return true
}

// swap is put without keeping it: for what the store has already.
func (b *Board) swap(c *Channel, model string, s *seat, change func(last *Ban) *Ban) (last, ban *Ban, ok bool) {
	for {
		last = s.ban.Load()
		ban = change(last)
		if ban == last {
			return last, ban, false
		}
		if !s.ban.CompareAndSwap(last, ban) {
			continue
		}
		s.trial.Store(0)
		if ban == nil {
			b.observer.Freed(c, model, last)
		} else {
			if ban.guess() {
				c.doubted.Store(true)
			}
			b.observer.Banned(c, model, ban)
		}
		return last, ban, true
	}
}

// free lifts a ban that is over.
func (b *Board) free(c *Channel, model string, s *seat, over func(*Ban) bool) {
	b.put(c, model, s, func(last *Ban) *Ban {
		if last != nil && over(last) {
			return nil
		}
		return last
	})
}

// Live is how a target does, for a selector.
func (t *Target) Live() (health sdk.HealthState, ttft time.Duration, errorRate float64, inFlight int) {
	health = t.Channel.health.Load().State
	if a := t.Channel.avail.Load(); a != nil && health != sdk.HealthMisconfigured {
		if a.Available {
			health = sdk.HealthUp
		} else {
			health = sdk.HealthDown
		}
	}
	return health, t.TTFT(), t.ErrorRate(), int(t.inFlight.Load())
}
