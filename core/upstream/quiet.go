package upstream

import (
	"sync"
	"time"
)

// quietFor is how long nothing more is said of a channel than that it happened
// so often: an upstream that dies takes a thousand streams with it at once.
const quietFor = 10 * time.Second

// quiet remembers what was said of each channel.
type quiet struct {
	mu   sync.Mutex
	last map[string]*lastWord
}

type lastWord struct {
	at   time.Time
	more int
}

// may tells whether to speak now, and how often that was not done since the
// last time.
func (q *quiet) may(channel string, now time.Time) (more int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.last[channel]
	switch {
	case r == nil:
		if q.last == nil {
			q.last = make(map[string]*lastWord)
		}
		q.last[channel] = &lastWord{at: now}
		return 0, true
	case now.Sub(r.at) < quietFor:
		r.more++
		return 0, false
	}
	more = r.more
	*r = lastWord{at: now}
	return more, true
}

// forget what was said of channels that are no more.
func (q *quiet) forget(stays func(channel string) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name := range q.last {
		if !stays(name) {
			delete(q.last, name)
		}
	}
}

// say tells the operator of what happened to a channel's request, unless it was
// said just before.
func (d *Dispatcher) say(channel, what, reason string) {
	if more, ok := d.quiet.may(channel, time.Now()); ok {
		d.log.Warn(what, "channel", channel, "reason", reason, "unsaid", more)
	}
}
