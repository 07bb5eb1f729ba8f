package ollama

import (
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// outgoing appends a request as Ollama takes it.
func outgoing(dst []byte, q *hub.Request, _ *hub.Warnings) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), q: q}
	o.Plain("model", q.Model)
	o.messages()
	o.tools()
	o.format()
	o.think()
	o.options()
	o.RawIf("logprobs", q.Values[hub.Logprobs])
	o.RawIf("top_logprobs", q.Values[hub.TopLogprobs])
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && f.Key != options {
			o.Field(f.Key, f.Value)
		}
	}
	// It streams unless it is told not to.
	o.Dst = strconv.AppendBool(append(o.Dst, `,"stream":`...), q.Stream)
	return append(o.Dst, '}'), nil
}

// build is a request being made.
type build struct {
	rawjson.Writer
	q *hub.Request
}

// tools writes those that may be called.
func (o *build) tools() {
	begun := false
	for i := range o.q.Tools {
		t := &o.q.Tools[i]
		if t.Foreign.Format != "" || !o.callable(t) {
			continue
		}
		if !begun {
			o.Put(`,"tools":[`)
			begun = true
		}
		o.Comma()
		o.Put(`{"type":"function","function":{`)
		o.TextIf("name", t.Name)
		o.TextIf("description", t.Description)
		o.Raw("parameters", t.Parameters())
		o.Put("}}")
	}
	if begun {
		o.Put("]")
	}
}

func (o *build) callable(t *hub.Tool) bool {
	switch c := &o.q.Choice; c.Choice {
	case hub.None:
		return false
	case hub.OneTool:
		return string(t.Name) == string(c.Name)
	}
	return true
}

// orders are what Ollama has no field for, in words for the model.
func (o *build) orders() (lines []string) {
	if len(o.q.Tools) == 0 {
		return nil
	}
	switch c := &o.q.Choice; {
	case c.Choice == hub.None:
		return nil
	case c.Choice == hub.Required:
		lines = append(lines, "Answer with a call of one of the tools.")
	case c.Choice == hub.OneTool:
		lines = append(lines, "Answer with a call of the tool.")
	}
	if o.q.Choice.Single {
		lines = append(lines, "Call no more than one tool, once.")
	}
	return lines
}

func (o *build) format() {
	switch out := &o.q.Output; out.Form {
	case hub.JSONObject:
		o.Raw("format", hub.Raw(`"json"`))
	case hub.JSONSchema:
		schema := out.Schema
		if len(schema) == 0 {
			schema = hub.Raw(`{"type":"object"}`)
		}
		o.RawIf("format", schema)
	}
}

// think says how much. Only gpt-oss knows degrees
// (https://docs.ollama.com/capabilities/thinking).
func (o *build) think() {
	r := &o.q.Reasoning
	degree := "true"
	switch {
	case r.Off || r.Effort == "none":
		degree = "false"
	case r.Effort == "" && r.Budget == 0 && !r.Adaptive:
		return
	case strings.Contains(o.q.Model, "gpt-oss"):
		switch r.Effort {
		case "minimal", "low":
			degree = `"low"`
		case "high", "xhigh", "max":
			degree = `"high"`
		default:
			degree = `"medium"`
		}
	}
	o.Raw("think", hub.Raw(degree))
}

const options = "options"

// sampling are the values that are options under their own names.
var sampling = [...]hub.Field{hub.Temperature, hub.TopP, hub.TopK, hub.Seed, hub.FrequencyPenalty, hub.PresencePenalty}

// options writes the model's options: those that clients of all formats have,
// and those of Ollama's own, such as num_ctx, where the request has them.
func (o *build) options() {
	q := o.q
	start := len(o.Dst)
	o.Put(`,"options":{`)
	empty := len(o.Dst)
	for _, f := range sampling {
		o.RawIf(f.String(), q.Values[f])
	}
	if q.MaxTokens > 0 {
		o.Int("num_predict", q.MaxTokens)
	}
	rawjson.Texts(&o.Writer, "stop", q.Stop)
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && f.Key == options {
			o.own(f.Value)
		}
	}
	if len(o.Dst) == empty {
		o.Dst = o.Dst[:start]
		return
	}
	o.Put("}")
}

// own writes the options of Ollama's that nothing else in the request says.
func (o *build) own(v hub.Raw) {
	c := rawjson.Cursor{Doc: v}
	if !c.Object() {
		return
	}
	for c.Key() {
		name := string(c.Name)
		at := c.Skip()
		if !o.said(name) {
			o.Field(name, at.Of(v))
		}
	}
}

func (o *build) said(name string) bool {
	switch name {
	case "num_predict":
		return o.q.MaxTokens > 0
	case "stop":
		return len(o.q.Stop) > 0
	}
	for _, f := range sampling {
		if f.String() == name {
			return o.q.Has(f)
		}
	}
	return false
}
