package bedrock

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// reader translates the events of ConverseStream into the hub's.
type reader struct {
	calls int64 // so far
	call  bool  // the block under way is a call
	input bool  // and has some
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	switch string(e.Type) {
	case "messageStart":
		out.Role(0)
	case "contentBlockStart":
		r.begin(out, rawjson.Child(e.Data, "start"))
	case "contentBlockDelta":
		r.add(out, rawjson.Child(e.Data, "delta"))
	case "contentBlockStop":
		if r.call && !r.input {
			out.Arguments(0, r.calls-1, hub.Text("{}")) // none are an empty object
		}
		r.call = false
	case "messageStop":
		f := finish(rawjson.Str(e.Data, "stopReason"), rawjson.Child(e.Data, "additionalModelResponseFields"))
		out.Finish(0, &f)
	case "metadata":
		var u wire.Usage
		readUsage(rawjson.Child(e.Data, "usage"), &u)
		out.Usage(&u)
		out.Done()
	default:
		if isException(e.Type) {
			out.Copy(appendException(nil, e))
		}
	}
	return nil
}

func isException(name []byte) bool {
	return string(name) == isError || strings.HasSuffix(string(name), "Exception")
}

func (r *reader) begin(out *hub.Events, start []byte) {
	r.call, r.input = false, false
	use := rawjson.Child(start, "toolUse")
	if use == nil || rawjson.Child(use, "type") != nil {
		return // a text, or a tool that runs there
	}
	out.Call(0, r.calls, &hub.Call{ID: rawjson.Str(use, "toolUseId"), Name: rawjson.Str(use, "name")})
	r.calls++
	r.call = true
}

func (r *reader) add(out *hub.Events, delta []byte) {
	c := rawjson.Cursor{Doc: delta}
	if !c.Object() {
		return
	}
	for c.Key() {
		name := string(c.Name)
		v := c.Skip().Of(delta)
		switch name {
		case "text":
			if t := rawjson.Inside(v); len(t) > 0 {
				out.Text(0, t)
			}
		case "toolUse":
			if t := rawjson.Str(v, "input"); len(t) > 0 && r.call {
				out.Arguments(0, r.calls-1, t)
				r.input = true
			}
		case "reasoningContent":
			r.think(out, v)
		case "citation":
			out.Citation(0, v)
		}
	}
}

func (*reader) think(out *hub.Events, raw []byte) {
	if t := rawjson.Str(raw, "text"); len(t) > 0 {
		out.Thought(0, t)
	}
	if t := rawjson.Str(raw, "signature"); len(t) > 0 {
		out.Signature(0, t)
	}
	if t := rawjson.Str(raw, "redactedContent"); len(t) > 0 {
		out.Redacted(0, t)
	}
}
