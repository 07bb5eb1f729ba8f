package gemini

import (
	"bytes"
	"errors"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// writer makes of the hub's events a stream for a client of Gemini's: events, or
// the elements of one array. Calls come whole there, so they wait until they are;
// the reasons to end wait for the usage.
type writer struct {
	array, started, ended bool
	id, model             []byte
	choices               []told
	held                  int // bytes of calls that wait
	usage                 wire.Usage
	chunk                 hub.Chunk
}

// told is what a client knows of a choice.
type told struct {
	thinking bool // the last it got was a thought
	calls    []pending
	given    int64 // how many calls it has
	finish   hub.Finish
	begun    bool
}

// pending is a call under way.
type pending struct{ id, name, signature, args []byte }

// errCalls are too many calls, or too long ones.
var errCalls = errors.New("gemini: the calls of an answer are longer than an event may be")

// Event is part of hub.Writer.
func (w *writer) Event(dst []byte, e *sse.Event) ([]byte, error) {
	switch {
	case e.Data == nil:
		if w.array {
			return dst, nil // a comment is no JSON
		}
		return append(dst, e.Raw...), nil
	case w.ended:
		return dst, nil
	case bytes.HasPrefix(e.Data, []byte("[DONE]")):
		return w.end(dst), nil
	}
	k := &w.chunk
	k.Read(e.Data)
	if k.Failed {
		return w.Fail(dst, openai.Failed(e.Data)), nil
	}
	if k.Counted {
		w.usage = k.Usage
	}
	if w.id == nil && len(k.ID) > 0 {
		w.id, w.model = bytes.Clone(k.ID), bytes.Clone(k.Model)
	}
	for i := range k.Deltas {
		d := &k.Deltas[i]
		if d.Index < 0 || d.Index >= maxCandidates {
			continue
		}
		var err error
		if dst, err = w.delta(dst, d); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Fail is part of hub.Writer.
func (w *writer) Fail(dst []byte, e *wire.Error) []byte {
	w.ended = true
	if !w.array {
		return appendErrorEvent(dst, e, 0)
	}
	return append(appendError(w.next(dst), e), "]\n"...)
}

// next is what goes before the next element.
func (w *writer) next(dst []byte) []byte {
	begin := "data: "
	switch {
	case w.array && !w.started:
		begin = "["
	case w.array:
		begin = ",\r\n"
	}
	w.started = true
	return append(dst, begin...)
}

// after closes an element.
func (w *writer) after(o *build) []byte {
	if len(w.model) > 0 {
		o.Text("modelVersion", w.model)
	}
	if len(w.id) > 0 {
		o.Text("responseId", w.id)
	}
	o.Put("}")
	if !w.array {
		o.Put("\n\n")
	}
	return o.Dst
}

func (w *writer) delta(dst []byte, d *hub.Delta) ([]byte, error) {
	for int64(len(w.choices)) <= d.Index {
		w.choices = append(w.choices, told{})
	}
	t := &w.choices[d.Index]
	t.begun = true
	if err := w.take(t, w.chunk.Calls(d)); err != nil {
		return dst, err
	}
	asides := asideOf(&d.Foreign)
	own := d.Foreign.Format == Name && asides == nil
	if len(d.Thought)+len(d.Signature)+len(d.Redacted)+len(d.Text)+len(d.Refusal)+len(d.Logprobs)+len(asides) > 0 || own {
		o := build{Writer: rawjson.Object(w.next(dst))}
		o.Put(`"candidates":[{"content":{"parts":[`)
		w.parts(&o, t, d)
		if asides != nil {
			o.Comma()
			o.Dst = append(o.Dst, asides...)
		}
		o.Put(`],"role":"model"}`)
		o.Int("index", d.Index)
		o.logprobs(d.Logprobs)
		if own {
			o.others(&d.Foreign)
		}
		o.Put("}]")
		dst = w.after(&o)
	}
	if d.Reason != "" {
		t.finish = d.Finish
		dst = w.calls(dst, t, d.Index)
	}
	return dst, nil
}

// asideOf are parts that only Gemini has; nil: there are none.
func asideOf(f *hub.Foreign) []byte {
	if f.Format != Name {
		return nil
	}
	parts := child(f.Value, partsAside)
	if len(parts) <= len("[]") || parts[0] != '[' {
		return nil
	}
	return parts[1 : len(parts)-1]
}

// parts writes what a delta says.
func (w *writer) parts(o *build, t *told, d *hub.Delta) {
	if len(d.Thought) > 0 {
		o.thought(d.Thought, nil)
		t.thinking = true
	}
	if len(d.Signature) > 0 {
		o.Comma()
		o.Put(`{"text":""`)
		if t.thinking {
			o.Raw("thought", hub.Raw("true"))
		}
		o.Text("thoughtSignature", toClient(d.Signature))
		o.Put("}")
	}
	if len(d.Redacted) > 0 {
		o.answered(&hub.Part{Kind: hub.RedactedPart, Data: d.Redacted})
	}
	for _, said := range [...]hub.Text{d.Text, d.Refusal} {
		if len(said) > 0 {
			t.thinking = false
			o.part(&hub.Part{Text: said})
		}
	}
}

// take keeps pieces of calls.
func (w *writer) take(t *told, pieces []hub.CallDelta) error {
	for i := range pieces {
		c := &pieces[i]
		if c.First {
			t.calls = append(t.calls, pending{})
		}
		if c.Index < t.given {
			continue // it was whole
		}
		p := &t.calls[c.Index-t.given]
		if again := len(p.id) > 0 && bytes.Equal(p.id, c.ID); !again { // some name a call with each piece
			p.name = append(p.name, c.Name...)
		}
		if len(p.id) == 0 {
			p.id = append(p.id, c.ID...)
		}
		p.signature, p.args = append(p.signature, c.Signature...), append(p.args, c.Arguments...)
		const call = 64 // bytes that one needs beside what is in it
		if w.held += call + len(c.ID) + len(c.Name) + len(c.Signature) + len(c.Arguments); w.held > sse.EventLimit {
			return errCalls
		}
	}
	return nil
}

// calls gives out the calls of a choice, which are whole now.
func (w *writer) calls(dst []byte, t *told, index int64) []byte {
	if len(t.calls) == 0 {
		return dst
	}
	o := build{Writer: rawjson.Object(w.next(dst))}
	o.Put(`"candidates":[{"content":{"parts":[`)
	for i := range t.calls {
		p := &t.calls[i]
		input, _ := rawjson.AppendText(nil, p.args)
		o.answered(&hub.Part{Kind: hub.CallPart, Call: hub.Call{ID: p.id, Name: p.name, Input: input, Signature: p.signature}})
	}
	o.Put(`],"role":"model"}`)
	o.Int("index", index)
	o.Put("}]")
	t.given += int64(len(t.calls))
	t.calls = nil
	return w.after(&o)
}

// end says why the model stopped and what it cost.
func (w *writer) end(dst []byte) []byte {
	w.ended = true
	for i := range w.choices {
		dst = w.calls(dst, &w.choices[i], int64(i))
	}
	o := build{Writer: rawjson.Object(w.next(dst))}
	if len(w.choices) > 0 {
		if why, ok := blockedFor(&w.choices[0].finish); ok {
			o.feedback(why)
		} else {
			w.ends(&o)
		}
	}
	o.Key("usageMetadata")
	o.Dst = appendUsage(o.Dst, &w.usage)
	dst = w.after(&o)
	if w.array {
		dst = append(dst, "]\n"...)
	}
	return dst
}

func (w *writer) ends(o *build) {
	o.Key("candidates")
	o.Put("[")
	for i := range w.choices {
		if t := &w.choices[i]; t.begun {
			o.Comma()
			o.Put(`{"content":{"parts":[{"text":""}],"role":"model"}`)
			o.Plain("finishReason", finishReason(&t.finish))
			o.Int("index", int64(i))
			o.Put("}")
		}
	}
	o.Put("]")
}
