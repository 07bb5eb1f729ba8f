package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// attempt is one try at a target.
type attempt struct {
	f        *forward
	target   *board.Target
	fallback int
	prepared *sdk.Prepared
	wait     time.Duration // for a connection
	held     bool          // the board has counted it in already
	again    bool          // the request was at this target before
	// The same target may be tried again at once.
	mayResend, mayRenew, mayPrefill bool

	begun  time.Time
	record *Attempt
	ctx    context.Context // of this attempt; the caller's is its parent
	cancel context.CancelCauseFunc
	parent context.Context
	answer *http.Response
	resume *openai.Resume // of a stream that goes on with another's; nil: it is the first
	id     string         // of what the answer holds; empty: not known yet
}

// run makes the try. The board is told of it exactly once.
func (a *attempt) run(ctx context.Context) verdict {
	f, c := a.f, a.target.Channel.Config
	route, err := f.d.pools.route(a.prepared.URL, c)
	if err != nil {
		a.release()
		f.unprepared(a.target, err)
		return elsewhere
	}
	r, err := a.request(route)
	if err != nil {
		a.release()
		f.unprepared(a.target, err)
		return elsewhere
	}
	a.begun = time.Now()
	if !a.held && !a.target.Begin(a.begun) {
		f.full = append(f.full, busy{target: a.target, fallback: a.fallback})
		return full
	}
	a.held = true
	give, err := route.pool.take(ctx, 0)
	if a.wait > 0 && errors.Is(err, errFull) {
		give, err = route.pool.take(ctx, a.wait)
		f.d.observer.Queued(c.Name, time.Since(a.begun), err == nil)
	}
	switch {
	case err == nil:
		defer give()
	case errors.Is(err, errFull):
		a.release()
		f.full = append(f.full, busy{target: a.target, fallback: a.fallback, connections: true})
		return full
	default:
		a.release()
		f.ended(ctx, 0)
		return final
	}

	a.begun, a.held = time.Now(), false // from here on the outcome counts it out
	before := f.out.Target
	f.out.Target = a.target
	f.out.Attempts = append(f.out.Attempts, Attempt{Target: a.target, Rescue: f.rescue != nil})
	a.record = &f.out.Attempts[len(f.out.Attempts)-1]
	if tracer := f.call.Tracer; tracer != nil {
		tracer.Begin(a.target, r.header, a.begun)
	}
	a.parent = ctx
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	body := &source{data: r.data, watch: &f.watch}
	defer body.take()
	defer f.watch.rest()

	req := &http.Request{
		Method: http.MethodPost, URL: r.url, Host: r.url.Host, Header: r.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(r.data)),
		Body: &reader{source: body}, GetBody: body.reader,
	}
	switch {
	case f.rescue != nil && time.Until(f.rescue.until) < c.Timeouts.FirstToken:
		f.watch.limit(max(1, time.Until(f.rescue.until)), errRescueTime, a.cancel)
	case f.call.Request.Stream:
		f.watch.limit(c.Timeouts.FirstToken, errFirstToken, a.cancel)
	default:
		f.watch.limit(c.Timeouts.Read, errRead, a.cancel)
	}
	var info connInfo
	//nolint:bodyclose // closed below, once there is no error
	a.answer, err = route.pool.transport.send(req.WithContext(a.ctx), &info)
	if info.got {
		a.record.Connect, a.record.Reused = info.at.Sub(a.begun), info.reused
		f.d.observer.Connection(c.Name, info.reused)
	}
	if errors.Is(err, errFull) {
		// Nothing was sent, so this was no try.
		f.out.Target, f.out.Attempts = before, f.out.Attempts[:len(f.out.Attempts)-1]
		a.target.Leave()
		f.full = append(f.full, busy{target: a.target, fallback: a.fallback, connections: true, streams: route.pool})
		return full
	}
	if err != nil {
		if a.mayResend && info.reused && broken(err) && ctx.Err() == nil && a.ctx.Err() == nil {
			// An idle connection that was closed under the request says
			// nothing about the target. Only this once: the next one is fresh
			// or proves that the target does it.
			a.over(board.None, "an idle connection was closed")
			a.target.Leave()
			return resend
		}
		return a.fail(judgeNetwork(a.ctx, err, info.got), 0)
	}
	defer a.answer.Body.Close()
	if a.answer.ProtoMajor == 2 {
		route.pool.multiplexed.Store(true)
	}
	a.record.Status = a.answer.StatusCode
	if a.answer.StatusCode < 200 || a.answer.StatusCode > 299 {
		return a.refused()
	}
	return a.take()
}

// release gives back a place that no request was sent from.
func (a *attempt) release() {
	if a.held {
		a.held = false
		a.target.Leave()
	}
}

// parcel is a request as the target is to get it.
type parcel struct {
	url    *url.URL
	header http.Header
	data   []byte
}

// request makes the parcel. An error is the adapter's doing.
func (a *attempt) request(r *route) (parcel, error) {
	f, p := a.f, a.prepared
	if p.Codec != "" && p.Codec != codec {
		return parcel{}, fmt.Errorf("the adapter wants the unknown codec %q", p.Codec)
	}
	model := p.Model
	if model == "" {
		model = a.target.Upstream
	}
	out := parcel{header: forUpstream(f.call.Header, f.call.ContentType, p)}
	var err error
	if out.url, err = authorize(out.header, r.url, &p.Auth, a.target.Channel.Config.Secret.Reveal()); err != nil {
		return out, err
	}
	if f.spliced == nil {
		f.spliced = takeBuffer()
	}
	if out.data, err = outgoing((*f.spliced)[:0], f.call, model, p); err == nil && !same(out.data, f.call.Body) {
		*f.spliced = out.data // it may have grown
	}
	if err == nil && f.rescue != nil {
		out.data, err = a.goingOn(out.data)
	}
	return out, err
}

// codec is the only wire format so far.
const codec = "openai"

func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// over ends the attempt's record.
func (a *attempt) over(class board.Class, reason string) {
	a.record.Class = class
	a.record.Reason = shorten(scrub(reason, a.secrets()...), 300)
	a.record.Total = time.Since(a.begun)
	a.f.d.observer.Attempt(a.target, class, a.record.Total)
	if tracer := a.f.call.Tracer; tracer != nil {
		tracer.End(a.record)
	}
	if class != board.None && a.f.d.log.IsDebug() {
		a.f.d.log.Debug("attempt failed", "target", a.target.Name(), "class", class, "status", a.record.Status, "reason", a.record.Reason)
	}
}

func (a *attempt) secrets() []string {
	return []string{a.target.Channel.Config.Secret.Reveal(), a.prepared.Auth.Value}
}

// fail ends an attempt that brought no answer, before or after the commit.
// events is how many events the client has got.
func (a *attempt) fail(why *failure, events int) verdict {
	f := a.f
	if a.parent.Err() != nil || errors.Is(context.Cause(a.ctx), errClientGone) {
		return a.leave(events)
	}
	if errors.Is(context.Cause(a.ctx), errRescueTime) {
		// It had less than its own time, so nothing is wrong with it.
		why = &failure{reason: errRescueTime.Error()}
	}
	why.err.Message = scrub(why.err.Message, a.secrets()...)
	a.over(why.class, why.reason)
	f.d.board.Fail(a.target, board.Failure{Class: why.class, Reason: a.record.Reason, RetryAfter: why.retryAfter})
	f.remember(a.target, a.fallback, why)
	return elsewhere
}

// leave ends an attempt that its client, or whoever ended the call, gave up.
func (a *attempt) leave(events int) verdict {
	a.over(board.None, "the client left")
	a.target.Leave()
	if a.parent.Err() != nil {
		a.f.ended(a.parent, events)
	}
	return final
}

// succeed ends an attempt that answered.
func (a *attempt) succeed(ttft time.Duration) verdict {
	a.over(board.None, "")
	a.f.d.board.Succeed(a.target, ttft)
	a.f.out.Complete = true
	return final
}

// first notes the first content.
func (a *attempt) first() {
	a.record.TTFT = time.Since(a.begun)
	a.f.out.TTFT = time.Since(a.f.watch.begun)
}

const (
	// errorBodyWait is how long the body of an error answer is waited for: its
	// status has decided already.
	errorBodyWait = time.Second
	// maxRefusal is the longest refusal, in bytes, that is passed on as it came.
	maxRefusal = 1 << 20
)

// refused deals with an answer whose status is not a good one.
func (a *attempt) refused() verdict {
	f, status := a.f, a.answer.StatusCode
	if status == http.StatusUnauthorized && a.prepared.Auth.Kind == sdk.AuthMinted && a.mayRenew {
		a.over(board.None, "401: the token is renewed")
		a.target.Leave()
		return renew
	}
	f.watch.limit(errorBodyWait, errDrain, a.cancel)
	// A body that is read to its end leaves the connection fit for use.
	body, _ := readUpTo(a.answer.Body, f.call.Rules.ErrorBody+1) // what came is enough
	limited := body[:min(int64(len(body)), f.call.Rules.ErrorBody)]
	why := judgeAnswer(status, a.answer.Header, limited)
	if !why.ours {
		return a.fail(why, 0)
	}
	whole := true
	if int64(len(body)) > f.call.Rules.ErrorBody {
		f.watch.limit(a.target.Channel.Config.Timeouts.Idle, errDrain, a.cancel)
		rest, err := readUpTo(a.answer.Body, maxRefusal+1-int64(len(body)))
		body = append(body, rest...)
		whole = err == nil && len(body) <= maxRefusal
	}
	return a.passOn(why, body, whole)
}

// passOn hands the upstream's refusal to the client, unless another target may
// say something else.
func (a *attempt) passOn(why *failure, body []byte, whole bool) verdict {
	f := a.f
	if a.parent.Err() != nil {
		return a.leave(0)
	}
	a.over(board.None, why.reason)
	f.d.board.Fail(a.target, board.Failure{Class: board.None, Reason: a.record.Reason})
	if f.rescue != nil {
		// It does not want the beginning, or the whole request, which others
		// have taken already.
		if a.prefilled() {
			return plain
		}
		return elsewhere
	}
	e := asFault(why, a.secrets())
	if !whole || a.answer.StatusCode != e.Status || !rawjson.Valid(body) {
		body = openai.AppendError(nil, e)
	}
	r := refusal{err: e, body: []byte(scrub(string(body), a.secrets()...)), from: a.answer.Header, target: a.target}
	if why.overflow {
		f.overflow = f.overflow.add(&r, len(f.failures))
		return elsewhere
	}
	f.pass(&r)
	return final
}

// refusal is what an upstream says of a request that is wrong: in its own
// words where they are JSON, in OpenAI's form where they are not, such as a
// proxy's page.
type refusal struct {
	err    *wire.Error
	body   []byte
	from   http.Header
	target *board.Target
}

// pass ends the call with a refusal.
func (f *forward) pass(r *refusal) {
	f.out.Err, f.out.Complete = r.err, true
	if f.client.held() {
		f.client.fault(r.err, 0)
		return
	}
	f.client.commit(&head{
		status: r.err.Status, contentType: "application/json", length: int64(len(r.body)),
		from: r.from, target: r.target, attempts: len(f.out.Attempts),
	})
	f.client.write(r.body, false)
}

// readUpTo reads at most n bytes. An end before that is no error.
func readUpTo(r io.Reader, n int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, n))
}

// buffers hold what is read and what is sent changed.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, pieceSize); return &b }}

const (
	// pieceSize is how much of an answer is read at once, in bytes.
	pieceSize = 8 << 10
	// keepBuffer is the largest buffer that is kept for another request, in bytes.
	keepBuffer = 1 << 20
)

func takeBuffer() *[]byte { return buffers.Get().(*[]byte) }

func giveBuffer(b *[]byte) {
	if b != nil && cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
