package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/h1"
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
	way
	wait  time.Duration // for a connection
	held  bool          // the board has counted it in already
	again bool          // the request was at this target before
	// The same target may be tried again at once.
	mayResend, mayRenew, mayPrefill bool

	// tokens that the request is reckoned to be, and when the board was told.
	tokens   int64
	reserved time.Time

	begun  time.Time
	record *Attempt
	parent context.Context // the caller's
	*sending
	answer    answer
	succeeded bool
	resume    *openai.Resume // of a stream that goes on with another's; nil: it is the first
	id        string         // of what the answer holds; empty: not known yet
	secret    string         // the credential that the target gets
	// inOpenAI is a request for something beside chat in OpenAI's bytes.
	inOpenAI []byte
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
	r, err := a.pack(ctx, route)
	if err != nil {
		a.release()
		f.unprepared(a.target, err)
		return elsewhere
	}
	a.begun = time.Now()
	if !a.held {
		a.tokens, a.reserved = f.tokens(), a.begun
	}
	if !a.held && !a.target.BeginWith(a.begun, a.tokens) {
		f.full = append(f.full, busy{target: a.target, fallback: a.fallback})
		return full
	}
	a.held = true
	place, err := route.pool.take(ctx, 0)
	if a.wait > 0 && errors.Is(err, errFull) {
		place, err = route.pool.take(ctx, a.wait)
		f.d.observer.Queued(c.Name, time.Since(a.begun), err == nil)
	}
	switch {
	case err == nil:
		defer place.give()
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
	f.out.Attempts = append(f.out.Attempts, Attempt{Target: a.target, Begun: a.begun, Rescue: f.rescue != nil})
	a.record = &f.out.Attempts[len(f.out.Attempts)-1]
	if tracer := f.call.Tracer; tracer != nil {
		tracer.Begin(a.target, r.header, a.begun)
	}
	a.parent = ctx
	a.sending = f.sending()
	a.sending.begin(&r, &f.watch)
	a.scope.Begin(ctx)
	defer a.scope.End(nil)
	defer a.lent.take()
	defer f.watch.rest()
	switch {
	case f.rescue != nil && time.Until(f.rescue.until) < c.Timeouts.FirstToken:
		f.watch.limit(max(1, time.Until(f.rescue.until)), errRescueTime, &a.scope)
	case f.call.Request.Stream:
		f.watch.limit(c.Timeouts.FirstToken, errFirstToken, &a.scope)
	default:
		f.watch.limit(c.Timeouts.Read, errRead, &a.scope)
	}
	info := &a.info
	a.answer, err = route.pool.send(&a.scope, &a.request, info)
	if !route.pool.transport.keeps() {
		giveHeader(r.header)
	}
	if info.got {
		a.record.Connect, a.record.Reused = info.at.Sub(a.begun), info.reused
		f.d.observer.Connection(c.Name, info.reused)
	}
	if errors.Is(err, errFull) {
		// Nothing was sent, so this was no try.
		f.out.Target, f.out.Attempts = before, f.out.Attempts[:len(f.out.Attempts)-1]
		a.target.Withdraw(a.reserved, a.tokens)
		f.full = append(f.full, busy{target: a.target, fallback: a.fallback, connections: true, streams: route.pool})
		return full
	}
	if err != nil {
		if a.mayResend && info.reused && broken(err) && ctx.Err() == nil && a.scope.Err() == nil {
			// An idle connection that was closed under the request says
			// nothing about the target. Only this once: the next one is fresh
			// or proves that the target does it.
			a.over(board.None, "an idle connection was closed")
			a.target.Withdraw(a.reserved, a.tokens)
			return resend
		}
		return a.fail(judgeNetwork(&a.scope, err, info.got), 0)
	}
	defer a.answer.Body.Close()
	a.record.Status = a.answer.StatusCode
	if a.answer.StatusCode < 200 || a.answer.StatusCode > 299 {
		return a.refused()
	}
	v := a.take()
	if a.succeeded {
		a.answer.recycle()
	}
	return v
}

// sending is a parcel on its way.
type sending struct {
	scope   h1.Scope // of this attempt; the caller's context is its parent
	request http.Request
	lent    source
	reader  reader
	info    connInfo
}

// begin fills in an empty one.
func (s *sending) begin(r *parcel, w *watch) {
	s.lent.data, s.lent.watch = r.data, w
	s.reader.source = &s.lent
	s.request = http.Request{
		Method: http.MethodPost, URL: r.url, Host: r.url.Host, Header: r.header, ContentLength: int64(len(r.data)),
		Body: &s.reader,
	}
}

// answerTokens are reckoned for an answer of which nobody says how long it may be.
const answerTokens = 256

// tokens that the request is reckoned to be, until its answer tells.
func (f *forward) tokens() int64 {
	r := f.call.Request
	if r.MaxTokens > 0 {
		return r.Tokens + r.MaxTokens
	}
	return r.Tokens + answerTokens
}

// release gives back a place that no request was sent from.
func (a *attempt) release() {
	if a.held {
		a.held = false
		a.target.Withdraw(a.reserved, a.tokens)
	}
}

// parcel is a request as the target is to get it.
type parcel struct {
	url    *url.URL
	header http.Header
	data   []byte
}

// pack makes the parcel. An error is the adapter's doing, or there is no
// credential.
func (a *attempt) pack(ctx context.Context, r *route) (parcel, error) {
	f, p := a.f, a.prepared
	model := p.Model
	if model == "" {
		model = a.target.Upstream
	}
	out := parcel{url: r.url, header: a.head()}
	var err error
	if a.secret, err = f.d.credential(ctx, a.target.Channel.Config, &p.Auth); err != nil {
		return out, err
	}
	if out.data, err = a.body(ctx, model); err != nil {
		return out, err
	}
	if p.Auth.Kind == sdk.AuthBearer && a.secret != "" {
		out.header["Authorization"] = r.authorization(a.secret)
	} else if err = authorize(http.MethodPost, &out, &p.Auth, a.secret); err != nil {
		return out, err
	}
	if in := f.call.format().In; !a.translated && in.Head != nil {
		in.Head(out.header, f.call.Header)
	}
	return out, nil
}

// body is that of the request, for the model under the target's name.
func (a *attempt) body(ctx context.Context, model string) (data []byte, err error) {
	f := a.f
	if f.spliced == nil {
		f.spliced = takeBuffer()
	}
	if a.translated || f.call.Request.Mended || a.f.rescue != nil && f.call.format() != openai.Format && a.prefills() {
		if data, err = a.translate(ctx, (*f.spliced)[:0], model); err != nil {
			return nil, err
		}
		*f.spliced = data
		return a.edited(data)
	}
	call := f.call
	if in := call.format().In; in.Rename != nil && model != call.Request.Model {
		renamed := *call
		renamed.Body = in.Rename(nil, call.Body, model)
		call = &renamed
	}
	if data, err = outgoing((*f.spliced)[:0], call, model, a.prepared); err != nil {
		return nil, err
	}
	if !same(data, f.call.Body) {
		*f.spliced = data // it may have grown
	}
	a.warnDeleted(f.call.Body)
	if f.rescue != nil {
		return a.goingOn(data)
	}
	return data, nil
}

// edited is a translated body with the adapter's edits.
func (a *attempt) edited(body []byte) ([]byte, error) {
	if len(a.prepared.Edits) == 0 {
		return body, nil
	}
	a.warnDeleted(body)
	edits, err := appendEdits(nil, a.prepared.Edits)
	if err != nil {
		return nil, err
	}
	return rawjson.Splice(nil, body, edits)
}

func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// over ends the attempt's record.
func (a *attempt) over(class board.Class, reason string) {
	a.record.Class = class
	if reason != "" {
		a.record.Reason = shorten(scrub(reason, a.secrets()...), 300)
	}
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
	return append(secretsOf(a.target.Channel.Config, a.prepared), a.secret)
}

// fail ends an attempt that brought no answer, before or after the commit.
// events is how many events the client has got.
func (a *attempt) fail(why *failure, events int) verdict {
	f := a.f
	if a.parent.Err() != nil || errors.Is(h1.Cause(&a.scope), errClientGone) {
		return a.leave(events)
	}
	if errors.Is(h1.Cause(&a.scope), errRescueTime) {
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
	if u := a.f.out.Usage; a.f.rescue == nil && u.Input+u.Output > 0 {
		a.target.Settle(a.reserved, a.tokens, u.Input+u.Output)
	}
	a.f.d.board.Succeed(a.target, ttft)
	a.f.out.Complete = true
	a.succeeded = true
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
	a.target.Settle(a.reserved, a.tokens, 0) // whoever refuses, counts no tokens
	a.tokens = 0
	if status == http.StatusUnauthorized && expires(&a.prepared.Auth) && a.mayRenew {
		a.over(board.None, "401: the token is renewed")
		a.target.Leave()
		return renew
	}
	f.watch.limit(errorBodyWait, errDrain, &a.scope)
	// A body that is read to its end leaves the connection fit for use.
	body, _ := readUpTo(a.answer.Body, f.call.Rules.ErrorBody+1) // what came is enough
	limited := body[:min(int64(len(body)), f.call.Rules.ErrorBody)]
	why := a.judgeAnswer(status, limited)
	if !why.ours {
		return a.fail(why, 0)
	}
	whole := true
	if int64(len(body)) > f.call.Rules.ErrorBody {
		f.watch.limit(a.target.Channel.Config.Timeouts.Idle, errDrain, &a.scope)
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
	if a.translated || !whole || a.answer.StatusCode != e.Status || !rawjson.Valid(body) {
		body = f.call.format().In.Error(nil, e)
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
// words where they are JSON, in the client's form where they are not, such as a
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
