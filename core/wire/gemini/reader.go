package gemini

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

const (
	// maxCandidates is how many candidates an answer may have; Gemini's own limit is 8.
	maxCandidates = 128
	// partsAside is the key of parts in a stream that only Gemini has, beside what
	// only it says of a candidate.
	partsAside = "parts"
)

// reader translates a stream of Gemini's into the hub's. It has no terminator:
// the usage comes with the last candidate's end.
type reader struct {
	id      hub.Text
	usage   wire.Usage
	choices []choice // by index
	ended   bool     // a candidate is
	in      candidate
	parts   []hub.Part
}

// choice is how far a candidate is.
type choice struct {
	begun, ended bool
	calls        int64
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	if e.Data == nil {
		return nil
	}
	var in answer
	in.read(e.Data)
	if rawjson.IsObject(in.fault) {
		out.Copy(e.Data)
		return nil
	}
	if !out.Started() {
		r.id = append(r.id[:0], in.id...)
		out.Start(in.id, in.model, 0)
	}
	readUsage(in.usage, &r.usage)
	if c := (rawjson.Cursor{Doc: in.candidates}); c.Array() {
		for c.More() {
			r.in.read(c.Skip().Of(in.candidates))
			if r.in.index >= 0 && r.in.index < maxCandidates {
				r.candidate(out)
			}
		}
	}
	if why := in.blockReason(); len(why) > 0 && len(r.choices) == 0 {
		r.end(out, 0, &hub.Finish{Reason: hub.FinishFilter, Native: Name + "/" + blocked + string(why)})
	}
	if r.ended && rawjson.IsObject(in.usage) {
		out.Usage(&r.usage)
	}
	return nil
}

// at is how far the candidate of an index is, which begins with its first event.
func (r *reader) at(out *hub.Events, index int64) *choice {
	for int64(len(r.choices)) <= index {
		r.choices = append(r.choices, choice{})
	}
	k := &r.choices[index]
	if !k.begun {
		k.begun = true
		out.Role(index)
	}
	return k
}

func (r *reader) end(out *hub.Events, index int64, f *hub.Finish) {
	k := r.at(out, index)
	if k.ended {
		return
	}
	k.ended, r.ended = true, true
	out.Finish(index, f)
}

func (r *reader) candidate(out *hub.Events) {
	in := &r.in
	k := r.at(out, in.index)
	r.parts = r.parts[:0]
	if c := (rawjson.Cursor{Doc: in.parts}); c.Array() {
		for c.More() {
			r.parts = appendPart(r.parts, c.Skip().Of(in.parts))
		}
	}
	var aside []byte
	for i := range r.parts {
		if whole := r.part(out, k, &r.parts[i]); whole != nil {
			if aside == nil {
				aside = append(aside, '[')
			} else {
				aside = append(aside, ',')
			}
			aside = append(aside, whole...)
		}
	}
	if aside != nil {
		out.Foreign(in.index, &hub.Foreign{Format: Name, Value: append(append([]byte(`{"`+partsAside+`":`), aside...), "]}"...)})
	}
	if p := readLogprobs(in.logprobs); p != nil {
		out.Logprobs(in.index, p)
	}
	if len(in.others) > 0 {
		out.Foreign(in.index, &hub.Foreign{Format: Name, Value: in.others})
	}
	if len(in.reason) > 0 && string(in.reason) != "FINISH_REASON_UNSPECIFIED" {
		f := finish(in.reason, k.calls > 0)
		r.end(out, in.index, &f)
	}
}

// part gives out what the hub has a word for; what it has none for is returned.
func (r *reader) part(out *hub.Events, k *choice, p *hub.Part) hub.Raw {
	index := r.in.index
	switch p.Kind {
	case hub.TextPart:
		if len(p.Text) > 0 {
			out.Text(index, p.Text)
		}
	case hub.ThoughtPart:
		if len(p.Text) > 0 {
			out.Thought(index, p.Text)
		}
		if len(p.Signature) > 0 {
			out.Signature(index, p.Signature)
		}
	case hub.RedactedPart:
		out.Redacted(index, p.Data)
	case hub.CallPart:
		c := p.Call
		if len(c.ID) == 0 {
			c.ID = callID(r.id, k.calls)
		}
		if len(c.Input) == 0 {
			c.Input = []byte("{}")
		}
		out.Call(index, k.calls, &c)
		k.calls++
	default:
		return p.Whole
	}
	return nil
}
