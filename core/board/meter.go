package board

import (
	"sync"
	"time"
)

// Window is what limits per minute are about.
const Window = time.Minute

// shareWait is how long one waits for a larger share, of which nobody knows when
// it comes.
const shareWait = time.Second

// meterSlots are the seconds of the window, and the one that has begun.
const meterSlots = int64(Window/time.Second) + 1

// meter counts what a channel was asked for within the last minute, to the
// second: in no minute more than the limit is let through, and all of it may
// come at once.
type meter struct {
	mu    sync.Mutex
	slots [meterSlots]int64
	// newest is the second, in Unix time, of the newest slot.
	newest int64
	used   int64
	// own is this router's share of the limit, where shared is set.
	own     int64
	shared  bool
	refused refusals
}

// refusals are what a limit kept back lately.
type refusals struct {
	// sum of what was refused since somebody looked, and the smallest of it.
	sum, small int64
	// wanted and least are those that the last look found of which there were
	// any, but for what was let through since.
	wanted, least int64
	// since is when it began, if nothing was let through after; last is the
	// newest.
	since, last time.Time
}

// refusalsCount is how long one counts that may come again or not: longer than
// it is told to wait.
const refusalsCount = shareWait + shareWait/2

func (r *refusals) add(n int64, now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	if r.small == 0 || n < r.small {
		r.small = n
	}
	r.sum, r.last = r.sum+n, now
}

// passed notes that something was let through.
func (r *refusals) passed(n int64) {
	r.since = time.Time{}
	r.wanted = max(0, r.wanted-n)
}

// look takes in what was refused since the last look. What stands in line will
// come again.
func (r *refusals) look(now time.Time, line bool) {
	switch {
	case r.sum > 0:
		r.wanted, r.least = r.sum, r.small
		r.sum, r.small = 0, 0
	case !line && now.Sub(r.last) > refusalsCount:
		*r = refusals{}
	}
}

// lasted is how long nothing was let through of what is refused.
func (r *refusals) lasted(now time.Time) time.Duration {
	if r.since.IsZero() {
		return 0
	}
	return now.Sub(r.since)
}

// roll forgets what is older than the window.
func (m *meter) roll(now time.Time) int64 {
	second := now.Unix()
	if second <= m.newest {
		return m.newest // a clock that was set back
	}
	for s := max(m.newest+1, second-meterSlots+1); s <= second; s++ {
		slot := &m.slots[s%meterSlots]
		m.used -= *slot
		*slot = 0
	}
	m.newest = second
	return second
}

func (m *meter) most(limit int64) int64 {
	if m.shared {
		return min(limit, m.own)
	}
	return limit
}

// take counts n in where they fit. What is more than the whole limit fits where
// nothing else was within the window: it would never otherwise.
func (m *meter) take(n, limit int64, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	second := m.roll(now)
	most := m.most(limit)
	if m.used+min(n, limit) > most {
		m.refused.add(min(n, limit), now)
		return false
	}
	m.refused.passed(n)
	m.used += n
	m.slots[second%meterSlots] += n
	return true
}

// adjust corrects what was taken at a time: by what it came to, or by all of it
// where nothing was sent.
func (m *meter) adjust(at time.Time, by int64, now time.Time) {
	if by == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := m.roll(now)
	second := at.Unix()
	if second > newest || second <= newest-meterSlots {
		if by < 0 {
			return // it is forgotten already
		}
		second = newest
	}
	slot := &m.slots[second%meterSlots]
	by = max(by, -*slot)
	*slot += by
	m.used += by
}

// full reports whether not one fits.
func (m *meter) full(limit int64, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	return m.used >= m.most(limit)
}

// wait is how long it takes until n fit, if nobody else takes them: at most the
// window.
func (m *meter) wait(n, limit int64, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := m.windowWait(n, limit, now)
	if m.most(limit) < limit && m.refused.lasted(now) <= refusalsCount {
		return min(wait, shareWait) // other routers may have what they do not need
	}
	return wait
}

// windowWait is wait as far as this router's own window tells.
func (m *meter) windowWait(n, limit int64, now time.Time) time.Duration {
	second := m.roll(now)
	over := m.used + min(n, limit) - m.most(limit)
	for s := second - meterSlots + 1; over > 0; s++ {
		if s > second {
			return shareWait
		}
		if over -= m.slots[(s+meterSlots)%meterSlots]; over <= 0 {
			return time.Unix(s+meterSlots, 0).Sub(now)
		}
	}
	return 0
}

func (m *meter) setShare(n int64, now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	m.own, m.shared = n, n != Whole
	return m.used
}

func (m *meter) ownShare() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shared {
		return m.own
	}
	return Whole
}

// now is what is used.
func (m *meter) now(now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	return m.used
}

// need is what is used, and what was refused lately.
func (m *meter) need(now time.Time, line bool) Need {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	r := &m.refused
	r.look(now, line)
	return Need{Used: m.used, Wanted: m.used + r.wanted, Least: r.least, Since: r.since}
}
