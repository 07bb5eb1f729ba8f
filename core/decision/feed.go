package decision

import (
	"bytes"
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Feed hands decisions to a plugin that observes, in batches and behind the
// requests. What it has no room for, and what the plugin does not take, is
// counted.
type Feed struct {
	cfg     *config.Observer
	observe func(ctx context.Context, records [][]byte) error
	prompts bool
	count   func(result string, n int)
	log     hclog.Logger

	queue
}

// What became of decisions.
const (
	Taken   = "taken"
	Dropped = "dropped" // there was no room in the queue
	Failed  = "failed"  // the plugin did not take them
)

// FeedOptions of a Feed.
type FeedOptions struct {
	Config *config.Observer
	// Observe calls the plugin.
	Observe func(ctx context.Context, records [][]byte) error
	// Prompts: the plugin needs them, and they are granted.
	Prompts bool
	// Count is told what became of decisions. It must not block.
	Count func(result string, n int)
	Log   hclog.Logger
}

const (
	// feedBytes bounds the records in one call: a batch may be cut short by it.
	feedBytes = 8 << 20
	// feedPatience is how long a plugin that is down is waited for, and feedRetry
	// the pause before it is tried again. The queue is what bounds the wait.
	feedPatience, feedRetry = time.Minute, 200 * time.Millisecond
)

// NewFeed has a worker, which runs until Close.
func NewFeed(o FeedOptions) *Feed {
	f := &Feed{
		cfg: o.Config, observe: o.Observe, prompts: o.Prompts, count: o.Count, log: o.Log, queue: newQueue(),
	}
	go f.work()
	return f
}

// Follower is what the desk is to give it.
func (f *Feed) Follower() Follower {
	out := Follower{Sample: f.cfg.Sample, Take: f.take}
	if f.prompts {
		out.Prompts = f.cfg.MaxPrompt
	}
	return out
}

func (f *Feed) take(d *Decision) {
	switch n, room := f.put(d, f.cfg.Queue); {
	case !room:
		f.count(Dropped, 1)
	case n == 1 || n >= f.cfg.Batch:
		f.stir() // the first begins the interval
	}
}

func (f *Feed) work() {
	defer close(f.done)
	var due <-chan time.Time // the end of the interval
	for {
		ripe := false
		select {
		case <-f.wake:
		case <-due:
			due, ripe = nil, true
		}
		for {
			f.mu.Lock()
			n, closed := len(f.waiting), f.closed
			f.mu.Unlock()
			if n >= f.cfg.Batch || n > 0 && (ripe || closed) {
				f.hand()
				due, ripe = nil, false
				continue
			}
			if closed {
				return
			}
			if n > 0 && due == nil {
				due = time.After(f.cfg.Interval)
			}
			break
		}
	}
}

// hand hands on the first batch. A decision that can't be written is not taken.
func (f *Feed) hand() {
	f.mu.Lock()
	batch := f.waiting[:min(len(f.waiting), f.cfg.Batch)]
	f.mu.Unlock()
	var records [][]byte
	size, n := 0, 0
	for _, d := range batch {
		record := bytes.TrimSpace(line(d))
		if size += len(record); size > feedBytes && len(records) > 0 {
			break
		}
		n++
		if len(record) > 0 {
			records = append(records, record)
		}
	}
	var err error
	if len(records) > 0 {
		err = f.try(records)
	}
	f.mu.Lock()
	f.waiting = append([]*Decision(nil), f.waiting[n:]...)
	f.mu.Unlock()
	if lost := n - len(records); lost > 0 {
		f.count(Failed, lost)
	}
	if err != nil {
		f.count(Failed, len(records))
		f.log.Warn("requests not observed", "observer", f.cfg.Name, "count", len(records), "err", err)
		return
	}
	f.count(Taken, len(records))
}

// try waits for a plugin that is down, but for none at the end.
func (f *Feed) try(records [][]byte) error {
	for began := time.Now(); ; time.Sleep(feedRetry) {
		ctx, cancel := context.WithTimeout(context.Background(), f.cfg.Timeout)
		err := f.observe(ctx, records)
		cancel()
		if status.Code(err) != codes.Unavailable || f.ending() || time.Since(began) > feedPatience {
			return err
		}
	}
}

func (f *Feed) ending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}
