package gemini

import (
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// answer is an answer, or one event of a stream of them, which have the same shape.
type answer struct {
	id, model                          hub.Text
	candidates, feedback, usage, fault hub.Raw
}

func (a *answer) read(body []byte) {
	*a = answer{}
	c := rawjson.Cursor{Doc: body}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "responseId":
			a.id = c.Inside()
		case "modelVersion":
			a.model = c.Inside()
		case "candidates":
			a.candidates = c.Skip().Of(body)
		case "promptFeedback":
			a.feedback = c.Skip().Of(body)
		case "usageMetadata":
			a.usage = c.Skip().Of(body)
		case "error":
			a.fault = c.Skip().Of(body)
		default:
			c.Skip()
		}
	}
}

// blockReason is why the prompt was refused; empty: it was not.
func (a *answer) blockReason() hub.Text { return text(a.feedback, "blockReason") }

// candidate is one choice of an answer or an event.
type candidate struct {
	index     int64
	parts     hub.Raw
	reason    hub.Text
	logprobs  hub.Raw
	grounding hub.Raw
	others    []byte // what only Gemini says, an object; it may be empty
}

func (d *candidate) read(raw hub.Raw) {
	*d = candidate{others: d.others[:0]}
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch name := string(c.Name); name {
		case "index":
			d.index, _ = c.Int()
		case "content":
			d.parts = child(c.Skip().Of(raw), "parts")
		case "finishReason":
			d.reason = c.Inside()
		case "logprobsResult":
			d.logprobs = c.Skip().Of(raw)
		case "tokenCount", "avgLogprobs":
			c.Skip() // the usage and the logprobs say the same
		default: // groundingMetadata, citationMetadata, safetyRatings, urlContextMetadata, finishMessage
			v := c.Skip().Of(raw)
			if name == "groundingMetadata" {
				d.grounding = v
			}
			d.other(name, v)
		}
	}
	if len(d.others) > 0 {
		d.others = append(d.others, '}')
	}
}

func (d *candidate) other(name string, value hub.Raw) {
	if string(value) == "null" || string(value) == "[]" || string(value) == "{}" {
		return
	}
	next := byte(',')
	if len(d.others) == 0 {
		next = '{'
	}
	d.others = append(rawjson.AppendQuote(append(d.others, next), name), ':')
	d.others = append(d.others, value...)
}

// callID is the id of a call that came without one: the answer's, and its place.
func callID(answer hub.Text, n int64) hub.Text {
	id := append(hub.Text("call_"), answer...)
	if len(answer) > 0 {
		id = append(id, '_')
	}
	return strconv.AppendInt(id, n, 10)
}

// readAnswer reads a whole answer of Gemini's.
func readAnswer(body []byte) (*hub.Response, error) {
	if !rawjson.Valid(body) {
		return nil, fmt.Errorf("answer of generateContent: it is no JSON")
	}
	var in answer
	in.read(body)
	r := &hub.Response{From: Name, ID: in.id, Model: in.model}
	if rawjson.IsObject(in.fault) {
		r.Error = openai.ErrorIn(body)
		return r, nil
	}
	readUsage(in.usage, &r.Usage)
	c := rawjson.Cursor{Doc: in.candidates}
	if c.Array() {
		for c.More() {
			r.Choices = append(r.Choices, readCandidate(c.Skip().Of(in.candidates), in.id))
		}
	}
	if why := in.blockReason(); len(r.Choices) == 0 && len(why) > 0 {
		r.Choices = []hub.Answer{{Finish: hub.Finish{Reason: hub.FinishFilter, Native: Name + "/" + blocked + string(why)}}}
	}
	if len(r.Choices) == 0 {
		return nil, fmt.Errorf("answer of generateContent: it has no candidates")
	}
	return r, nil
}

func readCandidate(raw hub.Raw, id hub.Text) hub.Answer {
	var in candidate
	in.read(raw)
	a := hub.Answer{Index: in.index, Logprobs: readLogprobs(in.logprobs)}
	if c := (rawjson.Cursor{Doc: in.parts}); c.Array() {
		for c.More() {
			a.Parts = appendPart(a.Parts, c.Skip().Of(in.parts))
		}
	}
	n := int64(0)
	for i := range a.Parts {
		if p := &a.Parts[i]; p.Kind == hub.CallPart {
			if len(p.Call.ID) == 0 {
				p.Call.ID = callID(id, n)
			}
			n++
		}
	}
	a.Finish = finish(in.reason, n > 0)
	a.Annotations = annotations(in.grounding, a.Parts)
	if len(in.others) > 0 {
		a.Foreign = hub.Foreign{Format: Name, Value: in.others}
	}
	return a
}

// appendAnswer appends a whole answer for a client of Gemini's.
func appendAnswer(dst []byte, r *hub.Response) ([]byte, error) {
	if len(r.Choices) == 0 {
		return dst, fmt.Errorf("gemini: the answer has no choices")
	}
	o := build{Writer: rawjson.Object(dst), same: r.From == Name}
	if why, ok := blockedFor(&r.Choices[0].Finish); ok {
		o.feedback(why)
	} else {
		o.Key("candidates")
		o.Put("[")
		for i := range r.Choices {
			o.candidate(&r.Choices[i])
		}
		o.Put("]")
	}
	o.Key("usageMetadata")
	o.Dst = appendUsage(o.Dst, &r.Usage)
	o.Text("modelVersion", r.Model)
	o.Text("responseId", r.ID)
	return append(o.Dst, '}'), nil
}

// blockedFor is why the prompt was refused that a finish is of.
func blockedFor(f *hub.Finish) (why string, ok bool) {
	if own := f.Own(Name); len(own) > len(blocked) && own[:len(blocked)] == blocked {
		return own[len(blocked):], true
	}
	return "", false
}

func (o *build) feedback(why string) {
	o.Key("promptFeedback")
	o.Put("{")
	o.Plain("blockReason", why)
	o.Put("}")
}

func (o *build) candidate(a *hub.Answer) {
	o.Comma()
	o.Put(`{"content":{"parts":[`)
	for i := range a.Parts {
		o.answered(&a.Parts[i])
	}
	o.Put(`],"role":"model"}`)
	o.Plain("finishReason", finishReason(&a.Finish))
	o.Int("index", a.Index)
	o.logprobs(a.Logprobs)
	o.others(&a.Foreign)
	o.Put("}")
}

// answered writes a part of an answer. A client gets all signatures, to give them
// back.
func (o *build) answered(p *hub.Part) {
	if o.same && p.Whole != nil {
		o.part(p)
		return
	}
	switch p.Kind {
	case hub.ThoughtPart:
		o.thought(p.Text, p.Signature)
	case hub.RedactedPart:
		o.Comma()
		o.Put(`{"text":"","thought":true`)
		o.Text("thoughtSignature", hide(p.Data))
		o.Put("}")
	case hub.CallPart:
		o.Comma()
		o.Put("{")
		o.call(&p.Call)
		if len(p.Call.Signature) > 0 {
			o.Text("thoughtSignature", toClient(p.Call.Signature))
		}
		o.Put("}")
	default:
		o.part(p)
	}
}

func (o *build) thought(t, signature hub.Text) {
	o.Comma()
	o.Put("{")
	o.Text("text", t)
	o.Raw("thought", hub.Raw("true"))
	if len(signature) > 0 {
		o.Text("thoughtSignature", toClient(signature))
	}
	o.Put("}")
}

// others writes what only Gemini says of an answer.
func (o *build) others(f *hub.Foreign) {
	if f.Format != Name {
		return
	}
	c := rawjson.Cursor{Doc: f.Value}
	if !c.Object() {
		return
	}
	for c.Key() {
		name := string(c.Name)
		if v := c.Skip().Of(f.Value); name != partsAside {
			o.Field(name, v)
		}
	}
}

// appendUsage appends a usageMetadata. What is thought is not among what is said.
func appendUsage(dst []byte, u *wire.Usage) []byte {
	o := build{Writer: rawjson.Object(dst)}
	o.Int("promptTokenCount", u.Input)
	o.Int("candidatesTokenCount", max(0, u.Output-u.Reasoning))
	total := u.Total
	if total == 0 {
		total = u.Input + u.Output
	}
	o.Int("totalTokenCount", total)
	if u.Cached > 0 {
		o.Int("cachedContentTokenCount", u.Cached)
	}
	if u.Reasoning > 0 {
		o.Int("thoughtsTokenCount", u.Reasoning)
	}
	return append(o.Dst, '}')
}

// readUsage reads a usageMetadata, which says all anew each time.
func readUsage(raw []byte, u *wire.Usage) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	*u = wire.Usage{}
	count := func() int64 {
		n, ok := c.Int()
		if !ok || n < 0 {
			return 0
		}
		return n
	}
	for c.Key() {
		switch string(c.Name) {
		case "promptTokenCount", "toolUsePromptTokenCount":
			u.Input += count()
		case "candidatesTokenCount":
			u.Output += count()
		case "thoughtsTokenCount":
			u.Reasoning = count()
		case "cachedContentTokenCount":
			u.Cached = count()
		case "totalTokenCount":
			u.Total = count()
		default:
			c.Skip()
		}
	}
	u.Output += u.Reasoning
	if u.Total == 0 {
		u.Total = u.Input + u.Output
	}
}

// whole reads what the core wants to know of a whole answer.
func whole(e sdk.Endpoint, body []byte) (wire.Response, error) {
	if !rawjson.Valid(body) {
		return wire.Response{}, fmt.Errorf("answer of Gemini's: it is no JSON")
	}
	var in answer
	in.read(body)
	if rawjson.IsObject(in.fault) {
		return wire.Response{Error: openai.ErrorIn(body)}, nil
	}
	if e != sdk.Chat {
		return wire.Response{}, nil // a count or embeddings
	}
	r := wire.Response{ID: string(in.id), Model: string(in.model)}
	readUsage(in.usage, &r.Usage)
	c := rawjson.Cursor{Doc: in.candidates}
	if c.Array() {
		for c.More() {
			r.Finish = append(r.Finish, string(text(c.Skip().Of(in.candidates), "finishReason")))
		}
	}
	if len(r.Finish) == 0 && len(in.blockReason()) == 0 {
		return r, fmt.Errorf("answer of generateContent: it has no candidates")
	}
	return r, nil
}

// appendTokens appends the answer of countTokens.
func appendTokens(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, `{"totalTokens":`...), n, 10), '}')
}
