package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// regionHeader is how a caller says where it is.
const regionHeader = "X-Smartrouter-Region"

// statusClientLeft is counted for a client that did not wait; it is not sent.
const statusClientLeft = 499

// infer takes requests of one endpoint through their pipeline.
func (s *Server) infer(e sdk.Endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		st := s.state.Load()
		out, err := s.serve(st, e, start, w, r)
		if err != nil {
			fail(w, err)
			out.status = err.Status
		}
		s.finish(r.Context(), e, start, out)
	})
}

// outcome is what the metrics and the log say of a request.
type outcome struct {
	status  int
	cache   string
	source  string
	stream  bool // was asked for
	forward upstream.Outcome
	trace   *telemetry.Request
	busy    bool // a line of a batch found no place
}

// serve answers the request, or returns why it can't be.
func (s *Server) serve(st *State, e sdk.Endpoint, start time.Time, w http.ResponseWriter, r *http.Request) (outcome, *wire.Error) {
	var out outcome
	caller, werr := (&guard{cfg: &st.Config.Server, keys: st.Keys}).caller(r)
	if werr != nil {
		return out, werr
	}
	if !s.load.begin(start, st.Config.Server.MaxInFlight, r.ContentLength) {
		return out, overloaded(w.Header())
	}
	defer s.load.end()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(start.Add(st.Config.Server.BodyTimeout)) // net/http's own connections have one
	r.Body = s.load.body(r.Body)
	body, werr := readBody(w, r, st.Config.Server.MaxBody)
	if werr != nil {
		return out, werr
	}
	_ = control.SetReadDeadline(time.Time{})
	return s.reply(r.Context(), st, w, &asked{
		endpoint: e, path: r.URL.Path, start: start, caller: caller, header: r.Header, body: body,
	})
}

// asked is a request whose caller is known and whose body was read.
type asked struct {
	endpoint sdk.Endpoint
	path     string
	start    time.Time
	caller   string
	header   http.Header
	body     []byte
	// lanes say where a line of a batch may go now; nil: anywhere.
	lanes *lanes
}

// reply takes a request through its pipeline and, where that says so, to an
// upstream.
func (s *Server) reply(ctx context.Context, st *State, w http.ResponseWriter, a *asked) (out outcome, werr *wire.Error) {
	contentType := a.header.Get("Content-Type")
	req, werr := read(a.endpoint, contentType, a.body)
	if werr != nil {
		return out, werr
	}
	out.stream = req.Stream
	if s.telemetry != nil {
		out.trace = s.telemetry.Begin(a.header, a.start, w.Header().Get(decisionHeader), a.endpoint, req.Model, req.Stream)
	}
	p := st.route(a.path, req.Model)
	if p == nil {
		return out, &wire.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
			Message: "No route of this router takes the model " + strconv.Quote(req.Model) + " at " + a.path + ".",
		}
	}
	q := &pipeline.Request{
		Facts: facts(&req, a.caller, len(a.body), a.header, st), Fallbacks: req.Fallbacks,
		Usage: req.Usage, N: req.N, Temperature: openai.Temperature(a.body, &req),
		Header: a.header, Body: a.body, Start: a.start,
	}
	if req.Previous != "" {
		var where string
		q.Channel, where, werr = st.follow(ctx, a.caller, req.Previous)
		s.metrics.found(where)
		if werr != nil {
			return out, werr
		}
	}
	v := p.Run(ctx, q)
	out.cache, out.source = v.Cache, v.Choice.Source
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

	call := &upstream.Call{
		Endpoint: a.endpoint, Header: a.header, ContentType: contentType, Body: a.body, Request: &req, Rules: p.Call,
		KeepAlive: st.Config.Server.KeepAlive, WriteTimeout: st.Config.Server.WriteTimeout,
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
	forward := forwarding{to: st.Dispatcher, call: call, targets: targets, verdict: &v}
	f := &out.forward
	var tries int
	if v.Share != nil && a.lanes == nil {
		call.Tracer = nil // a trace ends with its request, and this call may outlive it
		shared := forward
		var follows bool
		if *f, tries, follows = s.share(ctx, w, v.Share, a.endpoint, call.WriteTimeout, shared.run); follows {
			out.cache = pipeline.Shared
		}
	} else {
		*f = forward.run(ctx, w)
		tries = len(f.Attempts)
	}
	out.status = f.Status
	switch {
	case f.Committed:
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
	keep(x.verdict, x.call.Request, &out)
	return out
}

// read finds what routing needs in the body, be it JSON or a form.
func read(e sdk.Endpoint, contentType string, body []byte) (wire.Request, *wire.Error) {
	var req wire.Request
	var err error
	if kind, _, _ := strings.Cut(contentType, ";"); strings.EqualFold(strings.TrimSpace(kind), "multipart/form-data") {
		req, err = openai.ReadForm(e, contentType, body)
	} else {
		req, err = openai.ReadRequest(e, body)
	}
	var werr *wire.Error
	switch {
	case err == nil:
		return req, nil
	case errors.As(err, &werr):
		return req, werr
	default:
		return req, &wire.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: err.Error()}
	}
}

// facts are all that a plugin could be told of the request.
func facts(r *wire.Request, caller string, size int, h http.Header, st *State) sdk.Request {
	region := cmp.Or(h.Get(regionHeader), st.Keys.Region(caller), st.Config.Server.Region)
	return sdk.Request{
		Model: r.Model, Endpoint: r.Endpoint, Stream: r.Stream, Size: int64(size), Tokens: r.Tokens,
		Tools: r.Tools, Images: r.Images, JSON: r.JSON, Key: caller, Region: region, Prefix: r.Prefix,
	}
}

func rejected(r *pipeline.Rejection) *wire.Error {
	kind := "invalid_request_error"
	if r.Status >= http.StatusInternalServerError {
		kind = "api_error"
	}
	return &wire.Error{Status: r.Status, Type: kind, Code: r.Code, Param: r.Param, Message: r.Message}
}

// finish counts the request and says it in the log, for those who listen.
func (s *Server) finish(ctx context.Context, e sdk.Endpoint, start time.Time, out outcome) {
	took := time.Since(start)
	f := &out.forward
	s.metrics.record(start.Add(took), &answered{
		endpoint: e, status: out.status, stream: out.stream, cache: out.cache, took: took, forward: f,
		left: out.status == statusClientLeft || f.Committed && ctx.Err() != nil,
	})
	if out.trace != nil {
		out.trace.Finish(start, &telemetry.Answer{
			Status: out.status, Cache: out.cache, Took: took, First: firstContent(f, start, out.stream), Forward: f,
		})
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
