package gemini

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// classify says what an event means.
func classify(_ sdk.Endpoint, e *sse.Event) wire.Class {
	var in answer
	in.read(e.Data)
	if rawjson.IsObject(in.fault) {
		return wire.Failed
	}
	var class wire.Class
	if rawjson.IsObject(in.usage) {
		class |= wire.HasUsage
	}
	if len(in.blockReason()) > 0 {
		class |= wire.Finished
	}
	c := rawjson.Cursor{Doc: in.candidates}
	if !c.Array() {
		return class
	}
	for c.More() {
		raw := c.Skip().Of(in.candidates)
		if reason := text(raw, "finishReason"); len(reason) > 0 && string(reason) != "FINISH_REASON_UNSPECIFIED" {
			class |= wire.Finished
		}
		parts := child(child(raw, "content"), "parts")
		if p := (rawjson.Cursor{Doc: parts}); p.Array() {
			for p.More() {
				class |= classOf(p.Skip().Of(parts))
			}
		}
	}
	return class
}

func classOf(part []byte) wire.Class {
	var said, thought bool
	class := wire.Class(0)
	c := rawjson.Cursor{Doc: part}
	if !c.Object() {
		return 0
	}
	for c.Key() {
		switch string(c.Name) {
		case "text":
			said = len(c.Inside()) > 0
		case "thought":
			thought = string(c.Skip().Of(part)) == "true"
		case "inlineData", "fileData":
			class = wire.Media
			c.Skip()
		case "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution":
			c.Skip()
		default: // functionCall, executableCode, codeExecutionResult, toolCall
			class = wire.ToolCall
			c.Skip()
		}
	}
	switch {
	case said && thought:
		class |= wire.Reasoning
	case said:
		class |= wire.Text
	}
	return class
}

// usageOf notes an event's usage.
func usageOf(e *sse.Event, u *wire.Usage) {
	var in answer
	in.read(e.Data)
	readUsage(in.usage, u)
}
