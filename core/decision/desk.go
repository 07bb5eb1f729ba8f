package decision

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Draft is a request as it was left on the desk. It becomes a Decision behind
// the requests.
type Draft interface {
	// Decision is called once, by the desk's worker.
	Decision() *Decision
}

// Follower is somebody who wants decisions.
type Follower struct {
	// Sample is the part of the decisions that it wants, from 0 to 1. Followers
	// with the same sample get the same decisions.
	Sample float64
	// Prompts: it may see the requests' bodies, of at most so many bytes; 0: it
	// gets decisions without.
	Prompts int64
	// Take is called by the desk's worker, and must not block: who needs time has
	// a bounded queue of its own. The decision is shared, and must not be changed.
	Take func(*Decision)
}

// Desk takes what requests leave at their end, and gives it to the followers.
// Its methods may be called by many goroutines. A nil Desk may be asked, and says
// no.
type Desk struct {
	wants   atomic.Pointer[wants]
	queue   chan left
	dropped atomic.Uint64

	close  sync.Once
	closed chan struct{}
	done   chan struct{}
}

// wants are the followers, and what they want in all.
type wants struct {
	followers []Follower
	sample    float64
	prompts   int64
}

// left is a draft in the queue.
type left struct {
	draft Draft
	draw  float64
}

// deskRoom is how many drafts wait for the worker. It only copies fields, so
// that this is more than a second's worth.
const deskRoom = 4096

// NewDesk has a worker, which runs until Close, and no followers yet.
func NewDesk() *Desk {
	d := &Desk{queue: make(chan left, deskRoom), closed: make(chan struct{}), done: make(chan struct{})}
	d.wants.Store(&wants{})
	go d.work()
	return d
}

// Follow replaces all followers.
func (d *Desk) Follow(followers ...Follower) {
	w := &wants{followers: slices.Clone(followers)}
	for _, f := range followers {
		w.sample, w.prompts = max(w.sample, f.Sample), max(w.prompts, f.Prompts)
	}
	d.wants.Store(w)
}

// Ask tells whether anybody wants the decision with this id, and how long a
// body to show with it, in bytes.
func (d *Desk) Ask(id string) (wanted bool, prompts int64) {
	if d == nil {
		return false, 0
	}
	w := d.wants.Load()
	if w.sample <= 0 || draw(id) >= w.sample {
		return false, 0
	}
	return true, w.prompts
}

// Leave hands a request over. It never waits: where there is no room, the
// decision is dropped and counted.
func (d *Desk) Leave(id string, draft Draft) {
	select {
	case <-d.closed:
		d.dropped.Add(1)
		return
	default:
	}
	select {
	case d.queue <- left{draft, draw(id)}:
	default:
		d.dropped.Add(1)
	}
}

// Dropped is how many decisions found no room.
func (d *Desk) Dropped() uint64 { return d.dropped.Load() }

// Close hands on what waits, and waits for that until ctx ends. What is left
// from now on is dropped.
func (d *Desk) Close(ctx context.Context) {
	d.close.Do(func() { close(d.closed) })
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

func (d *Desk) work() {
	defer close(d.done)
	for {
		select {
		case l := <-d.queue:
			d.hand(l)
		case <-d.closed:
			for {
				select {
				case l := <-d.queue:
					d.hand(l)
				default:
					return
				}
			}
		}
	}
}

func (d *Desk) hand(l left) {
	w := d.wants.Load()
	if l.draw >= w.sample {
		return
	}
	whole := l.draft.Decision()
	bare := whole
	if whole.Prompt != nil {
		without := *whole
		without.Prompt = nil
		bare = &without
	}
	for i := range w.followers {
		f := &w.followers[i]
		switch {
		case l.draw >= f.Sample:
		case int64(len(whole.Prompt)) <= f.Prompts:
			f.Take(whole)
		default:
			f.Take(bare)
		}
	}
}

// draw is a number from 0 to 1 that hangs on the id only.
func draw(id string) float64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	// Ids differ in their last letters only, which FNV leaves in the low bits.
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return float64((h^h>>31)>>11) / (1 << 53)
}
