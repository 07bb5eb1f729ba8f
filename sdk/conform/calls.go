package conform

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	measured   = 400 // calls of the check latency
	repeated   = 25  // times each question is asked again
	cutShort   = 100 // calls whose time runs out, or that are cancelled
	atOnce     = 1000
	shortLimit = 50 * time.Millisecond
	// patience is how long a check goes on asking a plugin that is slow.
	patience = 10 * time.Second
)

func failed(remedy, format string, args ...any) Result {
	return Result{Outcome: Fail, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

func fine(format string, args ...any) Result {
	return Result{Outcome: OK, Detail: fmt.Sprintf(format, args...)}
}

const answerRemedy = "each well-formed question gets an answer, as long as the process lives"

// latency asks one call after the other.
func (r *runner) latency(ctx context.Context, s *session, a *asker) Result {
	took := make([]time.Duration, 0, measured)
	end := time.Now().Add(patience)
	for n := range measured {
		began := time.Now()
		if began.After(end) {
			break
		}
		if _, err := s.ask(ctx, a, n); err != nil {
			return failed(answerRemedy, "%v", err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	at := func(share int) time.Duration { return took[(len(took)-1)*share/100] }
	l := &Latency{
		P50: at(50).Microseconds(), P90: at(90).Microseconds(), P99: at(99).Microseconds(), Max: at(100).Microseconds(),
	}
	result := fine("p50 %v, p90 %v, p99 %v, at most %v", rounded(at(50)), rounded(at(90)), rounded(at(99)), rounded(at(100)))
	// Of the quickest tenth, since the machine may be busy.
	if quick := at(10); quick > a.timeout {
		result = failed("answer in time; what takes longer is prepared before, in Start or behind the calls",
			"9 of 10 calls take longer than %v, and the step's time-out is %v", rounded(quick), a.timeout)
	}
	result.Latency = l
	return result
}

func rounded(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}

// sameness asks each question again and again.
func (r *runner) sameness(ctx context.Context, s *session, a *asker) Result {
	// What a cache has not got yet it has after the first round.
	for n := range questions {
		if _, err := s.ask(ctx, a, n); err != nil {
			return failed(answerRemedy, "%v", err)
		}
	}
	// A selector's answers are the same in any process and by either way.
	answered := r.answered
	if a.kind != sdk.KindSelector {
		answered = make(map[string]string)
	}
	end, asked := time.Now().Add(patience), 0
	for n := range questions {
		at := fmt.Sprint(a.kind, n)
		for round := range repeated {
			if round > 2 && time.Now().After(end) {
				break
			}
			asked++
			answer, err := s.ask(ctx, a, n)
			if err != nil {
				return failed(answerRemedy, "%v", err)
			}
			got := text(answer)
			before, seen := answered[at]
			if !seen {
				answered[at] = got
				continue
			}
			if got != before {
				r.unsteady[a.kind] = true
				if p, ok := answer.(plan); ok && p.Lease.Fresh < 0 {
					return Result{Outcome: Note, Detail: "the same question gets several answers, and none has a lease",
						Remedy: "every request costs a call; the balance of a tier spreads requests without one"}
				}
				return failed("decide by the declared facts and the candidates alone; to spread requests, answer one tier and let its balance do it",
					"the same question gets the answers %s and %s", before, got)
			}
		}
	}
	return fine("%d questions, asked %d times: the same answers", questions, asked)
}

// deadline lets calls run out of time.
func (r *runner) deadline(ctx context.Context, s *session, a *asker) Result {
	if a.waits {
		s.upstream.mode.Store(hangs)
	}
	answered := 0
	var calls sync.WaitGroup
	var mu sync.Mutex
	for n := range cutShort {
		calls.Go(func() {
			limit := shortLimit
			if n%2 == 0 {
				limit = time.Microsecond // over before it is there
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			if _, err := a.usual(ctx, n); err == nil {
				mu.Lock()
				answered++
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	return r.afterwards(ctx, s, a, fmt.Sprintf("%d calls with 1 us or %v, %d answered in time", cutShort, shortLimit, answered))
}

// cancelled gives calls up while they run.
func (r *runner) cancelled(ctx context.Context, s *session, a *asker) Result {
	if a.waits {
		s.upstream.mode.Store(hangs)
	}
	gone, leave := context.WithCancel(ctx)
	defer leave()
	var calls sync.WaitGroup
	for n := range cutShort {
		calls.Go(func() { _, _ = a.usual(gone, n) })
	}
	if a.waits {
		eventually(time.Second, func() bool { return s.upstream.waiting.Load() > 0 })
	}
	leave()
	calls.Wait()
	return r.afterwards(ctx, s, a, fmt.Sprintf("%d calls given up", cutShort))
}

// afterwards checks that calls which nobody waits for any more have ended, and
// that the plugin goes on.
func (r *runner) afterwards(ctx context.Context, s *session, a *asker, what string) Result {
	quiet := s.upstream.quiet(s.limits.settle)
	s.upstream.mode.Store(answers)
	if !quiet {
		return failed("hand the call's context on to upstream.Do, and end with it",
			"%s; %d of its upstream requests still run %v later", what, s.upstream.waiting.Load(), s.limits.settle)
	}
	if _, err := s.ask(ctx, a, 0); err != nil {
		remedy := "end when the call's context ends, and hold no lock while waiting"
		if !s.alive() {
			remedy = answerRemedy
		}
		return failed(remedy, "after %s: %v", what, err)
	}
	return fine("%s; it goes on", what)
}

// concurrent makes many calls at the same time, and pings meanwhile.
func (r *runner) concurrent(ctx context.Context, s *session, a *asker) Result {
	ctx, cancel := context.WithTimeout(ctx, s.limits.busy)
	defer cancel()
	pings := make(chan time.Duration, 1)
	done := make(chan struct{})
	go func() {
		var longest time.Duration
		for {
			began := time.Now()
			if err := s.plugin.Ping(ctx); err != nil && ctx.Err() == nil {
				longest = s.limits.busy
			}
			longest = max(longest, time.Since(began))
			select {
			case <-done:
				pings <- longest
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	errs := make(chan error, atOnce)
	began := time.Now()
	for n := range atOnce {
		go func() {
			_, err := a.usual(ctx, n)
			errs <- err
		}()
	}
	var first error
	wrong := 0
	for range atOnce {
		if err := <-errs; err != nil {
			wrong++
			if first == nil {
				first = err
			}
		}
	}
	took := time.Since(began)
	close(done)
	silence := <-pings
	switch {
	case wrong > 0 && s.died(first):
		return failed(answerRemedy, "%d of %d calls at once failed: %v", wrong, atOnce, s.because(first))
	case wrong > 0:
		return failed("methods are called by many goroutines at once: share nothing without a lock, and refuse nothing",
			"%d of %d calls at once failed: %v", wrong, atOnce, s.because(first))
	case silence >= s.limits.busy:
		return failed("answer the health service, under the name plugin, also when busy", "pings failed while it was busy")
	case silence > s.limits.silence:
		return Result{Outcome: Note, Detail: fmt.Sprintf("%d calls in %v; a ping took %v meanwhile", atOnce, rounded(took), rounded(silence)),
			Remedy: fmt.Sprintf("a router replaces a plugin that is silent for %v", routers.silence)}
	}
	return fine("%d calls at once answered in %v", atOnce, rounded(took))
}

// refusedForSize reports that gRPC's own limit refused a message.
func refusedForSize(err error) bool {
	return status.Code(err) == codes.ResourceExhausted
}
