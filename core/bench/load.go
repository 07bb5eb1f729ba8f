package main

import (
	"context"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A load is what the clients of a run do: each sends its next request when
// the answer to the last is there.
type load struct {
	Name    string `json:"name"`
	Stream  bool   `json:"stream"`
	clients int
	body    int  // bytes of a request's body
	same    bool // all requests are equal
	slow    bool // a stream with an event a second
	model   int  // its number
	// of are the targets; empty: direct, the floor and the router as it comes.
	of []string
}

// on tells whether the load is for a target.
func (l load) on(target string) bool {
	if len(l.of) == 0 {
		return target == direct || target == floor || target == us
	}
	return slices.Contains(l.of, target)
}

// A sample is what one run measured. Times are microseconds, memory is bytes.
type sample struct {
	Requests  int     `json:"requests"` // answered in full
	Errors    int     `json:"errors"`
	Error     string  `json:"error,omitempty"` // the first of them
	PerSecond float64 `json:"per_second"`      // requests, or chunks of streams
	P50       float64 `json:"p50_us"`          // of a whole answer, or to a stream's first event
	P99       float64 `json:"p99_us"`

	CPU         float64 `json:"cpu_us"` // of the whole process tree, per request, or per chunk of a stream
	RSS         int64   `json:"rss_bytes"`
	PSS         int64   `json:"pss_bytes"`                     // 0: not allowed to know
	PluginCalls float64 `json:"plugin_calls_per_10k_requests"` // warm-up included
	Strangers   float64 `json:"strangers_cpus"`                // kept busy by others on this machine
}

// The phases of a run.
const (
	warming int32 = iota
	measuring
	over
)

const (
	// answerWithin is how long a client waits for what is under way at the end.
	answerWithin = 5 * time.Second
	// afterError keeps a broken target from being a busy loop.
	afterError = 5 * time.Millisecond
)

// tally is what one client saw.
type tally struct {
	sent      int // in all phases
	latencies []time.Duration
	chunks    int
	errors    int
	err       error // the first
}

func (y *tally) drive(c *client, phase *atomic.Int32) {
	defer c.hangUp()
	for phase.Load() != over {
		began := time.Now()
		a, err := c.do()
		took := time.Since(began)
		y.sent++
		// What ends in the measured time counts, whenever it began.
		if now := phase.Load(); now == measuring && err == nil {
			if c.stream {
				took = a.first.Sub(began)
			}
			y.latencies = append(y.latencies, took)
			y.chunks += a.chunks
		} else if now == measuring {
			y.errors++
			if y.err == nil {
				y.err = err
			}
		}
		if err != nil {
			time.Sleep(afterError)
		}
	}
}

// probe sends one request, so that a broken set-up shows before the first run.
func probe(t target, l load) error {
	c := newClient(t, l, 0, time.Now().Add(readyWithin))
	defer c.hangUp()
	var err error
	for range 3 { // the floor breaks some streams
		if _, err = c.do(); err == nil {
			break
		}
	}
	return err
}

// measure does one run.
func measure(ctx context.Context, t target, l load, warmup, duration time.Duration) (sample, error) {
	callsBefore, err := t.pluginCalls(ctx)
	if err != nil {
		return sample{}, err
	}
	var (
		phase   atomic.Int32
		clients sync.WaitGroup
		tallies = make([]tally, l.clients)
		last    = time.Now().Add(warmup + duration + answerWithin)
	)
	for i := range tallies {
		c := newClient(t, l, i+1, last)
		tallies[i].latencies = make([]time.Duration, 0, 4096)
		clients.Go(func() { tallies[i].drive(c, &phase) })
	}
	w, err := watch(ctx, t, warmup, duration, &phase)
	phase.Store(over)
	clients.Wait()
	if err != nil {
		return sample{}, err
	}
	callsAfter, err := t.pluginCalls(ctx)
	if err != nil {
		return sample{}, err
	}
	s := summarize(tallies, l.Stream, w)
	s.PluginCalls = (callsAfter - callsBefore) * 1e4 / float64(sent(tallies))
	return s, nil
}

func (t target) pluginCalls(ctx context.Context) (float64, error) {
	if t.router == nil {
		return 0, nil
	}
	return t.router.pluginCalls(ctx)
}

// watched is what the measured part of a run cost.
type watched struct {
	wall, cpu time.Duration
	rss, pss  int64
	strangers float64
}

// watch leads a run through its phases. CPU clocks are read right at the edges
// of the measured time; the slower search for processes is done before.
func watch(ctx context.Context, t target, warmup, duration time.Duration, phase *atomic.Int32) (w watched, err error) {
	if err := sleep(ctx, warmup); err != nil {
		return w, err
	}
	all, ours, err := trees(t.pid)
	if err != nil {
		return w, err
	}
	busyFrom, allFrom := busy(), cpuTimes(all)
	from, start := cpuTimes(ours), time.Now()
	phase.Store(measuring)
	if err := sleep(ctx, duration); err != nil {
		return w, err
	}
	if all, ours, err = trees(t.pid); err != nil { // again: a plugin may have been restarted
		return w, err
	}
	phase.Store(over)
	w.wall, w.cpu = time.Since(start), spent(from, cpuTimes(ours))
	others := busy() - busyFrom - spent(allFrom, cpuTimes(all))
	w.strangers = max(0, others.Seconds()/w.wall.Seconds())
	w.rss, w.pss = memory(ours)
	return w, nil
}

// trees finds the processes of the whole bench, and those of a target.
func trees(root int) (all, target []int, err error) {
	parents, err := processes()
	if err != nil {
		return nil, nil, err
	}
	if root != 0 {
		target = tree(parents, root)
	}
	return tree(parents, os.Getpid()), target, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sent(tallies []tally) (n int) {
	for i := range tallies {
		n += tallies[i].sent
	}
	return max(n, 1)
}

func summarize(tallies []tally, stream bool, w watched) sample {
	s := sample{RSS: w.rss, PSS: w.pss, Strangers: w.strangers}
	var latencies []time.Duration
	units := 0 // what rate and cost refer to
	for i := range tallies {
		y := &tallies[i]
		latencies = append(latencies, y.latencies...)
		units += y.chunks
		s.Errors += y.errors
		if y.err != nil && s.Error == "" {
			s.Error = y.err.Error()
		}
	}
	s.Requests = len(latencies)
	if !stream {
		units = s.Requests
	}
	slices.Sort(latencies)
	s.P50, s.P99 = micros(percentile(latencies, .50)), micros(percentile(latencies, .99))
	s.PerSecond = float64(units) / w.wall.Seconds()
	if units > 0 {
		s.CPU = micros(w.cpu) / float64(units)
	}
	return s
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// percentile is the smallest of the sorted values that at least the fraction p
// of them does not exceed; 0 where there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
