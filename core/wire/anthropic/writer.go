package anthropic

import (
	"bytes"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// What block is open.
const (
	none = iota
	textBlock
	thinkingBlock
	toolBlock
)

// writer makes of the hub's events a stream for a client of Anthropic's. Its
// blocks come one after the other: what belongs to another kind than the open
// one closes it. Thoughts end with their signature.
type writer struct {
	started, ended bool
	open           int
	index          int64      // of the open block, or of the next
	blocks         []int64    // the index of each call's block
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

func (w *writer) delta(dst []byte, k *hub.Chunk, d *hub.Delta) []byte {
	if len(d.Thought) > 0 {
		dst = w.block(dst, thinkingBlock, `{"type":"thinking","thinking":"","signature":""}`)
		dst = w.add(dst, `{"type":"thinking_delta","thinking":"`, d.Thought)
	}
	if len(d.Signature) > 0 && (w.open == thinkingBlock || w.open == none) {
		// A thought that is not shown has nothing but its signature.
		dst = w.block(dst, thinkingBlock, `{"type":"thinking","thinking":"","signature":""}`)
		dst = w.add(dst, `{"type":"signature_delta","signature":"`, d.Signature)
		dst = w.close(dst)
	}
	if len(d.Redacted) > 0 {
		dst = w.close(dst)
		dst = w.begin(dst)
		dst = append(append(append(dst, `{"type":"redacted_thinking","data":"`...), d.Redacted...), "\"}}\n\n"...)
		w.open = thinkingBlock
		dst = w.close(dst)
	}
	for _, t := range [...]hub.Text{d.Text, d.Refusal} {
		if len(t) > 0 {
			dst = w.block(dst, textBlock, `{"type":"text","text":""}`)
			dst = w.add(dst, `{"type":"text_delta","text":"`, t)
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

// tool takes in a piece of a call. Calls come one after the other; a piece of
// one that is closed still goes to its block.
func (w *writer) tool(dst []byte, c *hub.CallDelta) []byte {
	known := c.Index >= 0 && c.Index < int64(len(w.blocks))
	if !known {
		dst = w.close(dst)
		if len(c.Signature) > 0 { // of the thought behind it, which Gemini wants back
			dst = w.block(dst, thinkingBlock, `{"type":"thinking","thinking":"","signature":""}`)
			dst = w.close(w.add(dst, `{"type":"signature_delta","signature":"`, c.Signature))
		}
		dst = w.begin(dst)
		dst = append(append(dst, `{"type":"tool_use","id":"`...), c.ID...)
		dst = append(append(dst, `","name":"`...), c.Name...)
		dst = append(dst, "\",\"input\":{},\"caller\":{\"type\":\"direct\"}}}\n\n"...)
		w.open = toolBlock
		w.blocks = append(w.blocks, w.index)
	}
	if len(c.Arguments) == 0 {
		return dst
	}
	n := w.index
	if known {
		n = w.blocks[c.Index]
	}
	dst = w.to(dst, n)
	dst = append(append(dst, `{"type":"input_json_delta","partial_json":"`...), c.Arguments...)
	return append(dst, "\"}}\n\n"...)
}

// block opens a block of a kind where none is open.
func (w *writer) block(dst []byte, kind int, content string) []byte {
	if w.open == kind {
		return dst
	}
	dst = w.begin(w.close(dst))
	w.open = kind
	return append(append(dst, content...), "}\n\n"...)
}

func (w *writer) begin(dst []byte) []byte {
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	return append(strconv.AppendInt(dst, w.index, 10), `,"content_block":`...)
}

func (w *writer) to(dst []byte, index int64) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	return append(strconv.AppendInt(dst, index, 10), `,"delta":`...)
}

// add is a delta of the open block, whose last value is t.
func (w *writer) add(dst []byte, before string, t hub.Text) []byte {
	dst = append(append(w.to(dst, w.index), before...), t...)
	return append(dst, "\"}}\n\n"...)
}

// close ends the open block.
func (w *writer) close(dst []byte) []byte {
	if w.open == none {
		return dst
	}
	w.open = none
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = append(strconv.AppendInt(dst, w.index, 10), "}\n\n"...)
	w.index++
	return dst
}

// end says why the model stopped and what it cost.
func (w *writer) end(dst []byte) []byte {
	w.ended = true
	w.chunk = hub.Chunk{}
	dst = w.close(w.start(dst, &w.chunk))
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
