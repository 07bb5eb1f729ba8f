package responses

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// build is a request being made.
type build struct{ rawjson.Writer }

// outgoing appends a request as a provider of responses takes it. Nothing of it
// is to be stored: its client asks for the whole again.
func outgoing(dst []byte, q *hub.Request, _ *hub.Warnings) ([]byte, error) {
	o := build{rawjson.Object(dst)}
	o.Plain("model", q.Model)
	o.Key("input")
	o.Put("[")
	for i := range q.Messages {
		o.message(&q.Messages[i])
	}
	o.Put("]")
	o.tools(q)
	if q.MaxTokens > 0 {
		o.Int("max_output_tokens", q.MaxTokens)
	}
	o.format(q)
	if e := openai.Effort(&q.Reasoning); e != "" {
		o.Key("reasoning")
		o.Put("{")
		o.Text("effort", hub.Text(e))
		o.Text("summary", hub.Text("auto"))
		o.Put("}")
	}
	for _, f := range sent {
		o.RawIf(f.String(), q.Values[f])
	}
	o.Raw("store", hub.Raw("false"))
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name {
			o.Field(f.Key, f.Value)
		}
	}
	if q.Stream {
		o.Raw("stream", hub.Raw("true"))
	}
	return append(o.Dst, '}'), nil
}

// sent are the values that responses have by the same name.
var sent = [...]hub.Field{
	hub.Temperature, hub.TopP, hub.UserField, hub.Metadata, hub.ServiceTier, hub.PromptCacheKey,
	hub.PromptCacheRetention, hub.SafetyIdentifier,
}

func (o *build) message(m *hub.Message) {
	if m.Role == hub.ToolRole {
		o.Comma()
		o.Put(`{"type":"function_call_output"`)
		o.Text("call_id", m.CallID)
		if len(m.Parts) == 1 && m.Parts[0].Kind == hub.TextPart {
			o.Text("output", m.Parts[0].Text)
		} else {
			o.Key("output")
			o.content(m)
		}
		o.Put("}")
		return
	}
	if hasContent(m) {
		o.Comma()
		o.Dst = append(append(append(o.Dst, `{"type":"message","role":"`...), m.Role.String()...), '"')
		o.Key("content")
		o.content(m)
		o.Put("}")
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == hub.CallPart {
			o.call(p)
		}
	}
}

func (o *build) call(p *hub.Part) {
	o.Comma()
	kind, input := "function_call", "arguments"
	if p.Call.Custom {
		kind, input = "custom_tool_call", "input"
	}
	o.Dst = append(append(append(o.Dst, `{"type":"`...), kind...), '"')
	o.Text("call_id", p.Call.ID)
	o.Text("name", p.Call.Name)
	o.Plain(input, string(p.Call.Input))
	o.Put("}")
}

func hasContent(m *hub.Message) bool {
	for i := range m.Parts {
		switch m.Parts[i].Kind {
		case hub.CallPart, hub.ThoughtPart, hub.RedactedPart, hub.ForeignPart:
		default:
			return true
		}
	}
	return false
}

func (o *build) content(m *hub.Message) {
	o.Put("[")
	for i := range m.Parts {
		p := &m.Parts[i]
		switch p.Kind {
		case hub.TextPart:
			kind := "input_text"
			if m.Role == hub.Assistant {
				kind = "output_text"
			}
			o.part(kind)
			o.Text("text", p.Text)
		case hub.RefusalPart:
			o.part("refusal")
			o.Text("refusal", p.Text)
		case hub.ImagePart:
			o.part("input_image")
			o.place("image_url", "image_url", p)
			o.TextIf("detail", p.Detail)
		case hub.FilePart:
			if len(p.Text) > 0 {
				o.part("input_text")
				o.Text("text", p.Text)
				break
			}
			o.part("input_file")
			name := p.Filename
			if len(name) == 0 && len(p.Data) > 0 {
				name = hub.Text("file.pdf")
			}
			o.TextIf("filename", name)
			o.TextIf("file_id", p.FileID)
			o.place("file_data", "file_url", p)
		default:
			continue
		}
		o.Put("}")
	}
	o.Put("]")
}

func (o *build) part(kind string) {
	o.Comma()
	o.Dst = append(append(append(o.Dst, `{"type":"`...), kind...), '"')
}

// place writes where a picture or file is: here, or elsewhere.
func (o *build) place(data, url string, p *hub.Part) {
	switch {
	case len(p.Data) > 0:
		o.Key(data)
		o.Dst = p.AppendDataURL(o.Dst)
	case len(p.URL) > 0:
		o.Text(url, p.URL)
	}
}

func (o *build) tools(q *hub.Request) {
	begun := false
	for i := range q.Tools {
		t := &q.Tools[i]
		if f := t.Foreign.Format; f != "" && f != Name {
			continue
		}
		if !begun {
			o.Key("tools")
			o.Put("[")
			begun = true
		}
		o.Comma()
		switch {
		case t.Foreign.Format == Name:
			o.Dst = append(o.Dst, t.Foreign.Value...)
		case t.Custom != nil:
			inner, err := rawjson.Splice(nil, rawjson.Child(t.Custom, "custom"), []rawjson.Edit{{Op: rawjson.Set, Key: "type", Value: []byte(`"custom"`)}})
			if err != nil {
				inner = t.Custom
			}
			o.Dst = append(o.Dst, inner...)
		default:
			o.Put(`{"type":"function"`)
			o.Text("name", t.Name)
			o.TextIf("description", t.Description)
			o.Raw("parameters", t.Parameters())
			strict := t.Strict // which responses take for true where chat does not
			if len(strict) == 0 {
				strict = hub.Raw("false")
			}
			o.RawIf("strict", strict)
			o.Put("}")
		}
	}
	if !begun {
		return
	}
	o.Put("]")
	switch q.Choice.Choice {
	case hub.Auto:
		o.Raw("tool_choice", hub.Raw(`"auto"`))
	case hub.None:
		o.Raw("tool_choice", hub.Raw(`"none"`))
	case hub.Required:
		o.Raw("tool_choice", hub.Raw(`"required"`))
	case hub.OneTool:
		o.Key("tool_choice")
		o.Put(`{"type":"function"`)
		o.Text("name", q.Choice.Name)
		o.Put("}")
	}
	if q.Choice.Single {
		o.Raw("parallel_tool_calls", hub.Raw("false"))
	}
}

func (o *build) format(q *hub.Request) {
	verbosity := q.Values[hub.Verbosity]
	if q.Output.Form == hub.Free && verbosity == nil {
		return
	}
	o.Key("text")
	o.Put("{")
	switch f := &q.Output; f.Form {
	case hub.JSONObject:
		o.Raw("format", hub.Raw(`{"type":"json_object"}`))
	case hub.JSONSchema:
		o.Key("format")
		o.Put(`{"type":"json_schema"`)
		name := f.Name
		if len(name) == 0 {
			name = hub.Text("answer")
		}
		o.Text("name", name)
		o.TextIf("description", f.Description)
		o.RawIf("schema", f.Schema)
		strict := f.Strict
		if len(strict) == 0 {
			strict = hub.Raw("false")
		}
		o.RawIf("strict", strict)
		o.Put("}")
	}
	o.RawIf("verbosity", verbosity)
	o.Put("}")
}
