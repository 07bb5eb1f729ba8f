package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// draft is what a decision record is made of. Nothing in it points into the
// request's body.
type draft struct {
	id        string
	print     string // the configuration's fingerprint
	pipeline  string
	start     time.Time
	facts     sdk.Request
	fallbacks []string
	pinned    string
	prompt    []byte
	headers   map[string]string

	choice  pipeline.Choice
	forward upstream.Outcome
	out     decision.Outcome
}

// newDraft takes over what is known of a request before its pipeline runs.
func newDraft(id string, st *State, p *pipeline.Pipeline, q *pipeline.Request, prompts int64) *draft {
	d := &draft{id: id, print: st.Print, pipeline: p.Name(), start: q.Start, facts: q.Facts, pinned: q.Channel}
	d.facts.Model = strings.Clone(q.Facts.Model)
	for _, name := range q.Fallbacks {
		d.fallbacks = append(d.fallbacks, strings.Clone(name))
	}
	if n := int64(len(q.Body)); n > 0 && n <= prompts {
		d.prompt = bytes.Clone(q.Body)
	}
	return d
}

// decided takes over what the pipeline made of it.
func (d *draft) decided(q *pipeline.Request, v *pipeline.Verdict) {
	if d == nil {
		return
	}
	d.choice, d.headers = v.Choice, v.Choice.Headers(q.Header)
	if v.Reply != nil {
		d.out.Complete, d.out.Channel, d.out.Model = true, v.Reply.Channel, v.Reply.Model
	}
}

// settle takes over how it ended.
func (d *draft) settle(out *outcome, took time.Duration, left bool) {
	d.forward = out.forward
	d.forward.Body = nil                                  // of no use here, and it may be long
	d.forward.Attempts = slices.Clone(d.forward.Attempts) // else the whole call is kept with them
	o := &d.out
	o.Status, o.Cache, o.Duration = out.status, out.cache, decision.Millis(took)
	o.Left = out.status == statusClientLeft || out.forward.Committed && left
	if e := cmp.Or(out.fault, out.forward.Err); e != nil {
		o.Error = cmp.Or(e.Code, e.Type)
	}
	o.TTFT = decision.Millis(firstContent(&d.forward, d.start, out.stream))
}

// Decision is part of decision.Draft: it runs behind the request.
func (d *draft) Decision() *decision.Decision {
	f := &d.facts
	out := &decision.Decision{
		Version: decision.Version, ID: d.id, Time: d.start.UTC(), Config: d.print, Pipeline: d.pipeline,
		Facts: decision.Facts{
			Model: f.Model, Endpoint: f.Endpoint, Stream: f.Stream, Size: f.Size, Tokens: f.Tokens,
			Tools: f.Tools, Images: f.Images, JSON: f.JSON, Key: f.Key, Region: f.Region, Prefix: decision.Hash(f.Prefix), Headers: d.headers,
		},
		Fallbacks: d.fallbacks, Pinned: d.pinned,
		Candidates: d.choice.Candidates(), Choice: d.choice.Record(d.start), Outcome: d.out,
	}
	if json.Valid(d.prompt) {
		out.Prompt = d.prompt
	}
	for i := range d.forward.Attempts {
		out.Attempts = append(out.Attempts, d.attempt(&d.forward.Attempts[i]))
	}
	d.answered(&out.Outcome)
	return out
}

func (d *draft) attempt(a *upstream.Attempt) decision.Attempt {
	return decision.Attempt{
		Channel: a.Target.Channel.Config.Name, Model: a.Target.Model, Start: decision.Millis(a.Begun.Sub(d.start)),
		Class: classWord(a.Class), Status: a.Status, Reason: a.Reason,
		Connect: decision.Millis(a.Connect), TTFT: decision.Millis(a.TTFT), Duration: decision.Millis(a.Total),
		Reused: a.Reused, Rescue: a.Rescue,
	}
}

// classWord is how an attempt ended, as metrics and records say it.
func classWord(c board.Class) string {
	if c == board.None {
		return "ok"
	}
	return c.String()
}

// answered adds what the upstream call says of the outcome.
func (d *draft) answered(o *decision.Outcome) {
	f := &d.forward
	o.Complete, o.Rescued = o.Complete || f.Complete, f.Rescued
	if f.Target == nil {
		return
	}
	o.Channel, o.Model, o.Fallback = f.Target.Channel.Config.Name, f.Target.Model, d.choice.Fallback(f.Target)
	if f.Usage != (wire.Usage{}) {
		u := f.Usage
		o.Tokens = &decision.Tokens{Input: u.Input, Output: u.Output, Cached: u.Cached, Reasoning: u.Reasoning}
		if cost, ok := costOf(f.Target, u); ok {
			o.Cost = &cost
		}
	}
}
