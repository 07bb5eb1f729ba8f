package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/h1"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Forward sends the call to one target after the other until one answers, and
// its answer to w. Where nothing was committed, the caller answers with
// [Outcome.Err]. When ctx ends the attempt under way ends with it, at once: by
// context.Canceled because the client left, by any other cause with an error
// event where a stream had begun.
func (d *Dispatcher) Forward(ctx context.Context, w http.ResponseWriter, c *Call, targets Targets) Outcome {
	f := &forward{d: d, call: c}
	f.client = client{w: w, controls: controlsOf(w), call: c, watch: &f.watch}
	f.watch.begun, f.watch.client, f.watch.timers = time.Now(), &f.client, &d.timers
	f.out.Attempts = f.room[:0]
	f.client.hold()
	f.targets = targets
	d.board.Budget().Begin(f.watch.begun)
	f.run(ctx)
	f.watch.stop()
	f.out.Begun, f.out.Total = f.watch.begun, time.Since(f.watch.begun)
	f.out.Status = f.client.status
	f.out.Committed = f.client.status != 0
	giveBuffer(f.spliced)
	return f.out
}

// forward is one call on its way.
type forward struct {
	d       *Dispatcher
	call    *Call
	client  client
	targets Targets
	watch   watch
	out     Outcome
	room    [2]Attempt // for out.Attempts
	// first is the first attempt, which mostly is the only one, with what it sends.
	first struct {
		attempt
		sending sending
	}

	tried    []try     // attempts that may be followed by a second chance
	full     []busy    // targets to wait for where no other is left
	failures []failure // why there is no answer yet
	overflow *overflow // the request is too long for a model; nil: for none so far
	rescue   *rescue   // of a stream that broke off; nil: none did
	spliced  *[]byte   // pooled; holds the body as the present target gets it

	question   *hub.Request // the request as the hub has it, once a target needs that
	unreadable error
	brought    map[string]*brought // what is at URLs that a target needs the bytes of
	fetchLeft  atomic.Int64        // how many bytes may be fetched still
	writer     hub.Writer          // of the stream that the client gets; nil: it gets the upstream's bytes
}

// try is a target that failed and may do better soon.
type try struct {
	target   *board.Target
	fallback int
	at       time.Time // not before
	done     bool
}

// verdict is what follows from an attempt.
type verdict uint8

const (
	elsewhere verdict = iota // the next target
	final                    // the outcome is there
	full                     // nothing was sent: the target has no place now
	resend                   // the same target at once: the connection was stale
	renew                    // the same target at once, prepared anew
	plain                    // the same target at once, without a prefill
	cut                      // a stream broke off that may be rescued
)

// run tries targets until one gives the outcome. Another channel of the same
// model comes at once, a fallback model only after the best target before it
// had its second chance. One that is full is waited for only when no other is
// left.
func (f *forward) run(ctx context.Context) {
	level := 0
	for !f.spent() {
		t, fallback, ok := f.next()
		if (!ok || fallback > level) && f.secondChance(ctx, level) == final {
			return
		}
		if !ok || f.spent() {
			break
		}
		level = fallback
		if f.try(ctx, f.attempt(t, fallback)) == final {
			return
		}
	}
	if f.queue(ctx, 0) == final {
		return
	}
	f.fail()
}

// attempt is one that has not begun.
func (f *forward) attempt(t *board.Target, fallback int) *attempt {
	a := &f.first.attempt
	if a.target != nil {
		a = new(attempt)
	}
	a.target, a.fallback = t, fallback
	return a
}

// sending is an empty one.
func (f *forward) sending() *sending {
	if f.first.sending.reader.source == nil {
		return &f.first.sending
	}
	return new(sending)
}

// next is the next target of the plan that the request may fit.
func (f *forward) next() (t *board.Target, fallback int, ok bool) {
	for {
		t, fallback, ok = f.targets.Next(time.Now())
		if !ok || !f.overflow.rules(t) {
			return t, fallback, ok
		}
	}
}

func (f *forward) spent() bool {
	return f.call.Rules.MaxAttempts > 0 && len(f.out.Attempts) >= f.call.Rules.MaxAttempts
}

// The pause before a second chance after a reset or a 5xx is drawn between these.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 150 * time.Millisecond
)

func backoff() time.Duration { return minBackoff + rand.N(maxBackoff-minBackoff) }

// remember notes a failure, and when its target may be tried again.
func (f *forward) remember(t *board.Target, fallback int, fail *failure) {
	f.failures = append(f.failures, *fail)
	wait := fail.retryAfter
	switch {
	case !fail.again, wait > f.call.Rules.Patience, wait == 0 && fail.class == board.RateLimit:
		return
	case wait == 0:
		wait = backoff()
	}
	f.tried = append(f.tried, try{target: t, fallback: fallback, at: time.Now().Add(wait)})
}

// secondChance tries the target of a level once more that may be tried first.
func (f *forward) secondChance(ctx context.Context, level int) verdict {
	var best *try
	for i := range f.tried {
		if k := &f.tried[i]; k.fallback == level && !k.done && (best == nil || k.at.Before(best.at)) {
			best = k
		}
	}
	if best == nil || f.spent() {
		return elsewhere
	}
	if end, ok := ctx.Deadline(); ok && end.Before(best.at) {
		return elsewhere
	}
	for i := range f.tried {
		if f.tried[i].fallback == level {
			f.tried[i].done = true
		}
	}
	if !f.pause(ctx, time.Until(best.at)) {
		return final
	}
	n := len(f.tried)
	v := f.try(ctx, &attempt{target: best.target, fallback: level, again: true})
	if len(f.tried) > n {
		f.tried[n].done = true // two are enough
	}
	return v
}

// pause is false where the call ended meanwhile.
func (f *forward) pause(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		f.ended(ctx, 0)
		return false
	}
}

// try sends the call to one target, and at once a second time where the first
// one says nothing about it: its connection had been closed while it was idle,
// or its token had run out.
func (f *forward) try(ctx context.Context, a *attempt) verdict {
	a.f, a.mayResend, a.mayRenew, a.mayPrefill = f, true, true, true
	t := a.target
	if !f.affords(a) {
		return elsewhere
	}
	for {
		if ctx.Err() != nil {
			a.release()
			f.ended(ctx, 0)
			return final
		}
		var err error
		a.prepared, a.way, err = f.prepare(ctx, t)
		if err != nil {
			a.release()
			if ctx.Err() != nil {
				f.ended(ctx, 0)
				return final
			}
			f.unprepared(t, err)
			return elsewhere
		}
		switch v := a.run(ctx); v {
		case resend:
			a.mayResend = false
		case renew:
			a.mayRenew = false
			f.d.renew(t.Channel)
		case plain:
			a.mayPrefill = false
		case cut:
			return f.goOn(ctx)
		default:
			return v
		}
	}
}

// affords asks the retry budget for a try that is not the request's first. One
// that has to wait for its place is no burden.
func (f *forward) affords(a *attempt) bool {
	now := time.Now()
	return len(f.out.Attempts) == 0 || a.held || !a.again && a.target.Admit(now) == board.Full ||
		f.d.board.MayRetry(a.target, a.again, now)
}

// unprepared notes a target that the call can't be made fit for. Nothing was
// sent, so it says nothing about the target.
func (f *forward) unprepared(t *board.Target, err error) {
	fail := failure{reason: scrub(err.Error(), t.Channel.Config.Secret.Reveal())}
	f.d.log.Debug("target left out", "target", t.Name(), "err", fail.reason)
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
		fail.err = *refused
	case sdk.IsUnsupported(err):
		fail.err = *openai.Fault(http.StatusNotFound, "No channel offers this endpoint for the model `"+f.call.Request.Model+"`.")
		fail.err.Code = "unsupported_endpoint"
	}
	f.failures = append(f.failures, fail)
}

// fail ends a call that no target answered.
func (f *forward) fail() {
	if f.overflow.decides(len(f.failures)) {
		f.pass(&f.overflow.refusal)
		return
	}
	f.out.Err, f.out.RetryAfter = tell(f.failures, f.call.Request.Model)
	if f.client.held() {
		f.client.fault(f.out.Err, 0)
	}
}

// ended ends a call whose context did. Nobody is told anything unless somebody
// may still be there.
func (f *forward) ended(ctx context.Context, sequence int) {
	if f.left(ctx) {
		return
	}
	f.out.Err = openai.Fault(http.StatusServiceUnavailable, "The router is shutting down.")
	if errors.Is(h1.Cause(ctx), context.DeadlineExceeded) {
		f.out.Err = openai.Fault(http.StatusGatewayTimeout, "The request's time is over.")
	}
	if f.client.held() {
		f.client.fault(f.out.Err, sequence)
	}
}

// left tells whether it was the client that ended the call.
func (f *forward) left(ctx context.Context) bool {
	return errors.Is(h1.Cause(ctx), context.Canceled)
}
