package anthropic

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// reader translates a stream of Anthropic's into the hub's.
type reader struct {
	usage wire.Usage
	calls int64 // so far
	call  bool  // the block under way is a call
	input bool  // and has some
}

// event says what is where in one.
type event struct {
	kind                         hub.Text
	message, block, delta, usage hub.Raw
}

func (v *event) read(e *sse.Event) {
	*v = event{kind: e.Type}
	c := rawjson.Cursor{Doc: e.Data}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "type":
			v.kind = c.Inside()
		case "message":
			v.message = c.Skip().Of(e.Data)
		case "content_block":
			v.block = c.Skip().Of(e.Data)
		case "delta":
			v.delta = c.Skip().Of(e.Data)
		case "usage":
			v.usage = c.Skip().Of(e.Data)
		default:
			c.Skip()
		}
	}
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	if e.Data == nil {
		return nil
	}
	var v event
	v.read(e)
	switch string(v.kind) {
	case "message_start":
		readUsage(rawjson.Child(v.message, "usage"), &r.usage)
		out.Start(rawjson.Str(v.message, "id"), rawjson.Str(v.message, "model"), 0)
		out.Role(0)
	case "content_block_start":
		r.begin(out, v.block)
	case "content_block_delta":
		r.add(out, v.delta)
	case "content_block_stop":
		if r.call && !r.input {
			out.Arguments(0, r.calls-1, hub.Text("{}")) // none are an empty object
		}
		r.call = false
	case "message_delta":
		readUsage(v.usage, &r.usage)
		if reason := rawjson.Str(v.delta, "stop_reason"); len(reason) > 0 {
			f := finish(reason, rawjson.Str(v.delta, "stop_sequence"))
			out.Finish(0, &f)
		}
	case "message_stop":
		out.Usage(&r.usage)
		out.Done()
	case "error":
		out.Copy(e.Data)
	}
	return nil
}

func (r *reader) begin(out *hub.Events, block hub.Raw) {
	r.call, r.input = false, false
	switch string(rawjson.Str(block, "type")) {
	case "text":
		if t := rawjson.Str(block, "text"); len(t) > 0 {
			out.Text(0, t)
		}
	case "thinking":
		if t := rawjson.Str(block, "thinking"); len(t) > 0 {
			out.Thought(0, t)
		}
		if s := rawjson.Str(block, "signature"); len(s) > 0 {
			out.Signature(0, s)
		}
	case "redacted_thinking":
		out.Redacted(0, rawjson.Str(block, "data"))
	case "tool_use":
		call := hub.Call{ID: rawjson.Str(block, "id"), Name: rawjson.Str(block, "name")}
		if in := rawjson.Child(block, "input"); len(in) > 2 && in[0] == '{' && !blank(in[1:len(in)-1]) {
			call.Input, r.input = in, true
		}
		out.Call(0, r.calls, &call)
		r.calls++
		r.call = true
	}
}

func blank(b []byte) bool {
	for _, c := range b {
		if c > ' ' {
			return false
		}
	}
	return true
}

func (r *reader) add(out *hub.Events, delta hub.Raw) {
	c := rawjson.Cursor{Doc: delta}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "text":
			if t := c.Inside(); len(t) > 0 {
				out.Text(0, t)
			}
		case "thinking":
			if t := c.Inside(); len(t) > 0 {
				out.Thought(0, t)
			}
		case "signature":
			if t := c.Inside(); len(t) > 0 {
				out.Signature(0, t)
			}
		case "partial_json":
			if t := c.Inside(); len(t) > 0 && r.call {
				out.Arguments(0, r.calls-1, t)
				r.input = true
			}
		case "citation":
			out.Citation(0, c.Skip().Of(delta))
		default:
			c.Skip()
		}
	}
}
