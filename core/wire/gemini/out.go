package gemini

import (
	"bytes"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// outgoing appends a request as Gemini takes it. Model and method are in its URL.
func outgoing(dst []byte, q *hub.Request, w *hub.Warnings) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), q: q, same: q.From == Name}
	o.contents()
	o.system()
	o.tools()
	o.RawIf("safetySettings", q.Values[hub.SafetySettings])
	o.config(w)
	o.tier(w)
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && !strings.HasPrefix(f.Key, config) {
			o.Field(f.Key, f.Value)
		}
	}
	return append(o.Dst, '}'), nil
}

// build is a request, or an answer, being made.
type build struct {
	rawjson.Writer
	q    *hub.Request
	same bool // it came in this format: what it holds goes out as it came
}

// configured are the values of the config, by their names there.
var configured = [...]struct {
	name  string
	field hub.Field
}{
	{"temperature", hub.Temperature}, {"topP", hub.TopP}, {"topK", hub.TopK}, {"candidateCount", hub.N}, {"seed", hub.Seed},
	{"frequencyPenalty", hub.FrequencyPenalty}, {"presencePenalty", hub.PresencePenalty},
}

func (o *build) config(w *hub.Warnings) {
	q := o.q
	at := len(o.Dst)
	o.Key("generationConfig")
	o.Put("{")
	begun := len(o.Dst)
	for _, v := range configured {
		o.RawIf(v.name, q.Values[v.field])
	}
	if q.Has(hub.Logprobs) || q.Has(hub.TopLogprobs) {
		o.Raw("responseLogprobs", hub.Raw("true"))
		o.RawIf("logprobs", q.Values[hub.TopLogprobs])
	}
	if q.MaxTokens > 0 {
		o.Int("maxOutputTokens", q.MaxTokens)
	}
	rawjson.Texts(&o.Writer, "stopSequences", q.Stop)
	if q.Output.Form != hub.Free {
		o.Text("responseMimeType", hub.Text("application/json"))
	}
	if q.Output.Form == hub.JSONSchema {
		if q.Output.Whole != nil && o.same {
			o.Comma()
			o.Dst = append(o.Dst, q.Output.Whole...)
		} else {
			o.RawIf("responseJsonSchema", q.Output.Schema)
		}
	}
	o.thinking(w)
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && strings.HasPrefix(f.Key, config) {
			o.Field(f.Key[len(config):], f.Value)
		}
	}
	if len(o.Dst) == begun {
		o.Dst = o.Dst[:at]
		return
	}
	o.Put("}")
}

func (o *build) tier(w *hub.Warnings) {
	switch tier := o.q.Values[hub.ServiceTier]; string(tier) {
	case "", `"auto"`:
	case `"default"`:
		o.Text("serviceTier", hub.Text("standard"))
	case `"flex"`, `"priority"`:
		o.Raw("serviceTier", tier)
	default:
		w.Add(hub.ServiceTier, "Gemini has no tier of that name")
	}
}

func (o *build) tools() {
	q := o.q
	at := len(o.Dst)
	o.Key("tools")
	o.Put("[")
	begun := len(o.Dst)
	functions, strict := false, false
	for i := range q.Tools {
		t := &q.Tools[i]
		if t.Custom != nil || t.Foreign.Format != "" {
			continue
		}
		if !functions {
			o.Put(`{"functionDeclarations":[`)
			functions = true
		}
		strict = strict || string(t.Strict) == "true"
		o.function(t)
	}
	if functions {
		o.Put("]}")
	}
	for i := range q.Tools {
		if f := &q.Tools[i].Foreign; f.Format == Name {
			o.Comma()
			o.Dst = append(o.Dst, f.Value...)
		}
	}
	if q.Has(hub.WebSearch) {
		o.Comma()
		o.Put(`{"googleSearch":{}}`)
	}
	if len(o.Dst) == begun {
		o.Dst = o.Dst[:at]
	} else {
		o.Put("]")
	}
	o.choice(functions, strict)
}

func (o *build) function(t *hub.Tool) {
	o.Comma()
	if t.Whole != nil && o.same {
		o.Dst = append(o.Dst, t.Whole...)
		return
	}
	o.Put("{")
	o.Text("name", t.Name)
	o.TextIf("description", t.Description)
	o.RawIf("parametersJsonSchema", t.Schema)
	o.Put("}")
}

// choice writes the toolConfig, which is refused where there are no functions.
func (o *build) choice(functions, strict bool) {
	c := &o.q.Choice
	if o.same && c.Foreign.Format == Name {
		o.Raw("toolConfig", c.Foreign.Value)
		return
	}
	mode, names := "", []hub.Text(nil)
	switch c.Choice {
	case hub.Auto, hub.Unsaid:
		switch {
		case strict:
			mode = "VALIDATED"
		case c.Choice == hub.Auto:
			mode = "AUTO"
		}
	case hub.None:
		mode = "NONE"
	case hub.Required:
		mode = "ANY"
	case hub.OneTool:
		mode, names = "ANY", []hub.Text{c.Name}
	case hub.ForeignChoice:
		if mode, names = allowed(&c.Foreign); len(names) == 0 {
			return
		}
	}
	if mode == "" || !functions {
		return
	}
	o.Key("toolConfig")
	o.Put(`{"functionCallingConfig":{`)
	o.Text("mode", hub.Text(mode))
	rawjson.Texts(&o.Writer, "allowedFunctionNames", names)
	o.Put("}}")
}

// allowed reads OpenAI's choice of some of the tools.
func allowed(f *hub.Foreign) (mode string, names []hub.Text) {
	if f.Format != openai.Name {
		return "", nil
	}
	given := child(f.Value, "allowed_tools")
	mode = "VALIDATED" // AUTO takes no names
	if bytes.Equal(text(given, "mode"), []byte("required")) {
		mode = "ANY"
	}
	c := rawjson.Cursor{Doc: child(given, "tools")}
	if !c.Array() {
		return "", nil
	}
	for c.More() {
		if name := text(child(c.Skip().Of(c.Doc), "function"), "name"); len(name) > 0 {
			names = append(names, name)
		}
	}
	return mode, names
}
