package board

import (
	"strconv"
	"time"
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
)

var classNames = [...]string{"none", "auth", "quota", "rate_limit", "not_found", "upstream", "timeout", "connect", "manual"}

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
func (c Class) fault() bool { return c == Upstream || c == Timeout || c == Connect }

// Whole reports whether the class takes the whole channel out.
func (c Class) Whole() bool { return c == Auth || c == Quota }

// Ban says who is out, why, and until when.
type Ban struct {
	Class  Class
	Reason string
	// Until; zero: until the configuration changes.
	Until time.Time
	// Times counts the bans in a row: each lasts twice as long as the last.
	Times int
}

// Ended reports whether the ban has run out.
func (b *Ban) Ended(now time.Time) bool {
	return !b.Until.IsZero() && !now.Before(b.Until)
}

// Terms are how long each class of error keeps a target out.
type Terms struct {
	Quota, RateLimit, NotFound, Upstream, Timeout, Connect time.Duration
	// MaxHint bounds the wait that an upstream may ask for.
	MaxHint time.Duration
	// Max bounds the doubling.
	Max time.Duration
	// Failures in a row before Upstream, Timeout and Connect ban.
	Failures int
}

// DefaultTerms are those of the system that this one follows; a single
// hiccup bans nobody.
var DefaultTerms = Terms{
	Quota:     1800 * time.Second,
	RateLimit: 10 * time.Second,
	NotFound:  300 * time.Second,
	Upstream:  60 * time.Second,
	Timeout:   30 * time.Second,
	Connect:   30 * time.Second,
	MaxHint:   300 * time.Second,
	Max:       3600 * time.Second,
	Failures:  3,
}

// next is the ban after a failure, given the last one: either a new one, or
// the last one where it stays. A longer ban is never shortened by a later one.
func (t *Terms) next(f Failure, last *Ban, now time.Time) *Ban {
	term, ok := t.of(f.Class)
	if !ok {
		return last
	}
	hinted := f.Class == RateLimit && f.RetryAfter > 0
	b := &Ban{Class: f.Class, Reason: f.Reason, Times: 1}
	lasting := last != nil && !last.Ended(now)
	switch {
	case lasting && (last.Class == Manual || last.Until.IsZero()):
		return last
	case lasting && !hinted && (last.Class == f.Class || !f.Class.Hard()):
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
	case hinted: // the upstream's own word, which is not doubled
		term = min(f.RetryAfter, t.MaxHint)
	default:
		for i := 1; i < b.Times && term < t.Max; i++ {
			term *= 2
		}
		term = min(term, t.Max)
	}
	b.Until = now.Add(term)
	if lasting && !b.Until.After(last.Until) {
		return last
	}
	return b
}

// of is a class's first term; false: it bans nobody.
func (t *Terms) of(c Class) (time.Duration, bool) {
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
