package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/h1"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Passage is a request about something that one channel keeps, such as a
// response by its id. It has no body, and no other channel could answer it.
type Passage struct {
	Channel *board.Channel
	// Model under the provider's name: some adapters' URLs hold it.
	Model    string
	Endpoint sdk.Endpoint
	Method   string
	// Path is what goes below the endpoint's URL, escaped: "resp_1/cancel".
	Path string
	// Query is the client's, as it came.
	Query  string
	Header http.Header
	// These are those of a [Call].
	KeepAlive, WriteTimeout time.Duration
	Committer               Committer
}

// maxWhole is how much of an answer, in bytes, is read before its head goes
// out, so that one which is cut off leaves the client unharmed.
const maxWhole = 1 << 20

// Pass sends a request to its channel, bans or not, and hands the answer to w.
// Where nothing was committed, the caller answers with [Outcome.Err]. The board
// is not told: what is kept somewhere says nothing about models.
func (d *Dispatcher) Pass(ctx context.Context, w http.ResponseWriter, p *Passage) Outcome {
	x := pass{Passage: p, d: d, secrets: secretsOf(p.Channel.Config, nil)}
	call := &Call{Endpoint: p.Endpoint, KeepAlive: p.KeepAlive, WriteTimeout: p.WriteTimeout}
	x.client = client{w: w, controls: controlsOf(w), call: call, watch: &x.watch}
	x.watch.begun, x.watch.client, x.watch.timers = time.Now(), &x.client, &d.timers
	x.run(ctx)
	x.watch.stop()
	x.out.Total = time.Since(x.watch.begun)
	x.out.Status = x.client.status
	x.out.Committed = x.client.status != 0
	return x.out
}

// pass is one passage under way.
type pass struct {
	*Passage
	d       *Dispatcher
	client  client
	watch   watch
	out     Outcome
	secrets []string
	answer  answer
	ctx     *h1.Scope // of the present try
}

func (x *pass) run(ctx context.Context) {
	resent, renewed := false, false
	for {
		p, err := x.d.preparer.Prepare(ctx, x.Channel, x.Model, x.Endpoint, false)
		if err != nil {
			x.unprepared(ctx, err)
			return
		}
		x.secrets = secretsOf(x.Channel.Config, p)
		switch x.try(ctx, p, !resent, !renewed) {
		case resend:
			resent = true
		case renew:
			renewed = true
			x.d.renew(x.Channel)
		default:
			return
		}
	}
}

// try sends the request once.
func (x *pass) try(parent context.Context, p *sdk.Prepared, mayResend, mayRenew bool) verdict {
	c := x.Channel.Config
	to, err := x.d.pools.route(p.URL, c)
	if err != nil {
		return x.unprepared(parent, err)
	}
	secret, err := x.d.credential(parent, c, &p.Auth)
	if err != nil {
		return x.unprepared(parent, err)
	}
	x.secrets = append(x.secrets, secret)
	sent := parcel{url: below(to.url, x.Path, x.Query), header: forUpstream(x.Header, nil, "", p)}
	if err := authorize(x.Method, &sent, &p.Auth, secret); err != nil {
		return x.unprepared(parent, err)
	}
	place, err := to.pool.take(parent, c.Timeouts.Pool)
	if err != nil {
		return x.fail(parent, &failure{busy: true, reason: err.Error()})
	}
	defer place.give()
	ctx := new(h1.Scope)
	ctx.Begin(parent)
	defer ctx.End(nil)
	defer x.watch.rest()
	x.ctx = ctx
	x.watch.limit(c.Timeouts.Read, errRead, ctx)
	req := &http.Request{
		Method: x.Method, URL: sent.url, Host: sent.url.Host, Header: sent.header,
	}
	var info connInfo
	answer, err := to.pool.send(ctx, req, &info)
	if info.got {
		x.d.observer.Connection(c.Name, info.reused)
	}
	if err != nil {
		if mayResend && info.reused && broken(err) && ctx.Err() == nil {
			return resend // it was closed while it was idle
		}
		return x.fail(parent, judgeNetwork(ctx, err, info.got))
	}
	defer answer.Body.Close()
	x.answer = answer
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized && expires(&p.Auth) && mayRenew:
		return renew
	case status < 200 || status > 299:
		return x.refused(parent)
	}
	if e := answer.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return x.fail(parent, unexpected("the answer is encoded with %s, which was not asked for", shorten(e, 20)))
	}
	if mediaType(answer.Header.Get("Content-Type")) == "text/event-stream" {
		return x.stream()
	}
	return x.whole(parent)
}

// below is the URL of something that is kept at an endpoint. The query follows
// the adapter's own.
func below(endpoint *url.URL, path, query string) *url.URL {
	u := endpoint.JoinPath(path)
	if query != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += query
	}
	return u
}

func (x *pass) unprepared(ctx context.Context, err error) verdict {
	why := failure{reason: err.Error()}
	if sdk.IsUnsupported(err) {
		why.err = *openai.Fault(http.StatusNotFound, "The channel that keeps this no longer offers the endpoint.")
		why.err.Code = "unsupported_endpoint"
	}
	return x.fail(ctx, &why)
}

// fail ends a passage that brought no answer. Nobody is told if the client left.
func (x *pass) fail(parent context.Context, why *failure) verdict {
	x.d.log.Debug("not passed on", "channel", x.Channel.Config.Name, "method", x.Method, "err", shorten(scrub(why.reason, x.secrets...), 300))
	if parent.Err() != nil {
		return final
	}
	why.err.Message = scrub(why.err.Message, x.secrets...)
	x.out.Err, x.out.RetryAfter = tell([]failure{*why}, x.Model)
	return final
}

// refused hands a refusal on as it came, where it is JSON. That of the router's
// own credential, or a redirection, is none of the client's.
func (x *pass) refused(parent context.Context) verdict {
	x.watch.limit(errorBodyWait, errDrain, x.ctx)
	body, err := readUpTo(x.answer.Body, maxRefusal+1) // what came is enough
	why := judgeAnswer(openai.ReadError, x.answer.StatusCode, x.answer.Header, body)
	if why.class == board.Auth || x.answer.StatusCode < http.StatusBadRequest {
		return x.fail(parent, why)
	}
	x.out.Err = asFault(why, x.secrets)
	if err != nil || len(body) > maxRefusal || !rawjson.Valid(body) {
		body = openai.AppendError(nil, x.out.Err)
	}
	x.answer.Header.Set("Content-Type", "application/json")
	body = []byte(scrub(string(body), x.secrets...))
	x.commit(int64(len(body)), false)
	x.out.Complete = x.client.write(body, false)
	return final
}

func (x *pass) whole(parent context.Context) verdict {
	buf := takeBuffer()
	defer giveBuffer(buf)
	body, more, err := fill((*buf)[:0], x.answer.Body, maxWhole, x.answer.ContentLength)
	*buf = body
	if err != nil {
		return x.fail(parent, judgeNetwork(x.ctx, err, true))
	}
	length := int64(len(body))
	if more {
		length = x.answer.ContentLength
	}
	x.commit(length, false)
	for x.client.write(body, false) {
		if !more {
			x.out.Complete = true
			break
		}
		var n int
		n, err = x.answer.Body.Read((*buf)[:cap(*buf)])
		body, more = (*buf)[:n], err == nil
		if err != nil && !errors.Is(err, io.EOF) {
			return x.breakOff(0)
		}
	}
	return final
}

// stream hands whole events on, so that nothing is torn where they break off.
func (x *pass) stream() verdict {
	piece, out := takeBuffer(), takeBuffer()
	defer giveBuffer(piece)
	defer giveBuffer(out)
	x.commit(-1, true)
	x.watch.limit(x.Channel.Config.Timeouts.Idle, errIdle, x.ctx)
	var split sse.Splitter
	var progress wire.Progress
	take := func(e *sse.Event) {
		if e.Data != nil {
			progress.Add(openai.Classify(x.Endpoint, e))
		}
		*out = append(*out, e.Raw...)
	}
	for {
		n, err := x.answer.Body.Read((*piece)[:cap(*piece)])
		split.Feed((*piece)[:n])
		*out = (*out)[:0]
		var e sse.Event
		for split.Next(&e) {
			take(&e)
		}
		if errors.Is(err, io.EOF) && split.Flush(&e) {
			take(&e)
			*out = append(*out, "\n\n"...) // somebody forgot the blank line
		}
		x.watch.touch()
		if len(*out) > 0 && !x.client.write(*out, true) {
			return final
		}
		switch {
		case errors.Is(err, io.EOF) && (progress.Events == 0 || !progress.Truncated()):
			// A client may have asked for what comes after the last event.
			x.out.Complete = true
			return final
		case err != nil || split.Err() != nil:
			return x.breakOff(progress.Events)
		}
	}
}

// commit sends the head. length is that of the body, -1 where it is not known.
func (x *pass) commit(length int64, events bool) {
	if x.Committer != nil {
		x.Committer.Committed()
	}
	k := &x.client
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.w.Header()
	forClient(h, x.answer.Header, x.answer.StatusCode)
	if t := x.answer.Header.Get("Content-Type"); t != "" {
		h["Content-Type"] = []string{t}
	}
	if events {
		eventHead(h)
		k.events = true
		k.postpone(x.watch.now())
	} else if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	h["X-Smartrouter-Channel"] = []string{x.Channel.Config.Name}
	k.sendHead(x.answer.StatusCode)
}

// breakOff ends an answer whose beginning the client has, after so many events.
func (x *pass) breakOff(events int) verdict {
	if cause := h1.Cause(x.ctx); errors.Is(cause, context.Canceled) || errors.Is(cause, errClientGone) {
		return final // the client left
	}
	x.out.Err = brokeOff
	x.client.fault(brokeOff, events)
	return final
}
