package bedrock

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// classify says what an event means.
func classify(_ sdk.Endpoint, e *sse.Event) wire.Class {
	switch string(e.Type) {
	case "contentBlockStart":
		if rawjson.Child(rawjson.Child(e.Data, "start"), "toolUse") != nil {
			return wire.ToolCall
		}
	case "contentBlockDelta":
		return added(rawjson.Child(e.Data, "delta"))
	case "messageStop":
		return wire.Finished
	case "metadata":
		return wire.HasUsage | wire.Done
	default:
		if isException(e.Type) {
			return wire.Failed
		}
	}
	return 0
}

func added(delta []byte) wire.Class {
	c := rawjson.Cursor{Doc: delta}
	if !c.Object() || !c.Key() {
		return 0
	}
	switch string(c.Name) {
	case "text":
		return wire.Text
	case "toolUse":
		return wire.ToolCall
	case "reasoningContent":
		return wire.Reasoning
	case "image":
		return wire.Media
	}
	return 0
}

// usageOf notes an event's usage.
func usageOf(e *sse.Event, u *wire.Usage) { readUsage(rawjson.Child(e.Data, "usage"), u) }

// whole reads what the core wants to know of a whole answer, or of an error in
// its place.
func whole(_ sdk.Endpoint, body []byte) (wire.Response, error) {
	in := answer{body: body}
	var r wire.Response
	if err := in.scan(); err != nil {
		return r, err
	}
	if len(in.raw(aOutput)) == 0 {
		f := failure(0, nil, body)
		r.Error = &f.Error
		return r, nil
	}
	readUsage(in.raw(aUsage), &r.Usage)
	r.Finish = []string{string(rawjson.Inside(in.raw(aReason)))}
	return r, nil
}
