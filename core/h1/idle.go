package h1

import (
	"slices"
	"time"
)

// take returns the connection that was used last; nil: there is none. It may not
// be fit for another request.
func (c *Client) take() *conn {
	for {
		c.mu.Lock()
		c.closing = false
		n := len(c.idle) - 1
		if n < 0 {
			c.mu.Unlock()
			return nil
		}
		k := c.idle[n]
		c.idle[n] = nil
		c.idle = c.idle[:n]
		c.mu.Unlock()
		if d := c.options.IdleTimeout; d <= 0 || time.Since(k.since) < d {
			return k
		}
		k.close()
	}
}

// put keeps a connection for another request.
func (c *Client) put(k *conn) {
	k.since = time.Now()
	c.mu.Lock()
	ok := !c.closing && (len(c.idle) < c.options.MaxIdle || c.options.ShrinkAfter > 0)
	if ok {
		c.idle = append(c.idle, k)
		c.arm()
	}
	c.mu.Unlock()
	if !ok {
		k.bye()
	}
}

// end is when the connection that has been unused for the longest time is
// closed, if it is not used before; zero: never. The lock is held.
func (c *Client) end() time.Time {
	var after time.Duration
	if after = c.options.IdleTimeout; len(c.idle) > c.options.MaxIdle && (after <= 0 || c.options.ShrinkAfter < after) {
		after = c.options.ShrinkAfter
	}
	if len(c.idle) == 0 || after <= 0 {
		return time.Time{}
	}
	return c.idle[0].since.Add(after)
}

// arm sees to it that tick is called in time. It may be called too early: the
// timer is not put off whenever a connection is used. The lock is held.
func (c *Client) arm() {
	end := c.end()
	if end.IsZero() || !c.due.IsZero() && !end.Before(c.due) {
		return
	}
	c.due = end
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(end), c.tick)
		return
	}
	c.timer.Reset(time.Until(end))
}

// tick closes the connections that have been unused for too long. Those are the
// first ones: the last one is always taken first.
func (c *Client) tick() {
	var old []*conn
	c.mu.Lock()
	c.due = time.Time{}
	for now := time.Now(); ; {
		if end := c.end(); end.IsZero() || end.After(now) {
			break
		}
		old = append(old, c.idle[0])
		c.idle = slices.Delete(c.idle, 0, 1)
	}
	c.arm()
	c.mu.Unlock()
	for _, k := range old {
		k.bye()
	}
}

// CloseIdle closes all unused connections, and those that become unused before
// another request begins.
func (c *Client) CloseIdle() {
	c.mu.Lock()
	old := c.idle
	c.idle, c.closing = nil, true
	if c.timer != nil {
		c.timer.Stop()
		c.due = time.Time{}
	}
	c.mu.Unlock()
	for _, k := range old {
		k.bye()
	}
}
