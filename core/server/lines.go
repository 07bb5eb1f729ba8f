package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Run answers a line of a batch as if its owner had sent it, where live
// requests leave room for it. It is part of batch.Runner.
func (s *Server) Run(ctx context.Context, q batch.Request) batch.Answer {
	start := time.Now()
	st := s.use()
	defer st.over()
	cfg := &st.Config.Batch
	if !s.load.spare(start, cfg.Share, st.Config.Server.MaxInFlight, int64(len(q.Body))) {
		return batch.Answer{Busy: true}
	}
	defer s.load.end()
	id := s.ids.next()
	e, ok := endpoints[q.Endpoint]
	a := &asked{
		entry: entries[q.Endpoint], path: q.Endpoint, start: start, caller: q.Owner, body: q.Body, lanes: &s.lanes,
		header: make(http.Header, len(q.Header)+1),
	}
	for name, v := range q.Header {
		a.header[name] = v
	}
	a.header["Content-Type"] = []string{"application/json"}
	switch {
	case !ok: // a router before this one served it
		return refused(id, openai.Fault(http.StatusNotFound, "This router does not serve "+q.Endpoint+"."))
	case !st.Keys.Has(q.Owner):
		return refused(id, &wire.Error{
			Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key",
			Message: "The key that the batch was created with is no longer one of the router's.",
		})
	case formOnly(e, q.Body):
		contentType, form, err := batch.Form(q.Body)
		if err != nil {
			return refused(id, openai.Fault(http.StatusBadRequest, "The body can't be made a form: "+err.Error()))
		}
		a.header["Content-Type"], a.body = []string{contentType}, form
	}
	rec := &recorder{limit: st.Config.Server.MaxBody, header: http.Header{decisionHeader: {id}}}
	out, werr := s.reply(ctx, st, rec, a)
	if out.busy {
		out.trace.Leave()
		return batch.Answer{Busy: true}
	}
	if werr != nil {
		out.status, out.fault = werr.Status, werr
	}
	s.finish(ctx, e, start, &out)
	f := &out.forward
	switch {
	case rec.over:
		return refused(id, openai.Fault(http.StatusInsufficientStorage, "The answer is longer than "+size(rec.limit)+", the limit server.max_body of the router."))
	case werr != nil:
		answer := refused(id, werr)
		answer.RetryAfter, answer.Usage = f.RetryAfter, f.Usage
		return answer
	case out.status == statusClientLeft, ctx.Err() != nil && !f.Complete && f.Committed:
		return batch.Answer{}
	case f.Committed && !f.Complete:
		return refused(id, openai.Fault(http.StatusBadGateway, "The upstream broke off in the middle of its answer."))
	}
	return batch.Answer{
		Status: rec.status, RequestID: id, ContentType: rec.header.Get("Content-Type"), Body: rec.body.Bytes(),
		Usage: f.Usage, RetryAfter: f.RetryAfter,
	}
}

func refused(id string, e *wire.Error) batch.Answer {
	return batch.Answer{Status: e.Status, RequestID: id, ContentType: "application/json", Body: openai.AppendError(nil, e)}
}

// formOnly reports a line whose endpoint takes no JSON. Edits of images come in
// both ways: with references, which are JSON, or with the image itself.
func formOnly(e sdk.Endpoint, body []byte) bool {
	switch e {
	case sdk.ImageVariation, sdk.Transcription, sdk.Translation:
		return true
	case sdk.ImageEdit:
		return bytes.Contains(body, []byte(`"data:`)) && !bytes.Contains(body, []byte(`"image_url"`))
	}
	return false
}

// spare counts a line in where a share of what the router may work on at the
// same time is free.
func (l *load) spare(now time.Time, share float64, most int, size int64) bool {
	if most > 0 && float64(l.inFlight.Load()) >= max(1, share*float64(most)) || !l.room(now, size) {
		return false
	}
	l.inFlight.Add(1)
	return true
}

// recorder keeps an answer that has no client.
type recorder struct {
	limit  int64 // of the body, in bytes
	header http.Header
	status int
	body   bytes.Buffer
	over   bool
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

var errTooLong = errors.New("the answer is too long")

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if int64(r.body.Len()+len(p)) > r.limit {
		r.over = true
		return 0, errTooLong
	}
	return r.body.Write(p)
}

// lanes count the lines of batches at each channel.
type lanes struct {
	mu    sync.Mutex
	lines map[string]int // by the channel's name
}

// take gives a line a place at a channel, where that has one to spare.
func (l *lanes) take(t *board.Target, cfg *config.Batch, now time.Time) bool {
	c := t.Channel
	if most := c.Config.MaxInFlight; most > 0 && float64(c.InFlight()) >= max(1, cfg.Share*float64(most)) || t.Admit(now) == board.Full {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines[c.Config.Name] >= cfg.PerChannel {
		return false
	}
	if l.lines == nil {
		l.lines = make(map[string]int)
	}
	l.lines[c.Config.Name]++
	return true
}

func (l *lanes) leave(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines[channel]--; l.lines[channel] == 0 {
		delete(l.lines, channel)
	}
}

// lineWalk is a line's way through its plan. It leaves out channels that are
// busy with live requests, or with as many lines as they may have. It does not
// go on to a fallback model because of that, nor to a target that is in doubt: a
// line has time.
type lineWalk struct {
	walk    upstream.Targets
	lanes   *lanes
	cfg     *config.Batch
	channel string // the one whose place the line has; empty: none
	skipped bool
}

// Next is part of upstream.Targets.
func (w *lineWalk) Next(now time.Time) (*board.Target, int, bool) {
	w.release()
	for {
		t, fallback, ok := w.walk.Next(now)
		if !ok || w.skipped && (fallback > 0 || t.Admit(now) == board.Doubtful) {
			return nil, 0, false
		}
		if w.lanes.take(t, w.cfg, now) {
			w.channel = t.Channel.Config.Name
			return t, fallback, true
		}
		w.skipped = true
	}
}

func (w *lineWalk) release() {
	if w.channel != "" {
		w.lanes.leave(w.channel)
		w.channel = ""
	}
}
