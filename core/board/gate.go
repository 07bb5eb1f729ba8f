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

// gate is a channel's line of requests that wait for max_in_flight.
type gate struct {
	// length of the line, which the common request looks at without the lock.
	length atomic.Int32
	// waited is how long the last one stood in line that got a place, in
	// nanoseconds.
	waited atomic.Int64

	mu   sync.Mutex
	line []spot
}

// spot is a place in line. A request stands in several lines at once.
type spot struct {
	*waiter
	target *Target
}

// waiter is a request in line.
type waiter struct {
	since time.Time
	// over is set by who ends the wait: a channel with a place, or the request
	// itself.
	over atomic.Bool
	got  chan *Target
}

// enter counts a request in where the channel has a place that nobody waits for.
func (c *Channel) enter() bool {
	limit := int64(c.Config.MaxInFlight)
	if limit <= 0 {
		c.inFlight.Add(1)
		return true
	}
	return c.gate.length.Load() == 0 && c.claim(limit)
}

// claim never exceeds the limit, and never fails where a place is free.
func (c *Channel) claim(limit int64) bool {
	for {
		n := c.inFlight.Load()
		if limit > 0 && n >= limit {
			return false
		}
		if c.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave counts a request out, and the first in line in. It answers how many
// were left when it had gone.
func (c *Channel) leave() int64 {
	n := c.inFlight.Add(-1)
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
		p := g.line[0]
		if !c.claim(int64(p.target.Channel.Config.MaxInFlight)) {
			break
		}
		g.line = slices.Delete(g.line, 0, 1)
		if p.over.CompareAndSwap(false, true) {
			g.waited.Store(int64(time.Since(p.since)))
			p.got <- p.target
		} else {
			c.inFlight.Add(-1) // it was served in another line, or has left
		}
	}
	g.length.Store(int32(len(g.line)))
}

// full reports whether a request would have to wait.
func (c *Channel) full() bool {
	m := int64(c.Config.MaxInFlight)
	return m > 0 && (c.inFlight.Load() >= m || c.gate.length.Load() > 0)
}

// Queued is how many requests wait for a place.
func (c *Channel) Queued() int { return int(c.gate.length.Load()) }

// QueueWait is how long the last request waited that got a place; 0: none did.
func (c *Channel) QueueWait() time.Duration { return time.Duration(c.gate.waited.Load()) }

// Queue waits in line at the channels of all these targets, and counts the
// request in at the first that has a place, as Begin does. It ends with
// [ErrQueueFull] at once where every line is as long as it may be, and with the
// context's error when that ends.
func Queue(ctx context.Context, targets []*Target, now func() time.Time) (*Target, error) {
	w := &waiter{since: time.Now(), got: make(chan *Target, 1)}
	var in []*Channel
	defer func() {
		for _, c := range in {
			c.gate.forget(w)
		}
	}()
	for _, t := range targets {
		c := t.Channel
		if slices.Contains(in, c) || !c.gate.join(spot{w, t}, c.Config.Queue) {
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

func (g *gate) forget(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.line = slices.DeleteFunc(g.line, func(p spot) bool { return p.waiter == w })
	g.length.Store(int32(len(g.line)))
}
