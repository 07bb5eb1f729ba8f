package cohere

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// reader translates a stream of Cohere's into the hub's.
type reader struct {
	calls int64 // so far
	input bool  // the call under way has some
}

// event says what is where in one.
type event struct {
	kind, id, reason, failed hub.Text
	message, usage, logprobs hub.Raw
}

func (v *event) read(e *sse.Event) {
	*v = event{kind: e.Type}
	c := rawjson.Cursor{Doc: e.Data}
	if !c.Object() {
		v.kind = nil
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "type":
			v.kind, _ = c.Str()
		case "id":
			v.id, _ = c.Str()
		case "logprobs":
			v.logprobs = c.Skip().Of(e.Data)
		case "delta":
			v.delta(&c)
		default:
			c.Skip()
		}
	}
}

func (v *event) delta(c *rawjson.Cursor) {
	if !c.Object() {
		c.Skip()
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "message":
			v.message = c.Skip().Of(c.Doc)
		case "usage":
			v.usage = c.Skip().Of(c.Doc)
		case "finish_reason":
			v.reason, _ = c.Str()
		case "error":
			v.failed, _ = c.Str()
		default:
			c.Skip()
		}
	}
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	var v event
	v.read(e)
	switch string(v.kind) {
	case "message-start":
		out.Start(v.id, nil, 0)
		out.Role(0)
	case "content-start", "content-delta":
		content(out, &v)
	case "tool-plan-delta":
		if t := rawjson.Str(v.message, "tool_plan"); len(t) > 0 {
			out.Text(0, t)
		}
	case "tool-call-start":
		call := readCall(rawjson.Child(v.message, "tool_calls"))
		out.Call(0, r.calls, &call)
		r.calls++
		r.input = len(call.Input) > 0
	case "tool-call-delta":
		f := rawjson.Child(rawjson.Child(v.message, "tool_calls"), "function")
		if t := rawjson.Str(f, "arguments"); len(t) > 0 && r.calls > 0 {
			out.Arguments(0, r.calls-1, t)
			r.input = true
		}
	case "tool-call-end":
		if !r.input && r.calls > 0 {
			out.Arguments(0, r.calls-1, hub.Text("{}")) // none are an empty object
			r.input = true
		}
	case "citation-start":
		if c := rawjson.Child(v.message, "citations"); rawjson.IsObject(c) {
			out.Citation(0, c)
		}
	case "message-end":
		end(out, &v)
	}
	return nil
}

func content(out *hub.Events, v *event) {
	block := rawjson.Child(v.message, "content")
	if t := rawjson.Str(block, "thinking"); len(t) > 0 {
		out.Thought(0, t)
	}
	if t := rawjson.Str(block, "text"); len(t) > 0 {
		out.Text(0, t)
	}
	if rawjson.IsObject(v.logprobs) { // those of this piece
		one := append(append(hub.Raw("["), v.logprobs...), ']')
		out.Logprobs(0, append(appendLogprobs([]byte(`{"content":`), one), '}'))
	}
}

func end(out *hub.Events, v *event) {
	f, failed := finish(v.reason)
	if failed || len(v.failed) > 0 {
		out.Copy(openai.AppendError(nil, failure(v.reason, v.failed)))
		return
	}
	u := readUsage(v.usage)
	out.Finish(0, &f)
	out.Usage(&u)
	out.Done()
}
