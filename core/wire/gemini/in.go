package gemini

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// values are fields of the config that are one value each, and the same in the hub.
var values = map[string]hub.Field{
	"temperature": hub.Temperature, "topP": hub.TopP, "topK": hub.TopK, "candidateCount": hub.N, "seed": hub.Seed,
	"frequencyPenalty": hub.FrequencyPenalty, "presencePenalty": hub.PresencePenalty,
	"responseLogprobs": hub.Logprobs, "logprobs": hub.TopLogprobs,
}

// config is what the keys of a [hub.Foreign] begin with that stood in the config.
const config = "generationConfig."

// request reads a client's request.
func request(body []byte, r *wire.Request) (*hub.Request, error) {
	q := &hub.Request{From: Name, Model: r.Model, MaxTokens: r.MaxTokens, Stream: r.Stream, Usage: r.Usage}
	var contents hub.Raw
	c := rawjson.Cursor{Doc: body}
	c.Object()
	for c.Key() {
		name := string(camel(c.Name))
		v := hub.Raw(c.Skip().Of(body))
		if string(v) == "null" {
			continue
		}
		switch name {
		case "model", "fallbacks":
		case "contents":
			contents = v
		case "systemInstruction":
			if err := readSystem(q, v); err != nil {
				return nil, err
			}
		case "tools":
			readTools(q, v)
		case "toolConfig":
			readChoice(q, v)
		case "safetySettings":
			q.Values[hub.SafetySettings] = v
		case "generationConfig":
			readConfig(q, v)
		case "serviceTier":
			readTier(q, v)
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: name, Value: v})
		}
	}
	return q, readContents(q, contents)
}

func readTier(q *hub.Request, v hub.Raw) {
	switch tier := bytes.ToLower(rawjson.Inside(v)); string(tier) {
	case "standard":
		q.Values[hub.ServiceTier] = hub.Raw(`"default"`)
	case "flex", "priority":
		q.Values[hub.ServiceTier] = hub.Raw(`"` + string(tier) + `"`)
	}
}

func readConfig(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		name := string(camel(c.Name))
		v := hub.Raw(c.Skip().Of(raw))
		if string(v) == "null" {
			continue
		}
		if f, ok := values[name]; ok {
			if !usual(f, v) {
				q.Values[f] = v
			}
			continue
		}
		switch name {
		case "maxOutputTokens":
		case "stopSequences":
			if s := (rawjson.Cursor{Doc: v}); s.Array() {
				for s.More() {
					q.Stop = append(q.Stop, s.Inside())
				}
			}
		case "responseMimeType":
			switch string(rawjson.Inside(v)) {
			case "text/plain":
			case "application/json":
				if q.Output.Form == hub.Free {
					q.Output.Form = hub.JSONObject
				}
			default:
				q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: config + name, Value: v})
			}
		case "responseSchema", "responseJsonSchema":
			q.Output = hub.Output{Form: hub.JSONSchema, Schema: v, Whole: append([]byte(`"`+name+`":`), v...)}
			if name == "responseSchema" {
				q.Output.Schema = fromOpenAPI(nil, v)
			}
		case "thinkingConfig":
			readThinking(&q.Reasoning, v)
		default:
			q.Foreign = append(q.Foreign, hub.Foreign{Format: Name, Key: config + name, Value: v})
		}
	}
}

// usual tells whether a value says what is so without it.
func usual(f hub.Field, v hub.Raw) bool {
	switch f {
	case hub.N:
		return string(v) == "1"
	case hub.Logprobs:
		return string(v) == "false"
	case hub.FrequencyPenalty, hub.PresencePenalty:
		return string(v) == "0"
	}
	return false
}

func readThinking(o *hub.Reasoning, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return
	}
	for c.Key() {
		switch string(camel(c.Name)) {
		case "includeThoughts":
			shown := string(c.Skip().Of(raw)) == "true"
			o.Shown, o.Hidden = shown, !shown
		case "thinkingBudget":
			switch n, _ := c.Int(); {
			case n > 0:
				o.Budget = n
			case n < 0:
				o.Adaptive = true
			default:
				o.Off = true
			}
		case "thinkingLevel":
			if level := bytes.ToLower(c.Inside()); string(level) != "thinking_level_unspecified" {
				o.Effort = string(level)
			}
		default:
			c.Skip()
		}
	}
}

func readTools(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return
	}
	for c.More() {
		if !c.Object() {
			c.Skip()
			continue
		}
		for c.Key() {
			name := string(camel(c.Name))
			v := hub.Raw(c.Skip().Of(raw))
			if name == "functionDeclarations" {
				readFunctions(q, v)
				continue
			}
			own := rawjson.Object(nil)
			own.Field(name, v)
			own.Put("}")
			q.Tools = append(q.Tools, hub.Tool{Foreign: hub.Foreign{Format: Name, Key: name, Value: own.Dst}})
		}
	}
}

func readFunctions(q *hub.Request, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return
	}
	for c.More() {
		v := hub.Raw(c.Skip().Of(raw))
		t := hub.Tool{Whole: v}
		o := rawjson.Cursor{Doc: v}
		if !o.Object() {
			continue
		}
		for o.Key() {
			switch string(camel(o.Name)) {
			case "name":
				t.Name = o.Inside()
			case "description":
				t.Description = o.Inside()
			case "parameters":
				if schema := o.Skip().Of(v); rawjson.IsObject(schema) {
					t.Schema = fromOpenAPI(nil, schema)
				}
			case "parametersJsonSchema":
				if schema := o.Skip().Of(v); rawjson.IsObject(schema) {
					t.Schema = schema
				}
			default:
				o.Skip()
			}
		}
		q.Tools = append(q.Tools, t)
	}
}

// readChoice reads a toolConfig, which goes to Gemini as it came.
func readChoice(q *hub.Request, raw hub.Raw) {
	o := &q.Choice
	o.Foreign = hub.Foreign{Format: Name, Value: raw}
	calling := child(raw, "functionCallingConfig")
	var names []hub.Text
	if c := (rawjson.Cursor{Doc: child(calling, "allowedFunctionNames")}); c.Array() {
		for c.More() {
			names = append(names, c.Inside())
		}
	}
	switch mode := string(bytes.ToUpper(text(calling, "mode"))); {
	case mode == "NONE":
		o.Choice = hub.None
	case mode == "ANY" && len(names) == 1:
		o.Choice, o.Name = hub.OneTool, names[0]
	case mode == "ANY" && len(names) == 0:
		o.Choice = hub.Required
	case len(names) > 0:
		o.Choice = hub.ForeignChoice
	case mode == "AUTO", mode == "VALIDATED":
		o.Choice = hub.Auto
	}
}
