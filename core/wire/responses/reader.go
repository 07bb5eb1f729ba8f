package responses

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// reader translates a stream of responses into the hub's.
type reader struct {
	calls   []int64 // so far: the place of each among the items
	thought bool    // some was said
}

// call is the number of the call at a place. Pieces without a place of a call's
// are taken for the last one's.
func (r *reader) call(at int64) int64 {
	for i := len(r.calls) - 1; i >= 0; i-- {
		if r.calls[i] == at {
			return int64(i)
		}
	}
	return int64(len(r.calls) - 1)
}

// event says what is where in one.
type event struct {
	kind           hub.Text
	response, item hub.Raw
	delta, message hub.Text
	at             int64 // the place of the item
	errorObject    hub.Raw
}

func (v *event) read(e *sse.Event) {
	*v = event{kind: e.Type}
	c := rawjson.Cursor{Doc: e.Data}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "type":
			v.kind, _ = c.Str()
		case "response":
			v.response = c.Skip().Of(e.Data)
		case "item":
			v.item = c.Skip().Of(e.Data)
		case "output_index":
			v.at, _ = c.Int()
		case "delta":
			v.delta, _ = c.Str()
		case "error":
			v.errorObject = c.Skip().Of(e.Data)
		case "message":
			v.message, _ = c.Str()
		default:
			c.Skip()
		}
	}
}

// Event is part of hub.Reader.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	if e.Data == nil {
		return nil
	}
	var v event
	v.read(e)
	switch string(v.kind) {
	case "response.created":
		created, _ := rawjson.Int(rawjson.Child(v.response, "created_at"))
		out.Start(rawjson.Str(v.response, "id"), rawjson.Str(v.response, "model"), created)
		out.Role(0)
	case "response.output_text.delta":
		out.Text(0, v.delta)
	case "response.refusal.delta":
		out.Refusal(0, v.delta)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		r.thought = true
		out.Thought(0, v.delta)
	case "response.reasoning_summary_part.added":
		if r.thought {
			out.Thought(0, hub.Text(`\n\n`))
		}
	case "response.output_item.added":
		if k := string(rawjson.Str(v.item, "type")); k == "function_call" || k == "custom_tool_call" {
			call := hub.Call{ID: rawjson.Str(v.item, "call_id"), Name: rawjson.Str(v.item, "name"), Custom: k == "custom_tool_call"}
			out.Call(0, int64(len(r.calls)), &call)
			r.calls = append(r.calls, v.at)
		}
	case "response.function_call_arguments.delta":
		if len(r.calls) > 0 {
			out.Arguments(0, r.call(v.at), v.delta)
		}
	case "response.custom_tool_call_input.delta":
		if len(r.calls) > 0 {
			out.Input(0, r.call(v.at), v.delta)
		}
	case "response.completed", "response.incomplete":
		f := finish(v.response)
		if f.Reason == hub.FinishStop && len(r.calls) > 0 {
			f.Reason = hub.FinishCalls
		}
		out.Finish(0, &f)
		u := openai.ReadUsage(&sse.Event{Data: e.Data})
		out.Usage(&u)
		out.Done()
	case "response.failed", "error":
		if v.errorObject == nil && v.response == nil { // its fields are at the top
			o := rawjson.Writer{Dst: []byte(`{"error":{`)}
			o.Text("message", v.message)
			o.RawIf("code", rawjson.Child(e.Data, "code"))
			out.Copy(append(o.Dst, "}}"...))
			return nil
		}
		o := rawjson.Object(nil)
		fault := v.errorObject
		if fault == nil {
			fault = rawjson.Child(v.response, "error")
		}
		if !rawjson.IsObject(fault) {
			fault = hub.Raw(`{"message":"the response failed and does not say why","type":"server_error"}`)
		}
		o.RawIf("error", fault)
		out.Copy(append(o.Dst, '}'))
	}
	return nil
}
