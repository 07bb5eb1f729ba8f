package ollama

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// classify says what a line means.
func classify(_ sdk.Endpoint, e *sse.Event) (class wire.Class) {
	var l line
	l.read(e.Data)
	if l.failed != nil {
		return wire.Failed
	}
	if len(l.content) > 0 {
		class |= wire.Text
	}
	if len(l.thinking) > 0 {
		class |= wire.Reasoning
	}
	if len(l.calls) > 0 {
		class |= wire.ToolCall
	}
	if l.done {
		class |= wire.Finished | wire.HasUsage | wire.Done
	}
	return class
}

// usageOf notes a line's usage, which the last one has.
func usageOf(e *sse.Event, u *wire.Usage) {
	var l line
	l.read(e.Data)
	*u = l.usage()
}

// whole reads what the core wants to know of a whole answer.
func whole(_ sdk.Endpoint, body []byte) (wire.Response, error) {
	l, err := readWhole(body)
	if err != nil {
		return wire.Response{}, err
	}
	if l.failed != nil {
		return wire.Response{Error: openai.ErrorIn(body)}, nil
	}
	return wire.Response{ID: string(l.id()), Model: string(l.model), Finish: []string{l.finish(len(l.calls) > 0).Reason}, Usage: l.usage()}, nil
}
