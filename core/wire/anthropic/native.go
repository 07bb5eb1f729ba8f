package anthropic

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// classify says what an event means. It decodes nothing and allocates nothing.
func classify(_ sdk.Endpoint, e *sse.Event) wire.Class {
	c := rawjson.Cursor{Doc: e.Data}
	if !c.Object() {
		return 0
	}
	kind := e.Type
	var inner, block rawjson.Range
	usage := false
	for c.Key() {
		switch string(c.Name) {
		case "type":
			if t, ok := c.Str(); ok {
				kind = t
			}
		case "delta":
			inner = c.Skip()
		case "content_block":
			block = c.Skip()
		case "usage":
			usage = c.Peek() == '{'
			c.Skip()
		default:
			c.Skip()
		}
	}
	switch string(kind) {
	case "message_start":
		return wire.HasUsage
	case "content_block_start":
		return began(block.Of(e.Data))
	case "content_block_delta":
		return added(inner.Of(e.Data))
	case "message_delta":
		class := wire.Class(0)
		if len(rawjson.Str(inner.Of(e.Data), "stop_reason")) > 0 {
			class = wire.Finished
		}
		if usage {
			class |= wire.HasUsage
		}
		return class
	case "message_stop":
		return wire.Done
	case "error":
		return wire.Failed
	}
	return 0
}

// began is what the start of a block means: a call's name is here.
func began(block []byte) wire.Class {
	switch string(rawjson.Str(block, "type")) {
	case "tool_use", "server_tool_use":
		return wire.ToolCall
	case "redacted_thinking":
		return wire.Reasoning
	case "text", "thinking", "":
		return 0
	}
	return wire.ToolCall // the result of a tool that ran there
}

func added(delta []byte) wire.Class {
	c := rawjson.Cursor{Doc: delta}
	if !c.Object() {
		return 0
	}
	for c.Key() {
		name := string(c.Name)
		s, ok := c.Str()
		if !ok || len(s) == 0 {
			continue
		}
		switch name {
		case "text":
			return wire.Text
		case "thinking":
			return wire.Reasoning
		case "partial_json":
			return wire.ToolCall
		}
	}
	return 0
}

// usageOf notes an event's usage: message_start tells the input, message_delta
// the output so far.
func usageOf(e *sse.Event, u *wire.Usage) {
	usage := rawjson.Child(e.Data, "usage")
	if usage == nil {
		usage = rawjson.Child(rawjson.Child(e.Data, "message"), "usage")
	}
	readUsage(usage, u)
}
