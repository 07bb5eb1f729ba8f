package gemini

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// unsigned is what a call gets for a signature that Gemini itself has not made:
// from Gemini 3 on it refuses calls without any
// (https://ai.google.dev/gemini-api/docs/thought-signatures).
const unsigned = "skip_thought_signature_validator"

// oneCall emulates parallel_tool_calls: false.
const oneCall = "Call no more than one tool at a time."

// system writes the system instruction: what system and developer say, wherever
// they say it.
func (o *build) system() {
	begun := false
	for i := range o.q.Messages {
		m := &o.q.Messages[i]
		if m.Role != hub.System && m.Role != hub.Developer {
			continue
		}
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind != hub.TextPart || len(p.Text) == 0 {
				continue
			}
			begun = o.instruct(p, begun)
		}
	}
	if o.q.Choice.Single && len(o.q.Tools) > 0 {
		begun = o.instruct(&hub.Part{Text: hub.Text(oneCall)}, begun)
	}
	if begun {
		o.Put("]}")
	}
}

// instruct writes a part of the system instruction, which begins with the first.
func (o *build) instruct(p *hub.Part, begun bool) bool {
	if !begun {
		o.Key("systemInstruction")
		o.Put(`{"parts":[`)
	}
	o.part(p)
	return true
}

// contents writes the turns. Messages of one side in a row become one.
func (o *build) contents() {
	o.Key("contents")
	o.Put("[")
	role := hub.System // of the turn that is open; System: none is
	at, begun := 0, 0
	end := func() {
		switch {
		case role == hub.System:
		case len(o.Dst) == begun: // an empty turn is refused
			o.Dst = o.Dst[:at]
		default:
			o.Put("]}")
		}
	}
	for i := range o.q.Messages {
		m := &o.q.Messages[i]
		side := m.Role
		switch m.Role {
		case hub.System, hub.Developer:
			continue
		case hub.ToolRole:
			side = hub.User
		}
		if side != role {
			end()
			role, at = side, len(o.Dst)
			name := "user"
			if role == hub.Assistant {
				name = "model"
			}
			o.Comma()
			o.Dst = append(append(append(o.Dst, `{"role":"`...), name...), `","parts":[`...)
			begun = len(o.Dst)
		}
		switch m.Role {
		case hub.ToolRole:
			o.result(i)
		case hub.Assistant:
			o.said(m.Parts)
		default:
			for j := range m.Parts {
				o.part(&m.Parts[j])
			}
		}
	}
	end()
	o.Put("]")
}

// said writes what the model has said. A signature that stands alone before a
// call is the call's.
func (o *build) said(parts []hub.Part) {
	first := true // of the calls
	for i := range parts {
		p := &parts[i]
		if p.Kind == hub.ThoughtPart && len(p.Text) == 0 && i+1 < len(parts) && parts[i+1].Kind == hub.CallPart &&
			len(parts[i+1].Call.Signature) == 0 && !(o.same && p.Whole != nil) {
			continue
		}
		if p.Kind != hub.CallPart || o.same && p.Whole != nil {
			o.part(p)
			continue
		}
		signature := hub.SignedBy(Name, p.Call.Signature)
		if signature == nil && i > 0 && parts[i-1].Kind == hub.ThoughtPart && len(parts[i-1].Text) == 0 {
			signature = hub.SignedBy(Name, parts[i-1].Signature)
		}
		if signature == nil && first && thinkerOf(o.q.Model) == byLevel {
			signature = hub.Text(unsigned)
		}
		first = false
		o.Comma()
		o.Put("{")
		o.call(&p.Call)
		o.TextIf("thoughtSignature", signature)
		o.Put("}")
	}
}

func (o *build) call(c *hub.Call) {
	o.Key("functionCall")
	o.Put("{")
	o.TextIf("id", c.ID)
	o.Text("name", c.Name)
	o.Key("args")
	o.Dst = append(c.AppendInput(o.Dst), '}')
}

// result writes the result of a call, and behind it what the tool has shown.
func (o *build) result(i int) {
	m := &o.q.Messages[i]
	if m.Whole != nil && o.same {
		o.Comma()
		o.Dst = append(o.Dst, m.Whole...)
		return
	}
	o.Comma()
	o.Put(`{"functionResponse":{`)
	o.TextIf("id", m.CallID)
	o.Text("name", o.called(i))
	o.Key("response")
	key := "output"
	if m.Failed {
		key = "error"
	}
	o.Put("{")
	o.Key(key)
	o.output(m.Parts)
	o.Put("}}}")
	for j := range m.Parts {
		if p := &m.Parts[j]; p.Kind != hub.TextPart && p.Kind != hub.RefusalPart {
			o.part(p)
		}
	}
}

// output writes the texts of a result as one.
func (o *build) output(parts []hub.Part) {
	o.Put(`"`)
	begun := false
	for i := range parts {
		if p := &parts[i]; p.Kind == hub.TextPart && len(p.Text) > 0 {
			if begun {
				o.Put(`\n`)
			}
			o.Dst = append(o.Dst, p.Text...)
			begun = true
		}
	}
	o.Put(`"`)
}

// called is the name of the function whose result a message is.
func (o *build) called(i int) hub.Text {
	if name, ok := o.q.Called(i); ok {
		return name
	}
	if id := o.q.Messages[i].CallID; len(id) > 0 {
		return id
	}
	return hub.Text("function")
}

// part writes a part, unless there is nothing in it that Gemini takes.
func (o *build) part(p *hub.Part) {
	if p.Whole != nil && o.same {
		if len(p.Whole) > 0 {
			o.Comma()
			o.Dst = append(o.Dst, p.Whole...)
		}
		return
	}
	switch p.Kind {
	case hub.TextPart, hub.RefusalPart:
		if len(p.Text) == 0 {
			return
		}
	case hub.ThoughtPart:
		if hub.SignedBy(Name, p.Signature) == nil {
			return // of another provider
		}
	case hub.ForeignPart:
		if p.Foreign.Format != Name {
			return
		}
	case hub.RedactedPart:
		return
	}
	o.Comma()
	switch o.Put("{"); p.Kind {
	case hub.TextPart, hub.RefusalPart:
		o.Text("text", p.Text)
	case hub.ThoughtPart:
		o.Text("text", p.Text)
		if len(p.Text) > 0 {
			o.Raw("thought", hub.Raw("true"))
		}
		o.Text("thoughtSignature", hub.SignedBy(Name, p.Signature))
	case hub.ImagePart:
		o.place(p, p.Media)
	case hub.AudioPart:
		o.place(p, append(hub.Text("audio/"), p.Media...))
	case hub.FilePart:
		if len(p.Text) > 0 {
			o.file(p)
		} else {
			o.place(p, p.Media)
		}
	case hub.CallPart:
		o.call(&p.Call)
	case hub.ForeignPart:
		o.Dst = append(o.Dst[:len(o.Dst)-1], p.Foreign.Value...)
		return
	}
	o.Put("}")
}

// place writes bytes, or where they are.
func (o *build) place(p *hub.Part, media hub.Text) {
	if len(p.Data) > 0 {
		o.Key("inlineData")
		o.Put("{")
		o.Text("mimeType", media)
		o.Text("data", p.Data)
	} else {
		o.Key("fileData")
		o.Put("{")
		o.TextIf("mimeType", media)
		o.Text("fileUri", p.URL)
	}
	o.Put("}")
}

// file writes a file that is text, behind its title.
func (o *build) file(p *hub.Part) {
	title := p.Caption()
	o.Key("text")
	o.Put(`"`)
	if len(title) > 0 {
		o.Dst = append(append(o.Dst, title...), `\n\n`...)
	}
	o.Dst = append(append(o.Dst, p.Text...), '"')
}
