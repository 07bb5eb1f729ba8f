package board

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrQueueFull is what [Queue] answers where no line has a place.
var ErrQueueFull = errors.New("the queue is full")

// gate is a channel's line of requests that wait for its limits.
type gate struct {
	// length of the line, which the common request looks at without the lock.
	length atomic.Int32
	// waited is how long the last one stood in line that got a place, in
	// nanoseconds.
	waited atomic.Int64

	mu   sync.Mutex
	line []spot
	// timer has the line looked at when a limit per minute lets the first in.
	timer *time.Timer
}

// spot is a place in line. A request stands in several lines at once.
type spot struct {
	*waiter
	target *Target
	tokens int64
}

// waiter is a request in line.
type waiter struct {
	since time.Time
	// over is set by who ends the wait: a channel with a place, or the request
	// itself.
	over atomic.Bool
	got  chan *Target
}

// limited reports whether the channel has a limit of any kind.
func (c *Channel) limited() bool {
	return c.Config.MaxInFlight > 0 || c.Config.RequestsPerMinute > 0 || c.Config.TokensPerMinute > 0
}

// enter counts a request in where the channel has a place that nobody waits for.
func (c *Channel) enter(now time.Time, tokens int64) bool {
	if c.limited() && c.gate.length.Load() > 0 || !c.claim(now, tokens) {
		if c.crowded() { // else it was another limit
			c.refused.Add(1)
		}
		return false
	}
	return true
}

// crowded reports whether max_in_flight has no place, or this router's share of it.
func (c *Channel) crowded() bool {
	most := c.Most(LimitInFlight)
	return most > 0 && c.places.full(most)
}

// claim never exceeds a limit, and never fails where there is room.
func (c *Channel) claim(now time.Time, tokens int64) bool {
	cfg := c.Config
	if !c.places.claim(int64(cfg.MaxInFlight)) {
		c.wants(LimitInFlight)
		return false
	}
	if n := c.Most(LimitRequests); n > 0 && !c.requests.take(1, n, now) {
		c.places.leave()
		c.wants(LimitRequests)
		return false
	}
	if n := c.Most(LimitTokens); n > 0 && !c.tokens.take(tokens, n, now) {
		if cfg.RequestsPerMinute > 0 {
			c.requests.adjust(now, -1, now)
		}
		c.places.leave()
		c.wants(LimitTokens)
		return false
	}
	return true
}

// refund gives back what a request took from the limits per minute.
func (c *Channel) refund(begun time.Time, tokens int64) {
	if c.Config.RequestsPerMinute > 0 {
		c.requests.adjust(begun, -1, c.now())
	}
	if c.Config.TokensPerMinute > 0 {
		c.tokens.adjust(begun, -tokens, c.now())
	}
}

// Wait is how long it takes until the limits per minute let a request through,
// as far as that can be known; 0: they do now.
func (c *Channel) Wait(tokens int64, now time.Time) (wait time.Duration) {
	if n := c.Most(LimitRequests); n > 0 {
		wait = c.requests.wait(1, n, now)
	}
	if n := c.Most(LimitTokens); n > 0 {
		wait = max(wait, c.tokens.wait(tokens, n, now))
	}
	return wait
}

// leave counts a request out, and the first in line in. It answers how many
// were left when it had gone.
func (c *Channel) leave() int64 {
	n := c.places.leave()
	if c.gate.length.Load() > 0 {
		c.serve()
	}
	return n
}

// serve gives free places to the line, first come, first served.
func (c *Channel) serve() {
	g := &c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.line) > 0 {
		p, now := g.line[0], c.now()
		if p.over.Load() { // it was served in another line, or has left
			g.line = slices.Delete(g.line, 0, 1)
			continue
		}
		own := p.target.Channel
		if !own.claim(now, p.tokens) {
			// The end of a request brings the next one in, or a minute's end.
			if wait := own.Wait(p.tokens, now); wait > 0 {
				g.again(wait, c.serve)
			}
			break
		}
		g.line = slices.Delete(g.line, 0, 1)
		if p.over.CompareAndSwap(false, true) {
			g.waited.Store(int64(time.Since(p.since)))
			p.got <- p.target
		} else { // the same, at this moment
			own.refund(now, p.tokens)
			c.places.leave()
		}
	}
	g.length.Store(int32(len(g.line)))
}

// again has the line looked at once more, then. It is called with the lock held.
func (g *gate) again(wait time.Duration, serve func()) {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.timer = time.AfterFunc(wait, serve)
}

// full reports whether a request would have to wait.
func (c *Channel) full(now time.Time) bool {
	if !c.limited() {
		return false
	}
	cfg := c.Config
	return c.gate.length.Load() > 0 || c.crowded() ||
		cfg.RequestsPerMinute > 0 && c.requests.full(int64(cfg.RequestsPerMinute), now) ||
		cfg.TokensPerMinute > 0 && c.tokens.full(int64(cfg.TokensPerMinute), now)
}

// lined is what stands in a line.
type lined struct {
	requests int64
	// tokens of all of them, and of the first.
	tokens, first int64
	// since is when the first came.
	since time.Time
}

func (g *gate) waiting() (l lined) {
	if g.length.Load() == 0 {
		return l
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, p := range g.line {
		if i == 0 {
			l.first, l.since = p.tokens, p.since
		}
		l.requests++
		l.tokens += p.tokens
	}
	return l
}

// Queued is how many requests wait for a place.
func (c *Channel) Queued() int { return int(c.gate.length.Load()) }

// QueueWait is how long the last request waited that got a place; 0: none did.
func (c *Channel) QueueWait() time.Duration { return time.Duration(c.gate.waited.Load()) }

// Queue is QueueWith for a request of which no tokens are known.
func Queue(ctx context.Context, targets []*Target, now func() time.Time) (*Target, error) {
	return QueueWith(ctx, targets, 0, now)
}

// QueueWith waits in line at the channels of all these targets, and counts the
// request in at the first that has a place, as BeginWith does. It ends with
// [ErrQueueFull] at once where every line is as long as it may be, and with the
// context's error when that ends.
func QueueWith(ctx context.Context, targets []*Target, tokens int64, now func() time.Time) (*Target, error) {
	w := &waiter{since: time.Now(), got: make(chan *Target, 1)}
	var in []*Channel
	defer func() {
		for _, c := range in {
			c.forget(w)
		}
	}()
	for _, t := range targets {
		c := t.Channel
		if slices.Contains(in, c) || !c.gate.join(spot{w, t, tokens}, c.Config.Queue) {
			continue
		}
		in = append(in, c)
		c.serve() // a place may have become free just before
	}
	if in == nil {
		return nil, ErrQueueFull
	}
	select {
	case t := <-w.got:
		t.begin(now())
		return t, nil
	case <-ctx.Done():
	}
	if w.over.CompareAndSwap(false, true) {
		return nil, ctx.Err()
	}
	t := <-w.got // it was called at the same moment
	t.begin(now())
	return t, nil
}

func (g *gate) join(p spot, most int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.line) >= most {
		return false
	}
	g.line = append(g.line, p)
	g.length.Store(int32(len(g.line)))
	return true
}

// forget takes a request out of the line. There may be room for the next where
// there was none for the first.
func (c *Channel) forget(w *waiter) {
	if c.gate.remove(w) {
		c.serve()
	}
}

// remove reports whether it was the first in line, with others behind it.
func (g *gate) remove(w *waiter) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first = len(g.line) > 1 && g.line[0].waiter == w
	g.line = slices.DeleteFunc(g.line, func(p spot) bool { return p.waiter == w })
	g.length.Store(int32(len(g.line)))
	return first
}
