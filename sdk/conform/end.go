package conform

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	killCallers = 64
	// best is the way that a router takes: the lane, where there is one.
	best = Lane
	// floodLines are far more than a whole run gives reason for.
	floodLines = 5000
)

// goodbye ends the process as a router does that stops or reloads.
func (r *runner) goodbye(ctx context.Context) {
	s := r.get(ctx)
	if s == nil {
		return
	}
	began := time.Now()
	var result Result
	stop, cancel := context.WithTimeout(ctx, s.limits.goodbye)
	err := s.stop(stop, s.plugin)
	late := stop.Err() != nil
	cancel()
	_ = s.plugin.Close()
	if status.Code(err) == codes.Unimplemented && s.protocol < sdk.StopSince {
		r.took(Result{Check: "goodbye", Way: r.way, Outcome: Note, Detail: "knows none: it is killed", Remedy: "speak version 2 of the protocol, which has Stop"}, began)
		return
	}
	ended := s.endsWithin(s.limits.goodbye)
	left := relatives(s.pid(), s.marker())
	const remedy = "answer Stop once all is closed, then end the process; calls that hang must not hold it up"
	switch {
	case late:
		result = failed(remedy, "Stop was not answered within %v; a router kills it then", s.limits.goodbye)
	case err != nil && !ended:
		result = failed(remedy, "Stop: %v", err)
	case !ended:
		result = failed(remedy, "it still runs %v after it was told to stop", s.limits.goodbye)
	case s.cmd.ProcessState.ExitCode() != 0:
		result = failed("end with exit code 0", "ended with %s", s.exit())
	case len(left) > 0:
		result = failed("end what it started before it ends", "it ended and left %d processes running", len(left))
	default:
		result = fine("ended %v after it was told to", rounded(time.Since(began)))
	}
	result.Check, result.Way = "goodbye", r.way
	r.took(result, began)
}

// ends makes the checks of the other ends, each with a process of its own.
func (k *kit) ends(ctx context.Context) {
	k.alone(ctx, "kill -9", k.killed)
	k.alone(ctx, "signals", k.signals)
	k.alone(ctx, "router's death", k.orphaned)
}

func (k *kit) alone(ctx context.Context, name string, c func(context.Context, *session, string) Result) {
	began := time.Now()
	dir, err := k.dataDir()
	var s *session
	if err == nil {
		s, err = k.open(ctx, best, newestVersions, dir)
	}
	result := Result{Outcome: Fail}
	if err != nil {
		result.Detail, result.Remedy = err.Error(), "each start has to work"
	} else {
		result = c(ctx, s, dir)
	}
	k.note(s)
	s.end()
	result.Check = name
	k.took(result, began)
}

// killed kills it under load and starts it again with the same folder.
func (k *kit) killed(ctx context.Context, s *session, dir string) Result {
	for _, a := range s.askers {
		if a.kind != sdk.KindCache {
			continue
		}
		put := kept
		put.Expires = time.Now().Add(time.Hour)
		if err := s.plugin.Cache().Put(ctx, put); err != nil {
			return failed(answerRemedy, "put: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.busy)
	defer cancel()
	var callers sync.WaitGroup
	for n := range killCallers {
		callers.Go(func() {
			a := s.askers[n%len(s.askers)]
			for ; s.alive() && ctx.Err() == nil; n++ {
				if _, err := a.usual(ctx, n); err != nil {
					return
				}
			}
		})
	}
	if len(s.askers) > 0 {
		_, _ = s.ask(ctx, s.askers[0], 0)
	}
	s.killGroup()
	callers.Wait()
	if !s.endsWithin(s.limits.death) {
		return failed("", "it outlives kill -9")
	}
	began := time.Now()
	again, err := k.open(ctx, best, newestVersions, dir)
	if err != nil {
		return failed("nothing that a killed process leaves in its folder may be in the way of the next", "it does not start again: %v", err)
	}
	defer func() {
		k.note(again)
		again.end()
	}()
	took := time.Since(began)
	for _, a := range again.askers {
		if _, err := again.ask(ctx, a, 0); err != nil {
			return failed(answerRemedy, "started again: %v", err)
		}
		if a.kind != sdk.KindCache {
			continue
		}
		got, found, err := again.plugin.Cache().Get(ctx, kept.Namespace, kept.Key)
		if err != nil || !found || !bytes.Equal(got.Value, kept.Value) {
			return failed("Put returns when an entry is safe: written, and not only on its way", "what Put returned for before is lost: %v, %v", found, err)
		}
	}
	return fine("answers again %v after its next start", rounded(took))
}

// signals are sent to every process by terminals and service managers. The
// router drains its requests then, and needs its plugins.
func (k *kit) signals(ctx context.Context, s *session, _ string) Result {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		_ = s.cmd.Process.Signal(sig)
		if s.endsWithin(100 * time.Millisecond) {
			return Result{Outcome: Note, Detail: fmt.Sprintf("ended by %v", sig),
				Remedy: "leave signals to the router, which drains its requests after them: catch SIGHUP, SIGINT and SIGTERM"}
		}
	}
	for _, a := range s.askers {
		if _, err := s.ask(ctx, a, 0); err != nil {
			return failed(answerRemedy, "after signals: %v", err)
		}
	}
	return fine("SIGHUP, SIGINT and SIGTERM are left to the router")
}

// orphaned closes the lifeline, as the router's end does.
func (k *kit) orphaned(ctx context.Context, s *session, _ string) Result {
	for _, a := range s.askers {
		if _, err := s.ask(ctx, a, 0); err != nil {
			return failed(answerRemedy, "%v", err)
		}
	}
	began := time.Now()
	s.lifeline.Close()
	if !s.endsWithin(s.limits.death) {
		return Result{Outcome: Note, Detail: fmt.Sprintf("still runs %v after the router's end, until the kernel kills it", s.limits.death),
			Remedy: fmt.Sprintf("end when the file descriptor $%s reads its end; in Go the SDK does", sdk.EnvLifeline)}
	}
	took := time.Since(began)
	if !eventually(s.limits.death, func() bool { return len(relatives(s.pid(), s.marker())) == 0 }) {
		return failed("take along what it started: kill the process group", "it ended and left processes running")
	}
	return fine("ended %v after it", rounded(took))
}

// output is about all that was printed.
func (k *kit) output() {
	r := fine("%d lines to stderr", k.lines)
	switch {
	case k.lines > floodLines:
		r = failed("log what people need: a router logs 100 lines a second and drops the rest", "%d lines to stderr", k.lines)
	case k.stray > 0:
		r = Result{Outcome: Note, Detail: fmt.Sprintf("%d bytes to stdout after the handshake", k.stray),
			Remedy: "print to stderr; in Go the SDK sees to it"}
	}
	r.Check = "output"
	k.add(r)
}
