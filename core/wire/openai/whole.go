package openai

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Whole puts the whole answer together that a complete stream of chat or
// completions is. Clients count on the usage of a whole answer, so a stream
// without it is an error, as is one with content that no text is: logprobs,
// audio, what nobody knows yet.
func Whole(endpoint sdk.Endpoint, events []byte) ([]byte, error) {
	t := Transcript{Endpoint: endpoint, Limit: TranscriptLimit + len(events)}
	var usage []byte
	err := each(events, func(e *sse.Event) bool {
		if Classify(endpoint, e).Is(wire.Done) {
			return false
		}
		t.Add(e)
		if at := t.chunk.usage; t.Err() == nil && at.Present() {
			usage = append(usage[:0], at.Of(bytes.TrimLeft(e.Data, " "))...)
		}
		return t.Err() == nil
	})
	switch {
	case err != nil:
		return nil, err
	case t.Err() != nil:
		return nil, t.Err()
	case len(t.choices) == 0, slices.ContainsFunc(t.choices, func(s said) bool { return s.finish == nil }):
		return nil, errUnfinished
	case usage == nil:
		return nil, errForm
	}
	slices.SortFunc(t.choices, func(a, b said) int { return cmp.Compare(a.index, b.index) })

	kind := "chat.completion"
	if endpoint == sdk.Completions {
		kind = "text_completion"
	}
	out := append(make([]byte, 0, len(events)), `{"object":"`...)
	out = append(append(out, kind...), '"')
	for i, raw := range t.head {
		if raw != nil {
			out = append(append(append(out, `,"`...), headKeys[i]...), `":`...)
			out = append(out, raw...)
		}
	}
	out = append(out, `,"choices":[`...)
	for i := range t.choices {
		if i > 0 {
			out = append(out, ',')
		}
		out = t.choices[i].appendTo(out, endpoint)
	}
	out = append(append(out, `],"usage":`...), usage...)
	return append(out, '}'), nil
}

// appendTo appends the choice as a whole answer has it.
func (s *said) appendTo(out []byte, endpoint sdk.Endpoint) []byte {
	out = strconv.AppendInt(append(out, `{"index":`...), s.index, 10)
	if endpoint == sdk.Completions {
		out = appendField(out, ",", "text", s.lanes[laneText])
	} else {
		out = append(out, `,"message":{"role":"assistant","content":`...)
		if len(s.lanes[laneText]) == 0 && (len(s.calls) > 0 || len(s.lanes[laneRefusal]) > 0) {
			out = append(out, "null"...)
		} else {
			out = rawjson.AppendQuote(out, string(s.lanes[laneText]))
		}
		for _, lane := range [...]int{laneReasoningContent, laneReasoning} {
			if len(s.lanes[lane]) > 0 {
				out = appendField(out, ",", laneKeys[lane], s.lanes[lane])
			}
		}
		if len(s.lanes[laneRefusal]) > 0 {
			out = appendField(out, ",", "refusal", s.lanes[laneRefusal])
		} else {
			out = append(out, `,"refusal":null`...)
		}
		out = s.appendCalls(out)
		out = append(out, '}')
	}
	out = append(append(out, `,"logprobs":null,"finish_reason":`...), s.finish...)
	return append(out, '}')
}

func (s *said) appendCalls(out []byte) []byte {
	if len(s.calls) == 0 {
		return out
	}
	slices.SortFunc(s.calls, func(a, b saidCall) int { return cmp.Compare(a.index, b.index) })
	out = append(out, `,"tool_calls":[`...)
	for i := range s.calls {
		k := &s.calls[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '{')
		if k.id != nil {
			out = append(append(append(out, `"id":`...), k.id...), ',')
		}
		out = append(out, `"type":"function","function":{`...)
		out = appendField(out, "", "name", k.name)
		out = appendField(out, ",", "arguments", k.arguments)
		out = append(out, "}}"...)
	}
	return append(out, ']')
}

func appendField(out []byte, before, key string, text []byte) []byte {
	out = append(append(append(append(out, before...), '"'), key...), `":`...)
	return rawjson.AppendQuote(out, string(text))
}
