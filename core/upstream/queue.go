package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
)

// busy is a target that had no place when the request came to it.
type busy struct {
	target   *board.Target
	fallback int
	// connections: it was the pool that was full, not the channel.
	connections bool
	// streams is that pool where each of its connections carries as many
	// requests as its origin lets it; else nil.
	streams *pool
}

// streamPoll is how often one looks for a place in such a connection: net/http
// tells nobody when there is one.
const streamPoll = 25 * time.Millisecond

// shortestRetry is the least that a client is asked to wait where the router
// itself is busy.
const shortestRetry = time.Second

// queue waits for a place at the targets that are full, when no other is left,
// and tries the one that has it first. That takes as long as timeouts.pool of
// the best of them, and at most so long where most is not 0.
func (f *forward) queue(ctx context.Context, most time.Duration) verdict {
	if len(f.full) == 0 || f.spent() {
		return elsewhere
	}
	all := f.full
	f.full = nil
	begun := time.Now()
	wait := all[0].target.Channel.Config.Timeouts.Pool
	if most > 0 {
		wait = min(wait, most)
	}
	a := attempt{target: all[0].target, fallback: all[0].fallback}
	if f.limited(all, wait) {
		f.busy(all)
		return elsewhere
	}
	if in := inLine(all); len(in) > 0 {
		t, v := f.line(ctx, in, wait)
		if t == nil {
			return v
		}
		for _, b := range all {
			if b.target == t {
				a.fallback = b.fallback
			}
		}
		a.target, a.held = t, true
		a.tokens, a.reserved = f.tokens(), time.Now()
	}
	for {
		a.wait = max(1, wait-time.Since(begun))
		v := f.try(ctx, &a)
		if v != full {
			return v
		}
		last := f.full
		f.full = nil
		p := last[0].streams
		if p == nil || time.Since(begun)+streamPoll > wait || !p.join() {
			f.busy(last)
			return v
		}
		ok := f.pause(ctx, streamPoll)
		p.waiting.Add(-1)
		if !ok {
			return final
		}
		a.held = false
	}
}

// inLine are the targets whose channels have a queue of their own.
func inLine(all []busy) []*board.Target {
	var out []*board.Target
	for _, b := range all {
		if !b.connections {
			out = append(out, b.target)
		}
	}
	return out
}

// line waits for the first of the channels that has a place. The place is the
// request's then.
func (f *forward) line(ctx context.Context, in []*board.Target, wait time.Duration) (*board.Target, verdict) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	begun := time.Now()
	t, err := board.QueueWith(limited, in, f.tokens(), time.Now)
	where := in[0]
	if t != nil {
		where = t
	}
	f.d.observer.Queued(where.Channel.Config.Name, time.Since(begun), err == nil)
	switch {
	case err == nil:
		return t, elsewhere
	case errors.Is(err, board.ErrQueueFull), ctx.Err() == nil:
		all := make([]busy, len(in))
		for i, t := range in {
			all[i].target = t
		}
		f.busy(all)
		return nil, elsewhere
	default:
		f.ended(ctx, 0)
		return nil, final
	}
}

// limited reports whether none of them can have a place before the wait is over,
// as their limits per minute are reached.
func (f *forward) limited(all []busy, wait time.Duration) bool {
	now := time.Now()
	for _, b := range all {
		if b.target.Channel.Wait(f.tokens(), now) <= wait {
			return false
		}
	}
	return true
}

// busy notes that there was no place at any of them. A client is asked to wait
// as long as the last one in line did or, where limits per minute are reached,
// until the first of them lets it through.
func (f *forward) busy(all []busy) {
	why := failure{busy: true, reason: "it has no place"}
	now := time.Now()
	var open time.Duration
	for i, b := range all {
		c := b.target.Channel
		why.retryAfter = max(why.retryAfter, c.QueueWait())
		if wait := c.Wait(f.tokens(), now); i == 0 || wait < open {
			open = wait
		}
	}
	if open > 0 {
		why.retryAfter = open
	}
	f.failures = append(f.failures, why)
}
