package cohere

import (
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// outgoing appends a request as Cohere takes it.
func outgoing(dst []byte, q *hub.Request, w *hub.Warnings) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), q: q}
	o.Plain("model", q.Model)
	o.messages()
	tools := o.tools()
	o.documents()
	o.format(tools || o.files > 0, w)
	o.thinking()
	o.sampling(w)
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && f.Key != documents {
			o.Field(f.Key, f.Value)
		}
	}
	if q.Stream {
		o.Raw("stream", hub.Raw("true"))
	}
	return append(o.Dst, '}'), nil
}

// build is a request being made.
type build struct {
	rawjson.Writer
	q     *hub.Request
	files int // documents, so far
}

// tools writes those that may be called, and tells whether there are any.
func (o *build) tools() bool {
	c := &o.q.Choice
	begun, strict := false, true
	for i := range o.q.Tools {
		t := &o.q.Tools[i]
		if t.Foreign.Format != "" || c.Choice == hub.OneTool && string(t.Name) != string(c.Name) {
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
		strict = strict && string(t.Strict) == "true"
	}
	if !begun {
		return false
	}
	o.Put("]")
	if strict {
		o.Raw("strict_tools", hub.Raw("true"))
	}
	switch c.Choice {
	case hub.None:
		o.Raw("tool_choice", hub.Raw(`"NONE"`))
	case hub.Required, hub.OneTool:
		o.Raw("tool_choice", hub.Raw(`"REQUIRED"`))
	}
	return true
}

// format asks for JSON. Cohere does not take that beside tools or documents.
func (o *build) format(beside bool, w *hub.Warnings) {
	out := &o.q.Output
	field := hub.JSONMode
	switch out.Form {
	case hub.Free:
		return
	case hub.JSONSchema:
		field = hub.Schema
	}
	if beside {
		w.Add(field, "Cohere takes it neither beside tools nor beside documents")
		return
	}
	o.Put(`,"response_format":{"type":"json_object"`)
	if out.Form == hub.JSONSchema {
		o.RawIf("json_schema", out.Schema)
	}
	o.Put("}")
}

// budgets of an effort, in tokens; of the others there is no limit.
var budgets = map[string]int64{"minimal": 1024, "low": 2048, "medium": 8192}

func (o *build) thinking() {
	r := &o.q.Reasoning
	budget := r.Budget
	switch {
	case r.Off || r.Effort == "none":
		o.Raw("thinking", hub.Raw(`{"type":"disabled"}`))
		return
	case r.Effort == "" && budget == 0 && !r.Adaptive:
		return
	case budget == 0:
		budget = budgets[r.Effort]
	}
	o.Put(`,"thinking":{"type":"enabled"`)
	if budget > 0 {
		o.Int("token_budget", budget)
	}
	o.Put("}")
}

// maxStop is how many stop sequences Cohere takes.
const maxStop = 5

// between are the values that have other names or bounds at Cohere
// (https://docs.cohere.com/reference/chat).
var between = [...]struct {
	field      hub.Field
	name       string
	least, top float64
}{
	{hub.TopP, "p", 0.01, 0.99},
	{hub.TopK, "k", 0, 500},
	{hub.FrequencyPenalty, "frequency_penalty", 0, 1},
	{hub.PresencePenalty, "presence_penalty", 0, 1},
}

func (o *build) sampling(w *hub.Warnings) {
	q := o.q
	if q.MaxTokens > 0 {
		o.Int("max_tokens", q.MaxTokens)
	}
	o.stop(w)
	o.RawIf("temperature", q.Values[hub.Temperature])
	o.RawIf("seed", q.Values[hub.Seed])
	o.RawIf("logprobs", q.Values[hub.Logprobs])
	for i := range between {
		b := &between[i]
		v := q.Values[b.field]
		switch n, err := strconv.ParseFloat(string(v), 64); {
		case err != nil: // there is none, or Cohere says what is wrong with it
			o.RawIf(b.name, v)
		case n < b.least && b.least == 0:
			w.Add(b.field, "Cohere takes none below 0")
		case n < b.least:
			o.bound(b.name, b.least)
		case n > b.top:
			o.bound(b.name, b.top)
		default:
			o.RawIf(b.name, v)
		}
	}
}

func (o *build) bound(name string, n float64) {
	o.Key(name)
	o.Dst = strconv.AppendFloat(o.Dst, n, 'g', -1, 64)
}

func (o *build) stop(w *hub.Warnings) {
	all := o.q.Stop
	if len(all) == 0 {
		return
	}
	if len(all) > maxStop {
		w.Add(hub.Stop, "but for the first five: Cohere takes no more")
		all = all[:maxStop]
	}
	rawjson.Texts(&o.Writer, "stop_sequences", all)
}
