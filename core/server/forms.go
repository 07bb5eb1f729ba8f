package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// Forms is pipeline.Forms for what clients ask and get: OpenAI's wire.
type Forms struct{}

// Content is part of pipeline.Forms.
func (Forms) Content(body []byte) []byte { return openai.Content(body) }

// Fit is part of pipeline.Forms.
func (Forms) Fit(a *pipeline.Answer, q *pipeline.Request) *pipeline.Answer {
	has := isEvents(a.ContentType)
	body, err := openai.Refit(q.Facts.Endpoint, a.Body, has, openai.Form{Events: q.Facts.Stream, Usage: q.Usage})
	if err != nil {
		return nil
	}
	fit := *a
	fit.Body = body
	switch {
	case q.Facts.Stream == has:
	case q.Facts.Stream:
		fit.ContentType = eventStream
	default:
		fit.ContentType = "application/json"
	}
	return &fit
}

const eventStream = "text/event-stream; charset=utf-8"

func isEvents(contentType string) bool { return strings.HasPrefix(contentType, "text/event-stream") }

// keep stores the answer of an upstream where it may be given to others: whole,
// and by the model that was asked for. What a fallback said while that was down
// is not to outlive it.
func keep(v *pipeline.Verdict, r *wire.Request, f *upstream.Outcome) {
	if v.Keep == nil || !f.Complete || f.Status != http.StatusOK || f.Err != nil || f.Body == nil || v.Choice.Fallback(f.Target) {
		return
	}
	if openai.Sound(r.Endpoint, f.Body, isEvents(f.ContentType), r.N) {
		v.Keep.Put(&pipeline.Answer{
			ContentType: f.ContentType, Channel: f.Target.Channel.Config.Name, Model: f.Target.Model, Body: f.Body,
		})
	}
}

// replay answers with a stored answer.
func replay(w http.ResponseWriter, a *pipeline.Answer, timeout time.Duration) {
	if timeout > 0 {
		// A writer without deadlines, as that of a batch, does without.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout))
	}
	h := w.Header()
	h["Content-Type"] = []string{a.ContentType}
	if isEvents(a.ContentType) {
		h["Cache-Control"] = []string{"no-cache"}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
	h["Age"] = []string{strconv.FormatInt(int64(a.Age.Seconds()), 10)}
	h["X-Smartrouter-Channel"] = []string{a.Channel}
	h["X-Smartrouter-Model"] = []string{a.Model}
	h["X-Smartrouter-Attempts"] = []string{"0"}
	w.WriteHeader(http.StatusOK)
	w.Write(a.Body)
}
