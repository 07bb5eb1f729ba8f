package responses

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// maxSaid is the longest answer that is streamed as responses, in bytes: their
// last events repeat all that was said, so it has to be kept.
const maxSaid = 16 << 20

// writer makes of the hub's events a stream of responses. Items come one after
// the other: what belongs to another kind than the last one closes it. Only a call
// whose arguments are not whole stays open beside others: pieces of calls that
// are made at once may come in turns.
type writer struct {
	head           head
	started, ended bool
	items          []item
	calls          []int // the place of each call among items
	said           int   // bytes
	sequence       int64
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
		w.head.usage = k.Usage
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
	if w.said > maxSaid {
		return dst, fmt.Errorf("responses: the answer is longer than %d bytes", maxSaid)
	}
	return dst, nil
}

// Fail is part of hub.Writer.
func (w *writer) Fail(dst []byte, e *wire.Error) []byte {
	w.ended = true
	return openai.AppendErrorEvent(dst, sdk.Responses, e, w.sequence)
}

// event begins one, up to its own fields; done ends it.
func (w *writer) event(dst []byte, kind string) []byte {
	dst = append(append(dst, "event: response."...), kind...)
	dst = append(append(dst, "\ndata: {\"type\":\"response."...), kind...)
	dst = strconv.AppendInt(append(dst, `","sequence_number":`...), w.sequence, 10)
	w.sequence++
	return dst
}

const done = "}\n\n"

func (w *writer) start(dst []byte, k *hub.Chunk) []byte {
	if w.started {
		return dst
	}
	w.started = true
	w.head.id, w.head.model, w.head.created = bytes.Clone(k.ID), bytes.Clone(k.Model), k.Created
	for _, kind := range [...]string{"created", "in_progress"} {
		dst = append(w.event(dst, kind), `,"response":`...)
		dst = append(w.head.append(dst, nil, false), done...)
	}
	return dst
}

func (w *writer) delta(dst []byte, k *hub.Chunk, d *hub.Delta) []byte {
	if len(d.Thought) > 0 {
		dst = w.begin(dst, thoughtItem, "rs_", nil)
		dst = w.piece(dst, w.last(), "reasoning_summary_text.delta", d.Thought)
	}
	if len(d.Signature) > 0 && (!w.open() || w.last().kind == thoughtItem) {
		dst = w.begin(dst, thoughtItem, "rs_", nil)
		w.last().secret = append([]byte(signed), d.Signature...)
		dst = w.close(dst, w.last())
	}
	if len(d.Redacted) > 0 {
		dst = w.begin(w.leave(dst), thoughtItem, "rs_", nil)
		w.last().secret = append([]byte(redacted), d.Redacted...)
		dst = w.close(dst, w.last())
	}
	if len(d.Text) > 0 {
		dst = w.begin(dst, textItem, "msg_", nil)
		dst = w.piece(dst, w.last(), "output_text.delta", d.Text)
	}
	if len(d.Refusal) > 0 {
		dst = w.begin(dst, refusalItem, "msg_", nil)
		dst = w.piece(dst, w.last(), "refusal.delta", d.Refusal)
	}
	calls := k.Calls(d)
	for i := range calls {
		c := &calls[i]
		if c.First {
			dst = w.begin(dst, callItem, "fc_", c)
			w.calls = append(w.calls, len(w.items)-1)
		}
		// A call that is closed has been told whole: what comes for it is lost.
		if t := &w.items[w.calls[c.Index]]; !t.done && len(c.Arguments) > 0 {
			kind := "function_call_arguments.delta"
			if t.custom {
				kind = "custom_tool_call_input.delta"
			}
			dst = w.piece(dst, t, kind, c.Arguments)
		}
	}
	if d.Reason != "" {
		w.head.finish = hub.Finish{Reason: d.Reason}
	}
	return dst
}

func (w *writer) last() *item { return &w.items[len(w.items)-1] }

// open tells whether the last item is.
func (w *writer) open() bool { return len(w.items) > 0 && !w.last().done }

// begin opens an item of a kind where the last is none, and each call.
func (w *writer) begin(dst []byte, kind int, prefix string, c *hub.CallDelta) []byte {
	if w.open() && w.last().kind == kind && c == nil {
		return dst
	}
	dst = w.leave(dst)
	n := len(w.items)
	w.items = append(w.items, item{kind: kind, id: itemID(prefix, w.head.id, n), at: n})
	t := w.last()
	if c != nil {
		t.call, t.name, t.custom = bytes.Clone(c.ID), bytes.Clone(c.Name), c.Custom
	}
	dst = append(t.place(w.event(dst, "output_item.added"), false), `,"item":`...)
	dst = append(t.append(dst, false), done...)
	switch kind {
	case textItem, refusalItem:
		dst = append(t.place(w.event(dst, "content_part.added"), true), `,"content_index":0,"part":`...)
		dst = append(t.part(dst, nil), done...)
	case thoughtItem:
		dst = append(t.place(w.event(dst, "reasoning_summary_part.added"), true), `,"summary_index":0,"part":{"type":"summary_text","text":""}`...)
		dst = append(dst, done...)
	}
	return dst
}

// leave ends the last item, unless more of it may come.
func (w *writer) leave(dst []byte) []byte {
	if !w.open() || w.last().kind == callItem && !w.last().whole() {
		return dst
	}
	return w.close(dst, w.last())
}

// whole tells whether a call has all its arguments. Where free text ends, nobody
// knows before the answer does.
func (t *item) whole() bool {
	in, _ := rawjson.AppendText(nil, t.text)
	return !t.custom && rawjson.IsObject(in) && rawjson.Valid(in)
}

// place says which item an event is of.
func (t *item) place(dst []byte, named bool) []byte {
	dst = strconv.AppendInt(append(dst, `,"output_index":`...), int64(t.at), 10)
	if named {
		dst = append(append(append(dst, `,"item_id":"`...), t.id...), '"')
	}
	return dst
}

// index says which part of the item an event is of.
func (t *item) index(dst []byte) []byte {
	switch t.kind {
	case textItem, refusalItem:
		return append(dst, `,"content_index":0`...)
	case thoughtItem:
		return append(dst, `,"summary_index":0`...)
	}
	return dst
}

func (w *writer) piece(dst []byte, t *item, kind string, said hub.Text) []byte {
	w.said += len(said)
	t.text = append(t.text, said...)
	dst = t.index(t.place(w.event(dst, kind), true))
	dst = append(append(append(dst, `,"delta":"`...), said...), '"')
	if t.kind == textItem {
		dst = append(dst, `,"logprobs":[]`...)
	}
	return append(dst, done...)
}

// close ends an open item, and repeats it whole.
func (w *writer) close(dst []byte, t *item) []byte {
	t.done = true
	whole := func(kind, key string) {
		dst = t.index(t.place(w.event(dst, kind), true))
		dst = append(append(append(dst, `,"`...), key...), `":"`...)
		dst = append(append(dst, t.text...), '"')
		switch t.kind {
		case textItem:
			dst = append(dst, `,"logprobs":[]`...)
		case callItem:
			dst = append(append(append(dst, `,"name":"`...), t.name...), '"')
		}
		dst = append(dst, done...)
	}
	switch t.kind {
	case textItem, refusalItem:
		if t.kind == textItem {
			whole("output_text.done", "text")
		} else {
			whole("refusal.done", "refusal")
		}
		dst = append(t.index(t.place(w.event(dst, "content_part.done"), true)), `,"part":`...)
		dst = append(t.part(dst, t.text), done...)
	case thoughtItem:
		whole("reasoning_summary_text.done", "text")
		dst = t.index(t.place(w.event(dst, "reasoning_summary_part.done"), true))
		dst = append(append(append(dst, `,"part":{"type":"summary_text","text":"`...), t.text...), `"}`...)
		dst = append(dst, done...)
	case callItem:
		if t.custom {
			whole("custom_tool_call_input.done", "input")
		} else {
			whole("function_call_arguments.done", "arguments")
		}
	}
	dst = append(t.place(w.event(dst, "output_item.done"), false), `,"item":`...)
	return append(t.append(dst, true), done...)
}

// end repeats the response whole.
func (w *writer) end(dst []byte) []byte {
	w.ended = true
	w.chunk = hub.Chunk{}
	dst = w.start(dst, &w.chunk)
	for i := range w.items {
		if t := &w.items[i]; !t.done {
			dst = w.close(dst, t)
		}
	}
	kind := "completed"
	if r := w.head.finish.Reason; r == hub.FinishLength || r == hub.FinishFilter {
		kind = "incomplete"
	}
	dst = append(w.event(dst, kind), `,"response":`...)
	return append(w.head.append(dst, w.items, true), done...)
}
