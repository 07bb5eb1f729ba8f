package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// values are the fields of a chat request that are one value each.
var values = func() map[string]hub.Field {
	all := make(map[string]hub.Field)
	for _, f := range hub.Fields() {
		if f.IsValue() {
			all[f.String()] = f
		}
	}
	return all
}()

// foreign is what the type of a part or tool begins with that only one format
// knows, before its name: our own extension of the hub. Top-level fields of
// another format are shown so, and never read: they could be there twice then.
const foreign = hub.Extension

// ReadHub reads a chat request, with the extensions of the hub:
//
//	keep_alive and options (Ollama), documents, citation_options, safety_mode and priority (Cohere)
//	cache_control on parts, tools and results of tools (Anthropic, OpenRouter)
//	reasoning_content and reasoning_details of the assistant (DeepSeek, OpenRouter)
//	reasoning {"effort", "max_tokens"} (OpenRouter) and thinking {"type",
//	"budget_tokens"} (Anthropic, LiteLLM) beside reasoning_effort
//	top_k, safety_settings, is_error
//	file_url of a file; title, context and citations of one (Anthropic)
//
// The body was accepted by [ReadRequest]. What has the wrong type is an error
// where it would change the meaning, and is left out where not.
func ReadHub(body []byte, r *wire.Request) (*hub.Request, error) {
	q := &hub.Request{From: Name, Model: r.Model, Stream: r.Stream, Usage: r.Usage, MaxTokens: r.MaxTokens}
	c := rawjson.Cursor{Doc: body}
	c.Object()
	for c.Key() {
		name := c.Name
		if f, ok := values[string(name)]; ok {
			if v := c.Skip().Of(body); !isNull(v) && !usual(f, v) {
				q.Values[f] = v
			}
			continue
		}
		switch string(name) {
		case "messages":
			if err := readMessages(q, &c); err != nil {
				return nil, err
			}
		case "tools":
			readTools(q, &c)
		case "functions":
			readFunctions(q, &c)
		case "tool_choice", "function_call":
			readChoice(&q.Choice, c.Skip().Of(body))
		case "parallel_tool_calls":
			v := c.Skip().Of(body)
			q.Choice.Single, q.Choice.Parallel = string(v) == "false", isTrue(v)
		case "stop":
			q.Stop = readStop(&c)
		case "response_format":
			readOutput(&q.Output, c.Skip().Of(body))
		case "reasoning_effort":
			q.Reasoning.Effort = string(c.Inside())
		case "reasoning", "thinking":
			readReasoning(&q.Reasoning, c.Skip().Of(body))
		case "model", "stream", "stream_options", "fallbacks", "max_tokens", "max_completion_tokens":
			c.Skip() // r has them
		default:
			v := c.Skip().Of(body)
			if isNull(v) {
				continue
			}
			of := Name
			if other, ok := others[string(name)]; ok {
				of = other
			}
			q.Foreign = append(q.Foreign, hub.Foreign{Format: of, Key: string(name), Value: v})
		}
	}
	if len(q.Messages) == 0 {
		return nil, invalid("messages", "missing_required_parameter", "there is no message to answer")
	}
	return q, nil
}

// others are fields that one other format knows, and OpenAI's clients send to
// those who speak it. None of them is a field of the hub's.
var others = map[string]string{
	"keep_alive": "ollama", "options": "ollama",
	"documents": "cohere", "citation_options": "cohere", "safety_mode": "cohere", "priority": "cohere",
}

// usual tells whether a value says what is so without it.
func usual(f hub.Field, v []byte) bool {
	switch f {
	case hub.N:
		return string(v) == "1"
	case hub.Logprobs, hub.Store:
		return string(v) == "false"
	case hub.FrequencyPenalty, hub.PresencePenalty, hub.TopLogprobs:
		return string(v) == "0" || string(v) == "0.0"
	case hub.LogitBias:
		return string(v) == "{}"
	case hub.Modalities:
		return string(v) == `["text"]`
	}
	return false
}

func readStop(c *rawjson.Cursor) (stop []hub.Text) {
	if !c.Array() {
		if t := c.Inside(); len(t) > 0 {
			stop = append(stop, t)
		}
		return stop
	}
	for c.More() {
		stop = append(stop, c.Inside())
	}
	return stop
}

func readOutput(o *hub.Output, raw []byte) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "type":
			switch string(c.Inside()) {
			case "json_object":
				o.Form = hub.JSONObject
			case "json_schema":
				o.Form = hub.JSONSchema
			}
		case "json_schema":
			if !c.Object() {
				c.Skip()
				continue
			}
			for c.Key() {
				switch string(c.Name) {
				case "name":
					o.Name = c.Inside()
				case "description":
					o.Description = c.Inside()
				case "schema":
					o.Schema = c.Skip().Of(raw)
				case "strict":
					o.Strict = c.Skip().Of(raw)
				default:
					c.Skip()
				}
			}
		default:
			c.Skip()
		}
	}
}

func readReasoning(o *hub.Reasoning, raw []byte) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "effort":
			o.Effort = string(c.Inside())
		case "max_tokens", "budget_tokens":
			o.Budget, _ = c.Int()
		case "enabled":
			o.Off = string(c.Skip().Of(raw)) == "false"
		case "exclude":
			o.Hidden = isTrue(c.Skip().Of(raw))
		case "type":
			switch string(c.Inside()) {
			case "disabled":
				o.Off = true
			case "adaptive":
				o.Adaptive = true
			}
		default:
			c.Skip()
		}
	}
}

func readChoice(o *hub.ToolChoice, raw []byte) {
	single, parallel := o.Single, o.Parallel
	*o = hub.ToolChoice{Single: single, Parallel: parallel}
	switch string(raw) {
	case `"auto"`:
		o.Choice = hub.Auto
		return
	case `"none"`:
		o.Choice = hub.None
		return
	case `"required"`:
		o.Choice = hub.Required
		return
	}
	if !rawjson.IsObject(raw) {
		return
	}
	function := rawjson.Child(raw, "function")
	if function == nil {
		function = rawjson.Child(raw, "custom")
	}
	if function == nil {
		function = raw // {"name":...} of the old function_call
	}
	if name := rawjson.Str(function, "name"); len(name) > 0 {
		o.Choice, o.Name = hub.OneTool, name
		return
	}
	o.Choice, o.Foreign = hub.ForeignChoice, hub.Foreign{Format: Name, Value: raw}
}

func readTools(q *hub.Request, c *rawjson.Cursor) {
	if !c.Array() {
		c.Skip()
		return
	}
	for c.More() {
		raw := c.Skip().Of(c.Doc)
		t := hub.Tool{Cache: present(rawjson.Child(raw, "cache_control"))}
		kind, _ := rawjson.Unquote(rawjson.Child(raw, "type"))
		of, isForeign := bytes.CutPrefix([]byte(kind), []byte(foreign))
		switch {
		case kind == "function":
			readFunction(&t, rawjson.Child(raw, "function"))
		case kind == "custom":
			t.Custom = raw
			t.Name = rawjson.Str(rawjson.Child(raw, "custom"), "name")
		case isForeign:
			t.Foreign = hub.Foreign{Format: string(of), Value: rawjson.Child(raw, "value")}
		default:
			t.Foreign = hub.Foreign{Format: Name, Key: kind, Value: raw}
		}
		q.Tools = append(q.Tools, t)
	}
}

func readFunctions(q *hub.Request, c *rawjson.Cursor) {
	if !c.Array() {
		c.Skip()
		return
	}
	for c.More() {
		var t hub.Tool
		readFunction(&t, c.Skip().Of(c.Doc))
		q.Tools = append(q.Tools, t)
	}
}

func readFunction(t *hub.Tool, raw []byte) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(c.Name) {
		case "name":
			t.Name = c.Inside()
		case "description":
			t.Description = c.Inside()
		case "parameters":
			if v := c.Skip().Of(raw); rawjson.IsObject(v) {
				t.Schema = v
			}
		case "strict":
			t.Strict = c.Skip().Of(raw)
		default:
			c.Skip()
		}
	}
}

// present is a raw value that is there and says something.
func present(raw []byte) hub.Raw {
	if len(raw) == 0 || isNull(raw) {
		return nil
	}
	return raw
}
