package openai

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// request appends a chat request as OpenAI takes it.
func request(dst []byte, q *hub.Request, _ *hub.Warnings) ([]byte, error) {
	return appendRequest(dst, q, false), nil
}

// AppendHub appends a chat request with all extensions of the hub: what
// [ReadHub] reads.
func AppendHub(dst []byte, q *hub.Request) []byte { return appendRequest(dst, q, true) }

// extended are the values that OpenAI does not know.
func extended(f hub.Field) bool {
	return f == hub.TopK || f == hub.SafetySettings || f == hub.CacheControl
}

func appendRequest(dst []byte, q *hub.Request, extensions bool) []byte {
	o := build{Writer: rawjson.Object(dst), extensions: extensions}
	o.Plain("model", q.Model)
	if len(q.Messages) > 0 {
		o.Key("messages")
		o.Put("[")
		for i := range q.Messages {
			o.message(&q.Messages[i])
			if m := q.Messages[i:]; !extensions && m[0].Role == hub.ToolRole && (len(m) == 1 || m[1].Role != hub.ToolRole) {
				o.shown(q.Messages[:i+1])
			}
		}
		o.Put("]")
	}
	o.tools(q)
	if q.MaxTokens > 0 {
		o.Int("max_completion_tokens", q.MaxTokens)
	}
	rawjson.Texts(&o.Writer, "stop", q.Stop)
	o.output(&q.Output)
	if r := &q.Reasoning; extensions && (r.Budget > 0 || r.Adaptive || r.Hidden || r.Off) {
		o.reasoning(r)
	} else if e := Effort(r); e != "" {
		o.Text("reasoning_effort", hub.Text(e))
	}
	for f, v := range q.Values {
		if v != nil && (extensions || !extended(hub.Field(f))) {
			if !extensions && (hub.Field(f) == hub.UserField || hub.Field(f) == hub.SafetyIdentifier) {
				v = shortUser(v)
			}
			o.Raw(hub.Field(f).String(), v)
		}
	}
	if q.Stream {
		o.Raw("stream", hub.Raw("true"))
		if q.Usage {
			o.Raw("stream_options", hub.Raw(`{"include_usage":true}`))
		}
	}
	o.foreign(q)
	return append(o.Dst, '}')
}

// longestUser is the longest name of a user that OpenAI takes, in bytes. Claude
// Code's are longer.
const longestUser = 64

// shortUser makes a hash of a name that is too long: the same each time.
func shortUser(v hub.Raw) hub.Raw {
	if len(v)-len(`""`) <= longestUser || v[0] != '"' {
		return v
	}
	sum := sha256.Sum256(v)
	return hub.Raw(`"` + hex.EncodeToString(sum[:]) + `"`)
}

// Effort is about as much thought as a budget is, in OpenAI's words; empty: unsaid.
func Effort(r *hub.Reasoning) string {
	switch {
	case r.Effort == "max":
		return "xhigh"
	case r.Effort != "":
		return r.Effort
	case r.Off:
		return "" // not all models can be told not to think
	case r.Adaptive:
		return ""
	case r.Budget <= 0:
		return ""
	case r.Budget <= 2048:
		return "low"
	case r.Budget <= 8192:
		return "medium"
	}
	return "high"
}

// build is a request, or an answer, being made.
type build struct {
	rawjson.Writer
	extensions bool // what OpenAI does not know is written too
}

// extra is RawIf, of what OpenAI does not know.
func (o *build) extra(name string, v hub.Raw) {
	if o.extensions {
		o.RawIf(name, v)
	}
}

func (o *build) tools(q *hub.Request) {
	begun := false
	for i := range q.Tools {
		t := &q.Tools[i]
		if f := t.Foreign.Format; f != "" && f != Name && !o.extensions {
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
		case t.Foreign.Format != "":
			o.stranger(&t.Foreign)
		case t.Custom != nil:
			o.Dst = append(o.Dst, t.Custom...)
		default:
			o.Put(`{"type":"function","function":{`)
			o.Text("name", t.Name)
			o.TextIf("description", t.Description)
			o.RawIf("parameters", t.Schema)
			o.RawIf("strict", t.Strict)
			o.Put("}")
			o.extra("cache_control", t.Cache)
			o.Put("}")
		}
	}
	if begun {
		o.Put("]")
	}
	switch q.Choice.Choice {
	case hub.Auto:
		o.Text("tool_choice", hub.Text("auto"))
	case hub.None:
		o.Text("tool_choice", hub.Text("none"))
	case hub.Required:
		o.Text("tool_choice", hub.Text("required"))
	case hub.OneTool:
		o.Key("tool_choice")
		kind := "function"
		for i := range q.Tools {
			if q.Tools[i].Custom != nil && string(q.Tools[i].Name) == string(q.Choice.Name) {
				kind = "custom"
			}
		}
		o.Dst = append(append(append(append(o.Dst, `{"type":"`...), kind...), `","`...), kind...)
		o.Put(`":{`)
		o.Text("name", q.Choice.Name)
		o.Put("}}")
	case hub.ForeignChoice:
		if q.Choice.Foreign.Format == Name {
			o.Raw("tool_choice", q.Choice.Foreign.Value)
		}
	}
	if begun && q.Choice.Single {
		o.Raw("parallel_tool_calls", hub.Raw("false"))
	} else if begun && q.Choice.Parallel {
		o.Raw("parallel_tool_calls", hub.Raw("true"))
	}
}

// stranger wraps what another format knows.
func (o *build) stranger(f *hub.Foreign) {
	o.Put("{")
	o.Plain("type", foreign+f.Format)
	o.Raw("value", f.Value)
	o.Put("}")
}

func (o *build) output(f *hub.Output) {
	switch f.Form {
	case hub.JSONObject:
		o.Raw("response_format", hub.Raw(`{"type":"json_object"}`))
	case hub.JSONSchema:
		o.Key("response_format")
		o.Put(`{"type":"json_schema","json_schema":{`)
		name := f.Name
		if len(name) == 0 {
			name = hub.Text("answer") // OpenAI wants one
		}
		o.Text("name", name)
		o.TextIf("description", f.Description)
		o.RawIf("schema", f.Schema)
		o.RawIf("strict", f.Strict)
		o.Put("}}")
	}
}

func (o *build) reasoning(r *hub.Reasoning) {
	o.Key("reasoning")
	o.Put("{")
	o.TextIf("effort", hub.Text(r.Effort))
	if r.Budget > 0 {
		o.Int("max_tokens", r.Budget)
	}
	if r.Off {
		o.Raw("enabled", hub.Raw("false"))
	}
	if r.Hidden {
		o.Raw("exclude", hub.Raw("true"))
	}
	if r.Adaptive {
		o.Text("type", hub.Text("adaptive"))
	}
	o.Put("}")
}

// foreign writes the top-level fields of this format, and with the extensions
// those of others.
func (o *build) foreign(q *hub.Request) {
	for i := range q.Foreign {
		if q.Foreign[i].Format == Name {
			o.Field(q.Foreign[i].Key, q.Foreign[i].Value)
		}
	}
	if !o.extensions {
		return
	}
	of := ""
	for i := range q.Foreign {
		f := &q.Foreign[i]
		if f.Format == Name {
			continue
		}
		if f.Format != of { // they come in one format
			if of != "" {
				o.Put("}")
			}
			of = f.Format
			o.Key(foreign + of)
			o.Put("{")
		}
		o.Field(f.Key, f.Value)
	}
	if of != "" {
		o.Put("}")
	}
}
