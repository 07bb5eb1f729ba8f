package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// codeUnsupported is of the error that tells that no channel has the endpoint.
const codeUnsupported = "unsupported_endpoint"

// statusClientLeft is counted for a client that did not wait; it is not sent.
const statusClientLeft = 499

// infer takes requests of one endpoint through their pipeline.
func (s *Server) infer(e entry) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		a := visits.Get().(*asked)
		a.entry, a.path, a.start, a.header = e, r.URL.Path, start, r.Header
		body := takeBody(min(r.ContentLength, mostReserved))
		if !s.visit(a, w, r, body) {
			*a = asked{}
			visits.Put(a)
			recycle(w, body)
		}
	})
}

// visits are requests that were answered. One that ended in a panic, or whose
// upstream call outlived it, is none of them.
var visits = sync.Pool{New: func() any { return new(asked) }}

// visit answers the request and counts it. It is lent where an upstream call goes
// on with it.
func (s *Server) visit(a *asked, w http.ResponseWriter, r *http.Request, body *[]byte) (lent bool) {
	s.enter(&a.stay)
	defer a.stay.over()
	out := &a.outcome
	var err *wire.Error
	if *out, err = s.serve(a, w, r, body); err != nil {
		a.fail(w, err)
		out.status, out.fault = err.Status, err
	}
	s.finish(r.Context(), a.endpoint, a.start, out)
	return a.stay.lent
}

// outcome is what the metrics and the log say of a request.
type outcome struct {
	status  int
	cache   string
	source  string
	stream  bool // was asked for
	forward upstream.Outcome
	trace   *telemetry.Request
	draft   *draft      // of its decision record; nil: nobody wants it
	fault   *wire.Error // that the client was answered with
	side    sideName    // that decided, where the step has a canary
	busy    bool        // a line of a batch found no place
}

// recycle says that nobody looks at the request any more.
func recycle(w http.ResponseWriter, body *[]byte) {
	giveBody(body)
	if c, ok := w.(interface{ Recycle() }); ok {
		c.Recycle()
	}
}

// serve answers the request, or returns why it can't be. Its body is read into
// the buffer.
func (s *Server) serve(a *asked, w http.ResponseWriter, r *http.Request, body *[]byte) (out outcome, werr *wire.Error) {
	cfg := &a.stay.Config.Server
	if a.caller, werr = guardOf(a.stay.State).caller(r); werr != nil {
		return out, werr
	}
	if !s.load.begin(a.start, cfg.MaxInFlight, r.ContentLength) {
		return out, overloaded(w.Header())
	}
	defer s.load.end()
	setReadDeadline(w, a.start.Add(cfg.BodyTimeout))
	r.Body = s.load.body(r.Body)
	if *body, werr = readBodyInto(*body, w, r, cfg.MaxBody); werr != nil {
		return out, werr
	}
	setReadDeadline(w, time.Time{})
	a.body = *body
	if r.URL.RawQuery != "" {
		a.query = r.URL.Query()
	}
	return s.reply(r.Context(), &a.stay, w, a)
}

// setReadDeadline bounds the reads of a request's body; a writer that is no
// connection's has none.
func setReadDeadline(w http.ResponseWriter, t time.Time) {
	if c, ok := w.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = c.SetReadDeadline(t) // where it fails, so does the next read
	}
}

// asked is a request whose caller is known and whose body was read.
type asked struct {
	entry
	path   string
	query  url.Values
	start  time.Time
	caller string
	header http.Header
	body   []byte
	// lanes say where a line of a batch may go now; nil: anywhere.
	lanes *lanes

	// What becomes of it, in one piece of memory with it.
	stay    stay
	request wire.Request
	ask     hub.Ask
	asks    pipeline.Request
	outcome outcome
	verdict pipeline.Verdict
	call    upstream.Call
}

// reply takes a request through its pipeline and, where that says so, to an
// upstream.
func (s *Server) reply(ctx context.Context, st *stay, w http.ResponseWriter, a *asked) (out outcome, werr *wire.Error) {
	contentType := a.header.Get("Content-Type")
	req := &a.request
	a.ask = hub.Ask{Endpoint: a.endpoint, Path: a.path, Query: a.query, Header: a.header, Body: a.body}
	if *req, werr = a.facts(&a.ask); werr != nil {
		return out, werr
	}
	out.stream = req.Stream
	id := w.Header().Get(decisionHeader)
	if st.Telemetry != nil {
		out.trace = st.Telemetry.Begin(a.header, a.start, id, a.endpoint, req.Model, req.Stream)
	}
	p := st.route(a.path, req.Model)
	if p == nil {
		return out, &wire.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
			Message: "No route of this router takes the model " + strconv.Quote(req.Model) + " at " + a.path + ".",
		}
	}
	q := &a.asks
	ask(q, st.State, a.entry, a.path, a.caller, a.header, req, a.body, a.start)
	if req.Previous != "" {
		var where string
		q.Channel, where, werr = st.follow(ctx, a.caller, req.Previous)
		s.metrics.found(where)
		if werr != nil {
			return out, werr
		}
	}
	v := &a.verdict
	p.Decide(ctx, q, v)
	if v.Edited {
		if *req, werr = a.read(a.path, a.query, a.header, q.Body); werr != nil {
			return out, werr
		}
		out.stream = req.Stream
	}
	if wanted, prompts := s.desk.Ask(id); wanted {
		out.draft = newDraft(id, st.State, p, q, prompts) // of what a guard left of it
	}
	out.cache, out.source = v.Cache, v.Choice.Source
	out.draft.decided(q, v)
	if v.Choice.Side != "" {
		out.side = sideName{p.Name(), v.Choice.Step(), v.Choice.Side}
	}
	h := w.Header()
	if v.Cache != "" {
		h["X-Cache"] = []string{v.Cache}
	}
	switch {
	case v.Reject != nil:
		if ctx.Err() == nil {
			return out, rejected(v.Reject)
		}
		out.status = statusClientLeft
		return out, nil
	case v.Reply != nil:
		replay(w, v.Reply, st.Config.Server.WriteTimeout)
		out.status = http.StatusOK
		return out, nil
	}

	call := &a.call
	*call = upstream.Call{
		Endpoint: a.endpoint, Format: a.format, Header: a.header, ContentType: contentType, Body: q.Body, Request: req, Rules: p.Call,
		KeepAlive: st.Config.Server.KeepAlive, WriteTimeout: st.Config.Server.WriteTimeout, Committer: st,
	}
	if a.endpoint == sdk.Responses && !req.Unstored {
		call.Keeper = &keeper{pins: st.Pins, caller: a.caller, ttl: st.Config.ResponseTTL}
	}
	if out.trace != nil {
		call.Tracer = out.trace
	}
	if v.Keep != nil {
		call.Capture = v.Keep.MaxBytes
	}
	targets := upstream.Targets(&v.Walk)
	if a.lanes != nil {
		l := &lineWalk{walk: targets, lanes: a.lanes, cfg: &st.Config.Batch}
		defer l.release()
		defer func() { out.busy = l.skipped && len(out.forward.Attempts) == 0 }()
		targets = l
	}
	forward := forwarding{to: st.Dispatcher, call: call, targets: targets, verdict: v}
	f := &out.forward
	var tries int
	if v.Share != nil && a.lanes == nil {
		if out.trace != nil {
			call.Tracer = out.trace.Apart()
		}
		shared := forward
		var follows bool
		if *f, tries, follows = s.share(ctx, w, st, v.Share, call, shared.run); follows {
			out.cache = pipeline.Shared
		}
	} else {
		*f = forward.run(ctx, w)
		tries = len(f.Attempts)
	}
	out.status = f.Status
	switch {
	case f.Committed:
	case f.Err != nil && f.Err.Code == codeUnsupported && a.endpoint == sdk.CountTokens:
		a.tokens(w, req)
		out.status = http.StatusOK
	case f.Err != nil:
		retryAfter(h, f.RetryAfter)
		if tries > 0 { // else the router was busy, and a try by the client is the first one
			h.Set("X-Should-Retry", "false")
		}
		h.Set("X-Smartrouter-Attempts", strconv.Itoa(tries))
		return out, f.Err
	default:
		out.status = statusClientLeft
	}
	return out, nil
}

// forwarding is what an upstream call needs, and what becomes of its answer.
type forwarding struct {
	to      *upstream.Dispatcher
	call    *upstream.Call
	targets upstream.Targets
	verdict *pipeline.Verdict
}

func (x *forwarding) run(ctx context.Context, w http.ResponseWriter) upstream.Outcome {
	out := x.to.Forward(ctx, w, x.call, x.targets)
	keep(x.verdict, x.call, &out)
	return out
}

// ask fills in a request as the steps of a pipeline see it.
func ask(q *pipeline.Request, st *State, e entry, path, caller string, h http.Header, r *wire.Request, body []byte, start time.Time) {
	*q = pipeline.Request{
		Facts: sdk.Request{
			Endpoint: r.Endpoint, Key: caller, Region: st.region(h, caller),
		},
		Header: h, Format: e.format.Name, Path: path, Start: start,
	}
	fill(q, r, body)
}

// fill says what hangs on the body.
func fill(q *pipeline.Request, r *wire.Request, body []byte) {
	f := &q.Facts
	f.Model, f.Stream, f.Size, f.Tokens = r.Model, r.Stream, int64(len(body)), r.Tokens
	f.Tools, f.Images, f.JSON, f.Prefix = r.Tools, r.Images, r.JSON, r.Prefix
	q.Fallbacks, q.Usage, q.N, q.Temperature, q.Body = r.Fallbacks, r.Usage, r.N, openai.Temperature(body, r), body
}

func rejected(r *pipeline.Rejection) *wire.Error {
	kind := "invalid_request_error"
	if r.Status >= http.StatusInternalServerError {
		kind = "api_error"
	}
	return &wire.Error{Status: r.Status, Type: kind, Code: r.Code, Param: r.Param, Message: r.Message}
}

// finish counts the request and says it in the log, for those who listen.
func (s *Server) finish(ctx context.Context, e sdk.Endpoint, start time.Time, out *outcome) {
	took := time.Since(start)
	f := &out.forward
	s.metrics.record(start.Add(took), &answered{
		endpoint: e, status: out.status, stream: out.stream, cache: out.cache, took: took, forward: f,
		left: out.status == statusClientLeft || f.Committed && ctx.Err() != nil,
	})
	if out.side != (sideName{}) {
		s.metrics.decided(start.Add(took), out, start)
	}
	if out.trace != nil {
		out.trace.Finish(start, &telemetry.Answer{
			Status: out.status, Cache: out.cache, Took: took, First: firstContent(f, start, out.stream), Forward: f,
		})
	}
	if d := out.draft; d != nil {
		d.settle(out, took, ctx.Err() != nil)
		s.desk.Leave(d.id, d)
	}
	if s.log.IsDebug() {
		channel, model := "", ""
		if f.Target != nil {
			channel, model = f.Target.Channel.Config.Name, f.Target.Model
		}
		s.log.Debug("request", "endpoint", e, "status", out.status, "channel", channel, "model", model,
			"attempts", len(f.Attempts), "plan", out.source, "cache", out.cache, "took", took)
	}
}
