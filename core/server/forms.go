package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/formats"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Forms is pipeline.Forms for what clients ask and get.
type Forms struct{}

// Content is part of pipeline.Forms.
func (Forms) Content(body []byte) []byte { return openai.Content(body) }

// Fit is part of pipeline.Forms.
func (Forms) Fit(a *pipeline.Answer, q *pipeline.Request) *pipeline.Answer {
	has := isEvents(a.ContentType)
	f := formats.Of(q.Format, q.Facts.Endpoint)
	if f == nil {
		return nil
	}
	body, err := formats.Refit(f, q.Facts.Endpoint, a.Body, has, openai.Form{Events: q.Facts.Stream, Usage: q.Usage})
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

// Prompt is part of pipeline.Forms.
func (Forms) Prompt(q *pipeline.Request) (prompt []byte, err error) {
	if kind := q.Header.Get("Content-Type"); openai.IsForm(kind) {
		prompt, err = openai.FormPrompt(kind, q.Body)
	} else {
		prompt, err = openai.Prompt(q.Body)
	}
	var werr *wire.Error
	if errors.As(err, &werr) {
		err = &pipeline.Rejection{Status: werr.Status, Code: werr.Code, Param: werr.Param, Message: werr.Message}
	}
	return prompt, err
}

// Edit is part of pipeline.Forms.
func (Forms) Edit(q *pipeline.Request, patch []byte) error {
	kind, e := q.Header.Get("Content-Type"), entry{q.Facts.Endpoint, formats.Of(q.Format, q.Facts.Endpoint)}
	before, werr := e.read(q.Path, nil, q.Header, q.Body)
	if werr != nil {
		return werr
	}
	var body []byte
	var err error
	if openai.IsForm(kind) {
		body, err = openai.PatchForm(nil, kind, q.Body, patch)
	} else {
		body, err = openai.Patch(nil, q.Body, patch, sdk.MaxMessageBytes)
	}
	if err != nil {
		return err
	}
	after, werr := e.read(q.Path, nil, q.Header, body)
	switch {
	case werr != nil:
		return fmt.Errorf("the edited body: %s", werr.Message)
	case after.Previous != before.Previous:
		return errors.New("the edited body goes on from another response") // whose channel nobody looked up
	}
	fill(q, &after, body)
	return nil
}

const eventStream = "text/event-stream; charset=utf-8"

func isEvents(contentType string) bool { return strings.HasPrefix(contentType, "text/event-stream") }

// keep stores the answer of an upstream where it may be given to others: whole,
// and by the model that was asked for. What a fallback said while that was down
// is not to outlive it.
func keep(v *pipeline.Verdict, c *upstream.Call, f *upstream.Outcome) {
	if v.Keep == nil || !f.Complete || f.Status != http.StatusOK || f.Err != nil || f.Body == nil || v.Choice.Fallback(f.Target) {
		return
	}
	events := isEvents(f.ContentType)
	chat, err := formats.ToHub(c.Format, f.Body, events)
	if err == nil && openai.Sound(c.Endpoint, chat, events, c.Request.N) {
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
