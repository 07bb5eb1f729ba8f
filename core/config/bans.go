package config

import "time"

func (l *loader) readBans(b *block) {
	s := Defaults.Bans
	b.duration("rate_limit", &s.RateLimit, aboveZero)
	b.duration("quota", &s.Quota, aboveZero)
	b.duration("not_found", &s.NotFound, aboveZero)
	b.duration("upstream", &s.Upstream, aboveZero)
	b.duration("timeout", &s.Timeout, aboveZero)
	b.duration("connect", &s.Connect, aboveZero)
	b.duration("hint", &s.Hint, aboveZero)
	b.duration("longest", &s.Longest, aboveZero)
	b.duration("backoff", &s.Backoff, aboveZero)
	b.duration("max_backoff", &s.MaxBackoff, aboveZero)
	b.integer("failures", &s.Failures, aboveZero)
	b.integer("models", &s.Models, aboveZero)
	b.share("jitter", &s.Jitter)
	b.atMost("backoff", s.Backoff, "max_backoff", s.MaxBackoff)
	b.done()
	l.cfg.Bans = s
}

func (l *loader) readRetryBudget(b *block) {
	s := Defaults.Budget
	b.share("share", &s.Share)
	b.integer("at_least", &s.AtLeast, fromZero)
	b.duration("window", &s.Window, aboveZero)
	b.done()
	l.cfg.RetryBudget = s
}

// share reads a part of a whole.
func (b *block) share(name string, dst *float64) {
	v := *dst
	b.number(name, &v, fromZero)
	if v > 1 {
		b.problem(name, b.at(name), problemf("write one from 0 to 1, such as 0.2 for 20 %", "is more than the whole"))
		return
	}
	*dst = v
}

// atMost reports a low bound above its high one.
func (b *block) atMost(lowName string, low time.Duration, highName string, high time.Duration) {
	if low > high && !b.failed[lowName] && !b.failed[highName] {
		at := lowName
		if !b.has(at) {
			at = highName
		}
		b.mistakef(b.at(at), "", "%s is %s, and %s only %s", lowName, low, highName, high)
	}
}
