package cohere

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// classify says what an event means.
func classify(_ sdk.Endpoint, e *sse.Event) (class wire.Class) {
	var v event
	v.read(e)
	switch string(v.kind) {
	case "content-start", "content-delta":
		block := rawjson.Child(v.message, "content")
		if len(rawjson.Str(block, "text")) > 0 {
			class = wire.Text
		}
		if len(rawjson.Str(block, "thinking")) > 0 {
			class |= wire.Reasoning
		}
	case "tool-plan-delta":
		class = wire.Text
	case "tool-call-start", "tool-call-delta":
		class = wire.ToolCall
	case "message-end":
		class = wire.Finished | wire.HasUsage | wire.Done
		if _, failed := finish(v.reason); failed || len(v.failed) > 0 {
			class = wire.Failed
		}
	}
	return class
}

// usageOf notes an event's usage, which the last one has.
func usageOf(e *sse.Event, u *wire.Usage) {
	var v event
	v.read(e)
	*u = readUsage(v.usage)
}

// whole reads what the core wants to know of a whole answer.
func whole(_ sdk.Endpoint, body []byte) (wire.Response, error) {
	r, err := readAnswer(body)
	if err != nil || r.Error != nil {
		if err != nil {
			return wire.Response{}, err
		}
		return wire.Response{Error: r.Error}, nil
	}
	return wire.Response{ID: string(r.ID), Finish: []string{r.Choices[0].Reason}, Usage: r.Usage}, nil
}
