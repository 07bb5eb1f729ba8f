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

// next is the ban after a failure, given the last one; nil: none yet.
func (t *Terms) next(f Failure, last *Ban, now time.Time) *Ban {
	b := &Ban{Class: f.Class, Reason: f.Reason, Times: 1}
	var term time.Duration
	switch f.Class {
	case Auth:
		return b
	case Quota:
		term = t.Quota
	case RateLimit:
		term = t.RateLimit
		if f.RetryAfter > 0 {
			term = min(f.RetryAfter, t.MaxHint)
		}
	case NotFound:
		term = t.NotFound
	case Upstream:
		term = t.Upstream
	case Timeout:
		term = t.Timeout
	case Connect:
		term = t.Connect
	default:
		return nil
	}
	if last != nil {
		b.Times = last.Times + 1
		// A hint is the upstream's own word and is not doubled.
		if f.Class != RateLimit || f.RetryAfter <= 0 {
			for i := 1; i < b.Times && term < t.Max; i++ {
				term *= 2
			}
			term = min(term, t.Max)
		}
	}
	b.Until = now.Add(term)
	// A longer ban is never shortened by a later one.
	if last != nil && (last.Until.IsZero() || last.Until.After(b.Until)) {
		return last
	}
	return b
}
