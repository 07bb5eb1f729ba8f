package bedrock

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// outgoing appends a request as Converse takes it.
func outgoing(dst []byte, q *hub.Request, w *hub.Warnings) ([]byte, error) {
	o := build{Writer: rawjson.Object(dst), q: q, model: strings.ToLower(q.Model)}
	if err := o.turns(); err != nil {
		return dst, err
	}
	o.tools()
	o.system()
	thinks := o.thinking(w)
	o.sampling(thinks, w)
	o.schema()
	o.tier(w)
	for _, part := range [...]struct {
		name   string
		fields []byte
	}{{"inferenceConfig", o.inference.Dst}, {"outputConfig", o.output.Dst}, {"additionalModelRequestFields", o.additional.Dst}} {
		if len(part.fields) > 0 {
			o.Key(part.name)
			o.Put("{")
			o.Dst = append(append(o.Dst, part.fields...), '}')
		}
	}
	return append(o.Dst, '}'), nil
}

// build is a request being made.
type build struct {
	rawjson.Writer
	q     *hub.Request
	model string // in small letters
	files map[string]int
	// Fields of objects that come last.
	inference, output, additional rawjson.Writer
	// asks are lines for the system prompt, in place of what Converse has no
	// field for.
	asks []string
}

// sampling decides on inferenceConfig. Claude takes little beside its thoughts
// (https://platform.claude.com/docs/en/build-with-claude/extended-thinking).
func (o *build) sampling(thinks bool, w *hub.Warnings) {
	q := o.q
	if q.MaxTokens > 0 {
		o.inference.Int("maxTokens", q.MaxTokens)
	}
	for _, f := range [...]hub.Field{hub.Temperature, hub.TopP, hub.TopK} {
		v := q.Values[f]
		switch {
		case !q.Has(f):
		case thinks:
			w.Add(f, "the model thinks, and then takes none")
		case f == hub.Temperature:
			if o.is(claude) {
				v = anthropic.Temperature(v)
			}
			o.inference.Raw("temperature", v)
		case f == hub.TopP && o.is(claude) && q.Has(hub.Temperature):
			w.Add(f, "there is a temperature, and Claude takes only one of them")
		case f == hub.TopP:
			o.inference.Raw("topP", v)
		case o.is(nova):
			// https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
			o.additional.Raw("inferenceConfig", append(append([]byte(`{"topK":`), v...), '}'))
		default:
			o.additional.Raw("top_k", v)
		}
	}
	if len(q.Stop) == 0 {
		return
	}
	rawjson.Texts(&o.inference, "stopSequences", q.Stop)
	if o.is(claude) {
		// Which of them it was is in Claude's own answer alone.
		o.Put(`,"additionalModelResponseFieldPaths":["/stop_sequence"]`)
	}
}

// schema asks for an answer by a JSON schema, which is sent as a text.
func (o *build) schema() {
	out := &o.q.Output
	if out.Form != hub.JSONSchema {
		return
	}
	schema := out.Schema
	if schema == nil {
		schema = hub.Raw(`{"type":"object"}`)
	}
	o.output.Key("textFormat")
	o.output.Put(`{"type":"json_schema","structure":{"jsonSchema":{`)
	o.output.Plain("schema", string(schema))
	o.output.TextIf("name", out.Name)
	o.output.TextIf("description", out.Description)
	o.output.Put("}}}")
}

// tier asks for a service tier.
func (o *build) tier(w *hub.Warnings) {
	switch tier := o.q.Values[hub.ServiceTier]; string(tier) {
	case "", "null", `"auto"`:
	case `"default"`, `"flex"`, `"priority"`, `"reserved"`:
		o.Dst = append(append(append(o.Dst, `,"serviceTier":{"type":`...), tier...), '}')
	default:
		w.Add(hub.ServiceTier, "Bedrock has no tier of that name")
	}
}
