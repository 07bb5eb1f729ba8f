package anthropic

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// values are fields that are one value each, and the same in the hub.
var values = map[string]hub.Field{
	"temperature": hub.Temperature, "top_p": hub.TopP, "top_k": hub.TopK, "cache_control": hub.CacheControl,
}

// request reads a client's request.
func request(body []byte, r *wire.Request) (*hub.Request, error) {
	q := &hub.Request{From: Name, Model: r.Model, MaxTokens: r.MaxTokens, Stream: r.Stream, Usage: r.Usage}
	var messages, system hub.Raw
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
		case "model", "max_tokens", "stream", "fallbacks":
		case "messages":
			messages = v
		case "system":
			system = v
		case "tools":
			readTools(q, v)
		case "tool_choice":
			readChoice(&q.Choice, v)
		case "stop_sequences":
			if s := (rawjson.Cursor{Doc: v}); s.Array() {
				for s.More() {
					q.Stop = append(q.Stop, s.Inside())
				}
			}
		case "thinking":
			readThinking(q, v)
		case "output_config":
			readOutput(q, v)
		case "output_format": // the beta of output_config.format
			readFormat(q, v)
		case "metadata":
			if id := rawjson.Child(v, "user_id"); len(id) > 2 && id[0] == '"' {
				q.Values[hub.UserField] = id
			}
		case "service_tier":
			switch string(v) {
			case `"auto"`:
				q.Values[hub.ServiceTier] = v
			case `"standard_only"`:
				q.Values[hub.ServiceTier] = hub.Raw(`"default"`)
			}
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: name, Value: v})
		}
	}
	if len(system) > 0 {
		m := hub.Message{Role: hub.System}
		if err := readBlocks(&m, system, func() string { return "system" }); err != nil {
			return nil, err
		}
		if len(m.Parts) > 0 {
			q.Messages = append(q.Messages, m)
		}
	}
	return q, readMessages(q, messages)
}

// mark is a cache_control.
func mark(raw []byte) hub.Raw {
	if !rawjson.IsObject(raw) {
		return nil
	}
	return raw
}

func readTools(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return
	}
	for c.More() {
		v := hub.Raw(c.Skip().Of(raw))
		t := hub.Tool{Whole: v}
		kind, schema := hub.Text(nil), hub.Raw(nil)
		o := rawjson.Cursor{Doc: v}
		o.Object()
		for o.Key() {
			switch string(o.Name) {
			case "type":
				kind = o.Inside()
			case "name":
				t.Name = o.Inside()
			case "description":
				t.Description = o.Inside()
			case "input_schema":
				schema = o.Skip().Of(v)
			case "strict":
				t.Strict = o.Skip().Of(v)
			case "cache_control":
				t.Cache = mark(o.Skip().Of(v))
			default:
				o.Skip()
			}
		}
		if t.Schema = schema; len(kind) > 0 && string(kind) != "custom" {
			t.Foreign = hub.Foreign{Format: Name, Key: string(kind), Value: v}
		}
		q.Tools = append(q.Tools, t)
	}
}

func readChoice(o *hub.ToolChoice, raw hub.Raw) {
	switch string(rawjson.Str(raw, "type")) {
	case "auto":
		o.Choice = hub.Auto
	case "any":
		o.Choice = hub.Required
	case "none":
		o.Choice = hub.None
	case "tool":
		o.Choice, o.Name = hub.OneTool, rawjson.Str(raw, "name")
	default:
		o.Choice, o.Foreign = hub.ForeignChoice, hub.Foreign{Format: Name, Value: raw}
	}
	o.Single = string(rawjson.Child(raw, "disable_parallel_tool_use")) == "true"
}

func readThinking(q *hub.Request, raw hub.Raw) {
	o := &q.Reasoning
	switch kind := rawjson.Str(raw, "type"); string(kind) {
	case "enabled":
		o.Budget, _ = rawjson.Int(rawjson.Child(raw, "budget_tokens"))
	case "adaptive":
		o.Adaptive = true
	case "disabled":
		o.Off = true
	default:
		q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: "thinking", Value: raw})
		return
	}
	switch string(rawjson.Str(raw, "display")) {
	case "omitted":
		o.Hidden = true
	case "summarized":
		o.Shown = true
	}
}

func readOutput(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch name := string(c.Name); name {
		case "effort":
			q.Reasoning.Effort = string(c.Inside())
		case "format":
			readFormat(q, c.Skip().Of(raw))
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: "output_config." + name, Value: c.Skip().Of(raw)})
		}
	}
}

func readFormat(q *hub.Request, raw hub.Raw) {
	if string(rawjson.Str(raw, "type")) == "json_schema" {
		q.Output = hub.Output{Form: hub.JSONSchema, Schema: rawjson.Child(raw, "schema"), Strict: hub.Raw("true")}
	}
}

func at(format string, args ...any) string { return fmt.Sprintf(format, args...) }
