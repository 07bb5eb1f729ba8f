package board

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Class is what went wrong with a request, as far as it says something about
// its target.
type Class uint8

// The classes. Auth and Quota are about the channel, the others about the target.
const (
	// None says nothing about the target: the request itself was wrong.
	None Class = iota
	// Auth: 401, 403. The key is of no use until somebody changes it.
	Auth
	// Quota: 429 or 402 that speaks of balance or quota.
	Quota
	// RateLimit: 429, or 403 that speaks of a rate.
	RateLimit
	// NotFound: 404, the channel does not have the model.
	NotFound
	// Upstream: 5xx, an answer that is none, a cut stream.
	Upstream
	// Timeout: silent for too long.
	Timeout
	// Connect: refused, reset, no such host, bad certificate.
	Connect
	// Manual: an operator's ban.
	Manual
	// Models: several models of a channel are banned, so all are in doubt.
	Models
)

var classNames = [...]string{"none", "auth", "quota", "rate_limit", "not_found", "upstream", "timeout", "connect", "manual", "models"}

// Classes are those that can ban.
var Classes = []Class{Auth, Quota, RateLimit, NotFound, Upstream, Timeout, Connect, Manual, Models}

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "class " + strconv.Itoa(int(c))
}

// Hard classes keep a target out even where it is the last one of its model.
func (c Class) Hard() bool {
	return c == Auth || c == Quota || c == NotFound || c == Manual
}

// fault reports whether something broke, as against an upstream that says no.
func (c Class) fault() bool { return c == Upstream || c == Timeout || c == Connect || c == Models }

// Whole reports whether the class takes the whole channel out.
func (c Class) Whole() bool { return c == Auth || c == Quota }

// MarshalText is for JSON that people and programs read.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (c *Class) UnmarshalText(b []byte) error {
	for i, name := range classNames {
		if name == string(b) {
			*c = Class(i)
			return nil
		}
	}
	return fmt.Errorf("board: unknown class %q", b)
}

// Ban says who is out, why, and until when.
type Ban struct {
	Class  Class
	Reason string
	Since  time.Time
	// Until; zero: until the configuration or somebody changes it.
	Until time.Time
	// Trial is from when one request may find out early whether it is over;
	// zero: nothing speaks for that.
	Trial time.Time
	// Hinted: the upstream itself said how long.
	Hinted bool
	// Times counts the bans in a row: each lasts twice as long as the last.
	Times int
}

// Ended reports whether the ban has run out.
func (b *Ban) Ended(now time.Time) bool {
	return !b.Until.IsZero() && !now.Before(b.Until)
}

// halfOpen reports whether one request may find out whether the ban is over.
func (b *Ban) halfOpen(now time.Time) bool {
	return b.Ended(now) || !b.Trial.IsZero() && !now.Before(b.Trial)
}

// guess reports whether the ban rests on what was seen of the target rather
// than on what its upstream said: better news may end it early.
func (b *Ban) guess() bool { return b.Class.fault() && !b.Hinted }

// next is the ban after a failure, given the last one: either a new one, or
// the last one where it stays. A longer ban is never shortened by a later one.
// trial is set where the failed request was let in to find out whether the
// last ban is over.
func next(terms *config.Bans, f Failure, last *Ban, trial bool, now time.Time) *Ban {
	term, ok := termOf(terms, f.Class)
	if !ok {
		return last
	}
	b := &Ban{
		Class: f.Class, Reason: f.Reason, Since: now, Times: 1,
		Hinted: f.RetryAfter > 0 && (f.Class == RateLimit || f.Class == Upstream),
	}
	lasting := last != nil && !last.Ended(now) && (!trial || !last.halfOpen(now))
	switch {
	case lasting && (last.Class == Manual || last.Until.IsZero()):
		return last
	case lasting && !b.Hinted && (last.Class == f.Class || !f.Class.Hard()):
		// Requests that were under way when the ban began do not prolong it;
		// what the upstream itself says may.
		return last
	case lasting:
		b.Times = last.Times
	case last != nil:
		b.Times = last.Times + 1
	}
	switch {
	case f.Class == Auth:
		return b
	case b.Hinted: // the upstream's own word, which is not doubled
		term = min(f.RetryAfter, terms.Hint)
	default:
		term = doubled(term, b.Times, terms.Longest)
	}
	b.Until = now.Add(term)
	switch {
	case lasting && !b.Until.After(last.Until):
		return last
	case last != nil && last.Until.After(b.Until): // after a failed trial
		b.Until = last.Until
	}
	return b
}

// doubled is a term at its n-th time in a row.
func doubled(term time.Duration, n int, most time.Duration) time.Duration {
	for i := 1; i < n && term < most; i++ {
		term *= 2
	}
	return min(term, most)
}

// backoff is how long a target is left alone that was seen up since its ban
// began.
func (b *Ban) backoff(terms *config.Bans) time.Duration {
	d := doubled(terms.Backoff, b.Times, terms.MaxBackoff)
	return d - time.Duration(terms.Jitter*rand.Float64()*float64(d))
}

// termOf is a class's first term; false: failures of it ban nobody.
func termOf(t *config.Bans, c Class) (time.Duration, bool) {
	switch c {
	case Auth:
		return 0, true
	case Quota:
		return t.Quota, true
	case RateLimit:
		return t.RateLimit, true
	case NotFound:
		return t.NotFound, true
	case Upstream:
		return t.Upstream, true
	case Timeout:
		return t.Timeout, true
	case Connect:
		return t.Connect, true
	default:
		return 0, false
	}
}
