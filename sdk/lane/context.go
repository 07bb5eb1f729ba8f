package lane

import (
	"context"
	"errors"
	"sync"
	"time"
)

// callContext is a handler's context: it ends with the call's deadline, its cancellation or its stream.
// Most handlers never look at it, so the channel and the timer of a real context are made on first sight.
// It can't be pooled: a handler may keep it.
type callContext struct {
	stream   context.Context // a context is what this struct is, hence one may sit in it
	deadline time.Time       // zero for none

	mu   sync.Mutex
	real context.Context
	stop context.CancelFunc
	err  error // why it ended, where that was seen before real was made; it stays
}

// Deadline is part of context.Context.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.stream.Deadline()
	}
	return c.deadline, true
}

// Done is part of context.Context.
func (c *callContext) Done() <-chan struct{} { return c.materialize().Done() }

// Value is part of context.Context. Package context looks for its own kind through it, so it answers for the real one.
func (c *callContext) Value(key any) any { return c.materialize().Value(key) }

// Err is part of context.Context.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real.Err()
	}
	return c.look()
}

// look sees whether the context has ended while there is no real one.
func (c *callContext) look() error {
	if c.err == nil {
		c.err = c.stream.Err()
	}
	if c.err == nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		c.err = context.DeadlineExceeded
	}
	return c.err
}

func (c *callContext) materialize() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	if c.deadline.IsZero() || errors.Is(c.err, context.Canceled) {
		c.real, c.stop = context.WithCancel(c.stream)
	} else {
		c.real, c.stop = context.WithDeadline(c.stream, c.deadline)
	}
	if c.err != nil {
		c.stop()
	}
	return c.real
}

// cancel ends the context, also when its handler has returned.
func (c *callContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		c.stop()
	} else if c.look() == nil {
		c.err = context.Canceled
	}
}
