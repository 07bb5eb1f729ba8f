package lane

import (
	"container/heap"
	"time"
)

// deadlines is a heap of calls, the next to expire first. Each call knows its place, so that it can leave early.
type deadlines []*call

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push is for package heap.
func (d *deadlines) Push(x any) {
	cl := x.(*call)
	cl.place = len(*d)
	*d = append(*d, cl)
}

// Pop is for package heap.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	cl := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	cl.place = -1
	return cl
}

func (d *deadlines) leave(cl *call) {
	if cl.place >= 0 {
		heap.Remove(d, cl.place)
	}
}

// watch adds a call's deadline. The caller holds c.mu.
func (c *Conn) watch(cl *call) {
	heap.Push(&c.deadlines, cl)
	// A timer that fires early finds nothing and sets itself anew, so calls that leave in time need not touch it.
	if c.armed.IsZero() || cl.deadline.Before(c.armed) {
		c.arm(cl.deadline)
	}
}

func (c *Conn) arm(at time.Time) {
	c.armed = at
	c.timer.Reset(time.Until(at))
}

// expire settles the calls whose deadline has passed. It is the timer's function.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = time.Time{}
	for now := time.Now(); len(c.deadlines) > 0; {
		first := c.deadlines[0]
		if first.deadline.After(now) {
			c.arm(first.deadline)
			return
		}
		c.forget(first)
		first.err = errDeadline
		first.done <- struct{}{}
	}
}
