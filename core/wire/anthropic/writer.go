package anthropic

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// writer makes of the hub's events a stream for a client of Anthropic's. What
// belongs to another kind than the last block begins one. Thoughts end with their
// signature.
type writer struct {
	started, ended bool
	blocks         blocks
	calls          []int64    // the index of each call's block
	finish         hub.Finish // said when the usage is known
	usage          wire.Usage
	chunk          hub.Chunk
}

// Event is part of hub.Writer.
func (w *writer) Event(dst []byte, e *sse.Event) ([]byte, error) {
	if e.Data == nil {
		return append(dst, e.Raw...), nil
	}
	if w.ended {
		return dst, nil
	}
	if bytes.HasPrefix(e.Data, []byte("[DONE]")) {
		return w.end(dst), nil
	}
	k := &w.chunk
	k.Read(e.Data)
	if k.Failed {
		return w.Fail(dst, openai.Failed(e.Data)), nil
	}
	if k.Counted {
		w.usage = k.Usage
	}
	if len(k.Deltas) == 0 {
		return dst, nil
	}
	dst = w.start(dst, k)
	for i := range k.Deltas {
		if d := &k.Deltas[i]; d.Index == 0 { // there is one answer here
			dst = w.delta(dst, k, d)
		}
	}
	if w.blocks.held > sse.EventLimit {
		return dst, errHeld
	}
	return dst, nil
}

// Fail is part of hub.Writer.
func (w *writer) Fail(dst []byte, e *wire.Error) []byte {
	w.ended = true
	return appendErrorEvent(dst, e, 0)
}

func (w *writer) start(dst []byte, k *hub.Chunk) []byte {
	if w.started {
		return dst
	}
	w.started = true
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\""...)
	dst = appendID(dst, k.ID)
	dst = append(dst, `","type":"message","role":"assistant","model":"`...)
	dst = append(dst, k.Model...)
	dst = append(dst, `","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"diagnostics":null,"usage":`...)
	dst = appendUsage(dst, &wire.Usage{}, true) // known at the end, and told there
	return append(dst, "}}\n\n"...)
}

const emptyThought = `,"content_block":{"type":"thinking","thinking":"","signature":""}`

func (w *writer) delta(dst []byte, k *hub.Chunk, d *hub.Delta) []byte {
	b := &w.blocks
	if len(d.Thought) > 0 {
		dst = b.need(dst, thinkingBlock, emptyThought)
		dst = b.add(dst, b.last(), `,"delta":{"type":"thinking_delta","thinking":"`, d.Thought)
	}
	if len(d.Signature) > 0 && (b.kind() == thinkingBlock || b.kind() == none) {
		// A thought that is not shown has nothing but its signature.
		dst = b.sign(dst, d.Signature)
	}
	if len(d.Redacted) > 0 {
		dst = b.begin(dst, thinkingBlock, `,"content_block":{"type":"redacted_thinking","data":"`, d.Redacted, `"}`)
		dst = b.end(dst)
	}
	for _, t := range [...]hub.Text{d.Text, d.Refusal} {
		if len(t) > 0 {
			dst = b.need(dst, textBlock, `,"content_block":{"type":"text","text":""}`)
			dst = b.add(dst, b.last(), `,"delta":{"type":"text_delta","text":"`, t)
		}
	}
	calls := k.Calls(d)
	for i := range calls {
		dst = w.tool(dst, &calls[i])
	}
	if d.Reason != "" {
		w.finish = d.Finish
		w.finish.Stop = bytes.Clone(d.Stop)
	}
	return dst
}

// tool takes in a piece of a call. For one that was told whole there is none.
func (w *writer) tool(dst []byte, c *hub.CallDelta) []byte {
	b := &w.blocks
	if c.First {
		if len(c.Signature) > 0 { // of the thought behind it, which Gemini wants back
			dst = b.begin(dst, thinkingBlock, emptyThought, nil, "")
			dst = b.sign(dst, c.Signature)
		}
		dst = b.call(dst, c)
		w.calls = append(w.calls, b.last().index)
	}
	if t := b.at(w.calls[c.Index]); t != nil && len(c.Arguments) > 0 {
		dst = b.argue(dst, t, c.Arguments)
	}
	return dst
}

// end says why the model stopped and what it cost.
func (w *writer) end(dst []byte) []byte {
	w.ended = true
	w.chunk = hub.Chunk{}
	dst = w.blocks.finish(w.start(dst, &w.chunk))
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"...)
	dst = append(rawjson.AppendQuote(dst, stopReason(&w.finish)), `,"stop_sequence":`...)
	if len(w.finish.Stop) > 0 {
		dst = append(append(append(dst, '"'), w.finish.Stop...), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"stop_details":null,"container":null},"usage":`...)
	dst = appendUsage(dst, &w.usage, false)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}
