package anthropic

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// JSONOnly emulates response_format: json_object.
const JSONOnly = "Answer with one JSON object and nothing else: no code fence, no word before or after it."

// system writes the system prompt: what system and developer say, wherever they
// say it; but of a request that came in this format only what came first, since
// its client knows where a system message may stand.
func (o *build) system() {
	q := o.q
	n := 0
	var only *hub.Part
	for i := range q.Messages {
		if m := &q.Messages[i]; o.isSystem(i) {
			for j := range m.Parts {
				if m.Parts[j].Kind == hub.TextPart && len(m.Parts[j].Text) > 0 {
					n++
					only = &m.Parts[j]
				}
			}
		}
	}
	mode := q.Output.Form == hub.JSONObject
	switch {
	case n == 0 && !mode:
		return
	case n == 1 && !mode && only.Cache == nil && (!o.same || only.Whole == nil):
		o.Text("system", only.Text)
		return
	}
	o.Put(`,"system":[`)
	for i := range q.Messages {
		if m := &q.Messages[i]; o.isSystem(i) {
			for j := range m.Parts {
				if p := &m.Parts[j]; p.Kind == hub.TextPart && len(p.Text) > 0 {
					o.Comma()
					o.block(p)
				}
			}
		}
	}
	if mode {
		o.Comma()
		o.block(&hub.Part{Text: hub.Text(JSONOnly)})
	}
	o.Put("]")
}

func (o *build) isSystem(i int) bool {
	m := &o.q.Messages[i]
	return (m.Role == hub.System || m.Role == hub.Developer) && (!o.same || i == 0)
}

// turns writes the messages. Messages of one role in a row become one turn, with
// the results of tools at its head, as Anthropic wants it.
func (o *build) turns() {
	m := o.q.Messages
	o.Put(`,"messages":[`)
	for i := 0; i < len(m); {
		if o.isSystem(i) {
			i++
			continue
		}
		if m[i].Role == hub.System { // of this format
			o.Comma()
			o.Put(`{"role":"system","content":[`)
			o.parts(m[i].Parts)
			o.Put("]}")
			i++
			continue
		}
		end := i + 1
		for end < len(m) && (o.isSystem(end) || sameTurn(m[i].Role, m[end].Role)) {
			end++
		}
		start := len(o.Dst)
		o.Comma()
		role := "user"
		if m[i].Role == hub.Assistant {
			role = "assistant"
		}
		o.Dst = append(append(append(o.Dst, `{"role":"`...), role...), `","content":`...)
		if o.turn(i, end, end == len(m)) {
			o.Put("}")
		} else {
			o.Dst = o.Dst[:start] // an empty turn is refused; one of nothing says nothing
		}
		i = end
	}
	o.Put("]")
}

func sameTurn(a, b hub.Role) bool {
	return (a == hub.Assistant) == (b == hub.Assistant) && b != hub.System && b != hub.Developer
}

// turn writes the content of a turn; false: there is none.
func (o *build) turn(from, to int, last bool) bool {
	m := o.q.Messages[from:to]
	if len(m) == 1 && len(m[0].Parts) == 1 && m[0].Role != hub.ToolRole {
		if p := &m[0].Parts[0]; (p.Kind == hub.TextPart || p.Kind == hub.RefusalPart) && p.Cache == nil && (!o.same || p.Whole == nil) {
			t := p.Text
			if last && m[0].Role == hub.Assistant {
				t = trimmed(t)
			}
			o.Quote(t)
			return len(t) > 0
		}
	}
	o.Put("[")
	empty := len(o.Dst)
	for i := range m {
		if m[i].Role == hub.ToolRole {
			o.Comma()
			o.result(&m[i])
		}
	}
	for i := range m {
		if r := m[i].Role; r == hub.User || r == hub.Assistant {
			o.parts(m[i].Parts)
		}
	}
	said := len(o.Dst) > empty
	o.Put("]")
	return said
}

// parts writes blocks.
func (o *build) parts(parts []hub.Part) {
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case hub.TextPart, hub.RefusalPart:
			if len(p.Text) == 0 {
				continue // "text content blocks must be non-empty"
			}
		case hub.ThoughtPart:
			if len(p.Signature) == 0 || hub.Marked(p.Signature) {
				continue // of another provider; Anthropic refuses it
			}
		case hub.ForeignPart:
			if p.Foreign.Format != Name {
				continue
			}
		}
		o.Comma()
		o.block(p)
	}
}

// trimmed is a begun answer without the white space at its end, which Anthropic
// refuses there.
func trimmed(t hub.Text) hub.Text {
	for {
		n := len(t)
		t = bytes.TrimRight(t, " ")
		for _, escape := range [...]string{`\n`, `\t`, `\r`} {
			t = bytes.TrimSuffix(t, []byte(escape))
		}
		if len(t) == n {
			return t
		}
	}
}

func (o *build) block(p *hub.Part) {
	if p.Whole != nil && o.same {
		o.Dst = append(o.Dst, p.Whole...)
		return
	}
	switch p.Kind {
	case hub.TextPart, hub.RefusalPart:
		o.Put(`{"type":"text"`)
		o.Text("text", p.Text)
	case hub.ImagePart:
		o.Put(`{"type":"image"`)
		o.source(p)
	case hub.FilePart:
		o.Put(`{"type":"document"`)
		o.source(p)
		o.TextIf("title", p.Caption())
		o.TextIf("context", p.Context)
		o.RawIf("citations", p.Citations)
	case hub.ThoughtPart:
		o.Put(`{"type":"thinking"`)
		o.Text("thinking", p.Text)
		o.TextIf("signature", p.Signature)
	case hub.RedactedPart:
		o.Put(`{"type":"redacted_thinking"`)
		o.TextIf("data", p.Data)
	case hub.CallPart:
		o.Put(`{"type":"tool_use"`)
		o.Text("id", callID(p.Call.ID))
		o.TextIf("name", p.Call.Name)
		o.Dst = p.Call.AppendInput(append(o.Dst, `,"input":`...))
	case hub.ForeignPart:
		o.Dst = append(o.Dst, p.Foreign.Value...)
		return
	}
	o.RawIf("cache_control", p.Cache)
	o.Put("}")
}

func (o *build) source(p *hub.Part) {
	switch {
	case len(p.Data) > 0:
		o.Put(`,"source":{"type":"base64"`)
		o.TextIf("media_type", p.Media)
		o.TextIf("data", p.Data)
	case len(p.URL) > 0:
		o.Put(`,"source":{"type":"url"`)
		o.TextIf("url", p.URL)
	default:
		o.Put(`,"source":{"type":"text","media_type":"text/plain"`)
		o.TextIf("data", p.Text)
	}
	o.Put("}")
}

// result writes the result of a tool.
func (o *build) result(m *hub.Message) {
	if m.Whole != nil && o.same {
		o.Dst = append(o.Dst, m.Whole...)
		return
	}
	o.Put(`{"type":"tool_result"`)
	o.Text("tool_use_id", callID(m.CallID))
	if len(m.Parts) == 1 && m.Parts[0].Kind == hub.TextPart {
		o.TextIf("content", m.Parts[0].Text)
	} else if len(m.Parts) > 0 {
		o.Put(`,"content":[`)
		o.parts(m.Parts)
		o.Put("]")
	}
	if m.Failed {
		o.Put(`,"is_error":true`)
	}
	o.RawIf("cache_control", m.Cache)
	o.Put("}")
}

// callID is an id as Anthropic takes it, of letters, digits, _ and -. The ids of
// others become the same each time, so that call and result still meet.
func callID(id hub.Text) hub.Text {
	ok := func(b byte) bool {
		return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-'
	}
	for i := range id {
		if !ok(id[i]) {
			id = bytes.Clone(id)
			for ; i < len(id); i++ {
				if !ok(id[i]) {
					id[i] = '_'
				}
			}
			break
		}
	}
	return id
}
