package conform

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

const (
	leakCallers = 8
	// warmCalls fill pools and caches before the first look.
	warmCalls = 1000
)

// What may be more after the calls than before: runtimes keep some for later.
const (
	moreFiles, moreTasks, moreThreads = 8, 32, 16
	moreHeap                          = 8 << 20
	heapPerCall                       = 256
	moreRSS                           = 48 << 20
	rssPerCall                        = 2 << 10
)

// look is how much a plugin has at one time.
type look struct {
	usage
	vitals host.Vitals
	known  bool // vitals are
}

func (s *session) look(ctx context.Context) look {
	l := look{usage: s.use()}
	l.vitals, l.known = s.vitals(ctx)
	return l
}

// leaks makes many calls and looks what they left.
func (r *runner) leaks(ctx context.Context, s *session, a *asker) Result {
	calls := r.calls
	if r.way == Unary && s.plugin.Manifest().Lane {
		calls /= 10 // it is the other way that a router takes
	}
	if _, err := s.many(ctx, a, warmCalls); err != nil {
		return failed(answerRemedy, "%v", err)
	}
	before := s.look(ctx)
	made, err := s.many(ctx, a, calls)
	if err != nil {
		return failed(answerRemedy, "%v", err)
	}
	after := s.look(ctx)
	calls = made
	var problem, remedy string
	settled := eventually(s.limits.settle, func() bool {
		after = s.look(ctx)
		problem, remedy = before.leaked(after, calls)
		return problem == ""
	})
	if !settled {
		return failed(remedy, "%d calls left %s", calls, problem)
	}
	if !after.known {
		return fine("%d calls: %d files, %d threads, %s as before", calls, after.files, after.threads, mib(after.rss))
	}
	return fine("%d calls: %d files, %d tasks, %s heap as before", calls, after.files, after.vitals.Tasks, mib(after.vitals.HeapBytes))
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func (b look) leaked(a look, calls int) (problem, remedy string) {
	n := int64(calls)
	switch {
	case a.files > b.files+moreFiles:
		return fmt.Sprintf("%d open files, of %d", a.files, b.files), "close what a call opens, also where it fails"
	case a.children > b.children:
		return fmt.Sprintf("%d processes, of %d", a.children, b.children), "wait for the processes that a call starts; better start none"
	case b.known && a.vitals.Tasks > b.vitals.Tasks+moreTasks:
		return fmt.Sprintf("%d goroutines, of %d", a.vitals.Tasks, b.vitals.Tasks), "end what a call starts, with the call's context"
	case b.known && a.vitals.HeapBytes > b.vitals.HeapBytes+max(moreHeap, n*heapPerCall):
		return fmt.Sprintf("a heap of %s, of %s", mib(a.vitals.HeapBytes), mib(b.vitals.HeapBytes)), "bound what is remembered between calls"
	case a.threads > b.threads+moreThreads:
		return fmt.Sprintf("%d threads, of %d", a.threads, b.threads), "end the threads that a call starts"
	case !b.known && a.rss > b.rss+max(moreRSS, n*rssPerCall):
		return fmt.Sprintf("%s of memory, of %s", mib(a.rss), mib(b.rss)), "bound what is remembered between calls"
	}
	return "", ""
}

// leakPatience bounds the calls to a plugin that is slow.
const leakPatience = time.Minute

// many makes calls side by side, until one fails, and answers how many.
func (s *session) many(ctx context.Context, a *asker, calls int) (int, error) {
	var next atomic.Int64
	var once sync.Once
	var first error
	var callers sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	end := time.Now().Add(leakPatience)
	defer stop()
	for range leakCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= calls || time.Now().After(end) {
					return
				}
				if _, err := s.ask(ctx, a, n); err != nil {
					once.Do(func() { first = err; stop() })
					return
				}
			}
		})
	}
	callers.Wait()
	return min(int(next.Load()), calls), first
}

// answers tells of what the unary calls have shown of the wire.
func (r *runner) answers(ctx context.Context) {
	s := r.get(ctx)
	if s == nil {
		return
	}
	began := time.Now()
	largest, of, lease, leases := s.witness.seen()
	size := fine("the largest has %d bytes", largest)
	if largest > maxAnswerBytes {
		size = failed("answer less: a plan of 1,000 targets has 100 KiB", "%s answers %s", of, mib(int64(largest)))
	}
	size.Check, size.Way = "answer size", Unary
	r.took(size, began)
	l := fine("%d seen, all in range", leases)
	switch {
	case lease != "":
		l = failed(fmt.Sprintf("a lease is from 0 (never again) to %v, the most that the router takes; leave it out for its default", sdk.MaxLease), "%s", lease)
	case leases == 0:
		l = fine("none set: the router's defaults hold")
	}
	l.Check, l.Way = "leases", Unary
	r.took(l, began)
}
