package responses

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// readAnswer reads a whole response.
func readAnswer(body []byte) (*hub.Response, error) {
	head, err := openai.ReadResponse(sdk.Responses, body)
	if err != nil {
		return nil, err
	}
	r := &hub.Response{From: Name, Usage: head.Usage, Error: head.Error}
	if r.Error != nil {
		return r, nil //nolint:nilerr // the error is what the provider said
	}
	r.ID, r.Model = rawjson.Str(body, "id"), rawjson.Str(body, "model")
	r.Created, _ = rawjson.Int(rawjson.Child(body, "created_at"))
	a := hub.Answer{Finish: finish(body)}
	output := rawjson.Child(body, "output")
	c := rawjson.Cursor{Doc: output}
	if !c.Array() {
		return nil, fmt.Errorf("answer of responses: it has no output")
	}
	var q hub.Request
	for i := 0; c.More(); i++ {
		if err := readItem(&q, c.Skip().Of(output), i); err != nil {
			return nil, fmt.Errorf("answer of responses: %w", err)
		}
	}
	for i := range q.Messages {
		a.Parts = append(a.Parts, q.Messages[i].Parts...)
	}
	if a.Reason == hub.FinishStop && calls(a.Parts) {
		a.Reason = hub.FinishCalls
	}
	r.Choices = []hub.Answer{a}
	return r, nil
}

func calls(parts []hub.Part) bool {
	for i := range parts {
		if parts[i].Kind == hub.CallPart {
			return true
		}
	}
	return false
}

// finish reads why a response ended.
func finish(response []byte) hub.Finish {
	if string(rawjson.Str(response, "status")) == "incomplete" {
		if string(rawjson.Str(rawjson.Child(response, "incomplete_details"), "reason")) == "content_filter" {
			return hub.Finish{Reason: hub.FinishFilter}
		}
		return hub.Finish{Reason: hub.FinishLength}
	}
	return hub.Finish{Reason: hub.FinishStop}
}

// item is one of an answer's output, in a state: in_progress or completed.
type item struct {
	kind   int
	id     hub.Text
	text   []byte // of a text, refusal or thought; a call's input, as the inside of a JSON string
	secret []byte // of a thought
	call   hub.Text
	name   hub.Text
	custom bool
	// Of a stream: its place there, and that it was told whole.
	at   int
	done bool
}

// The kinds of items.
const (
	textItem = iota
	refusalItem
	thoughtItem
	callItem
)

// append appends the item as it is, or as it begins.
func (t *item) append(dst []byte, done bool) []byte {
	state := "in_progress"
	if done {
		state = "completed"
	}
	o := rawjson.Object(dst)
	o.Text("id", t.id)
	switch t.kind {
	case textItem, refusalItem:
		o.Dst = append(append(append(o.Dst, `,"type":"message","status":"`...), state...), `","role":"assistant","content":[`...)
		if done {
			o.Dst = t.part(o.Dst, t.text)
		}
		o.Put("]")
	case thoughtItem:
		o.Put(`,"type":"reasoning","summary":[`)
		if done && len(t.text) > 0 {
			o.Dst = append(append(append(o.Dst, `{"type":"summary_text","text":"`...), t.text...), `"}`...)
		}
		o.Put("]")
		if done {
			o.TextIf("encrypted_content", t.secret)
		}
	case callItem:
		kind, input := "function_call", "arguments"
		if t.custom {
			kind, input = "custom_tool_call", "input"
		}
		o.Text("type", hub.Text(kind))
		o.Text("status", hub.Text(state))
		o.Text("call_id", t.call)
		o.Text("name", t.name)
		given := t.text
		if !done {
			given = nil
		}
		o.Text(input, given)
	}
	return append(o.Dst, '}')
}

// part appends the one part of a message.
func (t *item) part(dst []byte, said []byte) []byte {
	if t.kind == refusalItem {
		return append(append(append(dst, `{"type":"refusal","refusal":"`...), said...), `"}`...)
	}
	return append(append(append(dst, `{"type":"output_text","text":"`...), said...), `","annotations":[],"logprobs":[]}`...)
}

// itemID makes an id of an item out of the answer's and its place.
func itemID(prefix string, answer hub.Text, n int) hub.Text {
	answer = bytes.TrimPrefix(answer, []byte("resp_"))
	return strconv.AppendInt(append(append([]byte(prefix), answer...), '_'), int64(n), 10)
}

// add makes items of an answer's parts.
func add(items []item, id hub.Text, parts []hub.Part) []item {
	for i := range parts {
		p := &parts[i]
		n := len(items)
		switch p.Kind {
		case hub.TextPart, hub.RefusalPart:
			t := item{kind: textItem, id: itemID("msg_", id, n), text: p.Text}
			if p.Kind == hub.RefusalPart {
				t.kind = refusalItem
			}
			items = append(items, t)
		case hub.ThoughtPart:
			t := item{kind: thoughtItem, id: itemID("rs_", id, n), text: p.Text}
			if len(p.Signature) > 0 {
				t.secret = append([]byte(signed), p.Signature...)
			}
			items = append(items, t)
		case hub.RedactedPart:
			items = append(items, item{kind: thoughtItem, id: itemID("rs_", id, n), secret: append([]byte(redacted), p.Data...)})
		case hub.CallPart:
			items = append(items, item{
				kind: callItem, id: itemID("fc_", id, n), call: p.Call.ID, name: p.Call.Name, custom: p.Call.Custom,
				text: rawjson.Escaped(string(p.Call.Input)),
			})
		}
	}
	return items
}

// head is what a response says of itself beside its output.
type head struct {
	id, model hub.Text
	created   int64
	finish    hub.Finish
	usage     wire.Usage
}

// appendID appends the id of a response.
func appendID(dst []byte, id hub.Text) []byte {
	const prefix = "resp_"
	if !bytes.HasPrefix(id, []byte(prefix)) {
		dst = append(dst, prefix...)
	}
	return append(dst, id...)
}

// append appends the response with these items: as it begins, or whole.
func (h *head) append(dst []byte, items []item, done bool) []byte {
	dst = appendID(append(dst, `{"id":"`...), h.id)
	dst = strconv.AppendInt(append(dst, `","object":"response","created_at":`...), h.created, 10)
	status, why := "in_progress", ""
	if done {
		switch status = "completed"; h.finish.Reason {
		case hub.FinishLength:
			status, why = "incomplete", "max_output_tokens"
		case hub.FinishFilter:
			status, why = "incomplete", "content_filter"
		}
	}
	dst = append(append(append(dst, `,"status":"`...), status...), `","background":false,"error":null,"incomplete_details":`...)
	if why != "" {
		dst = append(append(append(dst, `{"reason":"`...), why...), `"}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(append(append(dst, `,"instructions":null,"max_output_tokens":null,"model":"`...), h.model...), `","output":[`...)
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = items[i].append(dst, true)
	}
	dst = append(dst, `],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,`...)
	dst = append(dst, `"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","usage":`...)
	if !done {
		return append(dst, `null,"user":null,"metadata":{}}`...)
	}
	u := &h.usage
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), u.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.Cached, 10)
	dst = strconv.AppendInt(append(dst, `},"output_tokens":`...), u.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), u.Reasoning, 10)
	dst = strconv.AppendInt(append(dst, `},"total_tokens":`...), u.Total, 10)
	return append(dst, `},"user":null,"metadata":{}}`...)
}

// appendAnswer appends a whole response; of several choices it has the first.
func appendAnswer(dst []byte, r *hub.Response) ([]byte, error) {
	if len(r.Choices) == 0 {
		return dst, fmt.Errorf("responses: the answer has no choices")
	}
	a := &r.Choices[0]
	h := head{id: r.ID, model: r.Model, created: r.Created, finish: a.Finish, usage: r.Usage}
	return h.append(dst, add(nil, r.ID, a.Parts), true), nil
}
