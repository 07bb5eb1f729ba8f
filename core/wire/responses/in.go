package responses

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// values are fields that are one value each, and the same in the hub.
var values = map[string]hub.Field{
	"temperature": hub.Temperature, "top_p": hub.TopP, "user": hub.UserField, "metadata": hub.Metadata,
	"service_tier": hub.ServiceTier, "prompt_cache_key": hub.PromptCacheKey,
	"prompt_cache_retention": hub.PromptCacheRetention, "safety_identifier": hub.SafetyIdentifier,
}

// request reads a client's request.
func request(body []byte, r *wire.Request) (*hub.Request, error) {
	q := &hub.Request{From: Name, Model: r.Model, MaxTokens: r.MaxTokens, Stream: r.Stream, Usage: true}
	var input, instructions hub.Raw
	c := rawjson.Cursor{Doc: body}
	c.Object()
	for c.Key() {
		name := string(c.Name)
		v := hub.Raw(c.Skip().Of(body))
		if string(v) == "null" {
			continue
		}
		if f, ok := values[name]; ok {
			q.Values[f] = v
			continue
		}
		switch name {
		case "model", "max_output_tokens", "stream", "stream_options", "fallbacks", "store", "include", "truncation":
			// Nothing is stored, and no more is told than there is.
		case "input":
			input = v
		case "instructions":
			instructions = v
		case "tools":
			readTools(q, v)
		case "tool_choice":
			readChoice(&q.Choice, v)
		case "parallel_tool_calls":
			q.Choice.Single = string(v) == "false"
		case "text":
			readText(q, v)
		case "reasoning":
			q.Reasoning.Effort = string(rawjson.Str(v, "effort"))
			q.Reasoning.Shown = len(rawjson.Str(v, "summary")) > 0
		case "top_logprobs":
			if string(v) != "0" {
				q.Values[hub.TopLogprobs] = v
			}
		case "previous_response_id", "conversation", "prompt", "background":
			if string(v) == "false" || len(rawjson.Inside(v)) == 0 && v[0] == '"' {
				continue
			}
			return nil, invalid(name, "needs a provider of responses, which this model's is not")
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: name, Value: v})
		}
	}
	if t := rawjson.Inside(instructions); len(t) > 0 {
		q.Messages = append(q.Messages, hub.Message{Role: hub.System, Parts: []hub.Part{{Text: t}}})
	}
	return q, readInput(q, input)
}

func invalid(param, message string) *wire.Error {
	return &wire.Error{Status: 400, Type: "invalid_request_error", Code: "unsupported_parameter", Param: param, Message: param + " " + message + "."}
}

func readText(q *hub.Request, raw hub.Raw) {
	if v := rawjson.Child(raw, "verbosity"); len(rawjson.Inside(v)) > 0 {
		q.Values[hub.Verbosity] = v
	}
	format := rawjson.Child(raw, "format")
	switch string(rawjson.Str(format, "type")) {
	case "json_object":
		q.Output.Form = hub.JSONObject
	case "json_schema":
		q.Output = hub.Output{
			Form: hub.JSONSchema, Name: rawjson.Str(format, "name"), Description: rawjson.Str(format, "description"),
			Schema: rawjson.Child(format, "schema"), Strict: rawjson.Child(format, "strict"),
		}
	}
}

func readTools(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return
	}
	for c.More() {
		v := hub.Raw(c.Skip().Of(raw))
		t := hub.Tool{Whole: v, Name: rawjson.Str(v, "name")}
		switch kind := string(rawjson.Str(v, "type")); kind {
		case "function":
			t.Description, t.Strict = rawjson.Str(v, "description"), rawjson.Child(v, "strict")
			if p := rawjson.Child(v, "parameters"); rawjson.IsObject(p) {
				t.Schema = p
			}
		case "custom":
			// Chat has what is beside the type in an object of its own.
			inner, err := rawjson.Splice(nil, v, []rawjson.Edit{{Op: rawjson.Delete, Key: "type"}})
			if err != nil {
				continue
			}
			t.Custom = append(append([]byte(`{"type":"custom","custom":`), inner...), '}')
		default:
			t.Foreign = hub.Foreign{Format: Name, Key: kind, Value: v}
		}
		q.Tools = append(q.Tools, t)
	}
}

func readChoice(o *hub.ToolChoice, raw hub.Raw) {
	switch string(raw) {
	case `"auto"`:
		o.Choice = hub.Auto
	case `"none"`:
		o.Choice = hub.None
	case `"required"`:
		o.Choice = hub.Required
	default:
		if name := rawjson.Str(raw, "name"); len(name) > 0 {
			o.Choice, o.Name = hub.OneTool, name
			return
		}
		o.Choice, o.Foreign = hub.ForeignChoice, hub.Foreign{Format: Name, Value: raw}
	}
}
