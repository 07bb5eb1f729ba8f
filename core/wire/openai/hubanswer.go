package openai

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// ReadAnswer reads a whole answer of chat.
func ReadAnswer(body []byte) (*hub.Response, error) {
	head, err := ReadResponse(sdk.Chat, body)
	if err != nil {
		return nil, err
	}
	r := &hub.Response{Usage: head.Usage, Error: head.Error}
	if r.Error != nil {
		return r, nil //nolint:nilerr // the error is what the provider said
	}
	c := rawjson.Cursor{Doc: body}
	c.Object()
	for c.Key() {
		switch string(c.Name) {
		case "id":
			r.ID = c.Inside()
		case "model":
			r.Model = c.Inside()
		case "created":
			r.Created, _ = c.Int()
		case "service_tier":
			r.Tier = present(c.Skip().Of(body))
		case "system_fingerprint":
			r.Fingerprint = present(c.Skip().Of(body))
		case "choices":
			if !c.Array() {
				return nil, fmt.Errorf("answer of chat: its choices are no array")
			}
			for c.More() {
				r.Choices = append(r.Choices, readAnswer(c.Skip().Of(body)))
			}
		default:
			c.Skip()
		}
	}
	if len(r.Choices) == 0 {
		return nil, fmt.Errorf("answer of chat: it has no choices")
	}
	return r, nil
}

func readAnswer(raw []byte) (a hub.Answer) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return a
	}
	for c.Key() {
		switch string(c.Name) {
		case "index":
			a.Index, _ = c.Int()
		case "finish_reason":
			a.Reason = hub.ReasonOf(c.Inside())
		case "native_finish_reason":
			a.Native, _ = c.Text()
		case "stop_sequence":
			a.Stop = c.Inside()
		case "logprobs":
			a.Logprobs = present(c.Skip().Of(raw))
		case "message":
			readSaid(&a, c.Skip().Of(raw))
		default:
			a.Foreign.Read(&c)
		}
	}
	return a
}

func readSaid(a *hub.Answer, raw []byte) {
	var m hub.Message
	var content, calls, call, details hub.Raw
	var refusal, thought hub.Text
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "content":
			content = c.Skip().Of(raw)
		case "refusal":
			refusal = c.Inside()
		case "reasoning_content", "reasoning":
			if t := c.Inside(); len(t) > 0 {
				thought = t
			}
		case "reasoning_details":
			details = c.Skip().Of(raw)
		case "tool_calls":
			calls = c.Skip().Of(raw)
		case "function_call":
			call = c.Skip().Of(raw)
		case "annotations":
			a.Annotations = present(c.Skip().Of(raw))
		default:
			c.Skip()
		}
	}
	readThoughts(&m, thought, details)
	// An answer whose content is no text or parts (an object, say) has none
	// that could be said in another format.
	_ = readContent(&m, content, func() string { return "content" })
	if len(refusal) > 0 {
		m.Parts = append(m.Parts, hub.Part{Kind: hub.RefusalPart, Text: refusal})
	}
	readCalls(&m, calls)
	if rawjson.IsObject(call) {
		m.Parts = append(m.Parts, functionCall(call))
	}
	a.Parts = m.Parts
}

// AppendAnswer appends a whole answer of chat, with the extensions of the hub.
func AppendAnswer(dst []byte, r *hub.Response) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), extensions: true}
	o.Text("id", r.ID)
	o.Raw("object", hub.Raw(`"chat.completion"`))
	o.Int("created", r.Created)
	o.Text("model", r.Model)
	o.Key("choices")
	o.Put("[")
	for i := range r.Choices {
		o.answer(&r.Choices[i])
	}
	o.Put("]")
	o.Key("usage")
	o.Dst = hub.AppendUsage(o.Dst, &r.Usage)
	o.RawIf("service_tier", r.Tier)
	o.RawIf("system_fingerprint", r.Fingerprint)
	return append(o.Dst, '}'), nil
}

func (o *build) answer(a *hub.Answer) {
	o.Comma()
	o.Put("{")
	o.Int("index", a.Index)
	o.Put(`,"message":{"role":"assistant","content":`)
	o.said(a)
	m := hub.Message{Role: hub.Assistant, Parts: a.Parts}
	calls := false
	for i := range a.Parts {
		if p := &a.Parts[i]; p.Kind == hub.CallPart {
			if !calls {
				o.Key("tool_calls")
				o.Put("[")
				calls = true
			}
			o.call(p)
		}
	}
	if calls {
		o.Put("]")
	}
	o.thoughts(&m)
	o.RawIf("annotations", a.Annotations)
	o.Put("}")
	o.Key("logprobs")
	if a.Logprobs != nil {
		o.Dst = append(o.Dst, a.Logprobs...)
	} else {
		o.Put("null")
	}
	o.Dst = hub.AppendFinish(append(o.Dst, ','), &a.Finish)
	o.RawIf(foreign+a.Foreign.Format, a.Foreign.Value)
	o.Put("}")
}

// said writes content and refusal, which are one string each.
func (o *build) said(a *hub.Answer) {
	join := func(kind hub.Kind) {
		begun := false
		for i := range a.Parts {
			if p := &a.Parts[i]; p.Kind == kind {
				if !begun {
					o.Put(`"`)
					begun = true
				}
				o.Dst = append(o.Dst, p.Text...)
			}
		}
		if begun {
			o.Put(`"`)
		} else {
			o.Put("null")
		}
	}
	join(hub.TextPart)
	o.Put(`,"refusal":`)
	join(hub.RefusalPart)
	var cited hub.Raw
	for i := range a.Parts {
		if c := a.Parts[i].Citations; c != nil && cited == nil {
			cited = c
		}
	}
	o.RawIf("citations", cited)
}
