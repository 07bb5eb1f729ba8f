package openai

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// message writes one message. What the assistant thought is an extension, which
// OpenAI does not take back.
func (o *build) message(m *hub.Message) {
	o.Comma()
	o.Dst = append(append(append(o.Dst, `{"role":"`...), m.Role.String()...), '"')
	o.TextIf("name", m.Name)
	o.TextIf("tool_call_id", m.CallID)
	o.content(m)
	calls := false
	for i := range m.Parts {
		p := &m.Parts[i]
		switch p.Kind {
		case hub.CallPart:
			if !calls {
				o.Key("tool_calls")
				o.Put("[")
				calls = true
			}
			o.call(p)
		case hub.RefusalPart:
			if len(m.Parts) == 1 {
				o.Text("refusal", p.Text)
			}
		}
	}
	if calls {
		o.Put("]")
	}
	if o.extensions {
		o.thoughts(m)
		if m.Failed {
			o.Raw("is_error", hub.Raw("true"))
		}
		o.RawIf("cache_control", m.Cache)
	}
	o.Put("}")
}

// content writes the parts that are content: as a string where they are one
// plain text, as many servers take nothing else.
func (o *build) content(m *hub.Message) {
	n, text := 0, true
	var only *hub.Part
	for i := range m.Parts {
		p := &m.Parts[i]
		if !o.isContent(m, p) {
			continue
		}
		n++
		only = p
		text = text && p.Kind == hub.TextPart && (!o.extensions || p.Cache == nil && p.Citations == nil)
	}
	switch {
	case n == 0 && m.Role == hub.Assistant:
		o.Raw("content", hub.Raw("null"))
	case n == 0:
		o.Text("content", nil)
	case text && n == 1:
		o.Text("content", only.Text)
	case text && !o.extensions && m.Role != hub.User:
		// Some servers take an array from users only.
		o.Key("content")
		o.Put(`"`)
		for i, first := 0, true; i < len(m.Parts); i++ {
			if p := &m.Parts[i]; o.isContent(m, p) {
				if !first {
					o.Put(`\n`)
				}
				first = false
				o.Dst = append(o.Dst, p.Text...)
			}
		}
		o.Put(`"`)
	default:
		o.Key("content")
		o.Put("[")
		for i := range m.Parts {
			if p := &m.Parts[i]; o.isContent(m, p) {
				o.part(p)
			}
		}
		o.Put("]")
	}
}

// shown writes what the last tools have shown in images and files, which their
// results can't hold, as a message of the user's.
func (o *build) shown(m []hub.Message) {
	results := hub.LastResults(m)
	begun := false
	for i := range results {
		for j := range results[i].Parts {
			p := &results[i].Parts[j]
			if p.Kind != hub.ImagePart && p.Kind != hub.FilePart {
				continue
			}
			if !begun {
				o.Put(`,{"role":"user","content":[`)
				begun = true
			}
			o.part(p)
		}
	}
	if begun {
		o.Put("]}")
	}
}

func (o *build) isContent(m *hub.Message, p *hub.Part) bool {
	switch p.Kind {
	case hub.ImagePart, hub.FilePart:
		return o.extensions || m.Role != hub.ToolRole
	case hub.CallPart, hub.ThoughtPart, hub.RedactedPart:
		return false
	case hub.RefusalPart:
		return len(m.Parts) > 1
	case hub.ForeignPart:
		return o.extensions || p.Foreign.Format == Name
	}
	return true
}

func (o *build) part(p *hub.Part) {
	o.Comma()
	switch p.Kind {
	case hub.TextPart:
		o.Put(`{"type":"text"`)
		o.Text("text", p.Text)
		o.extra("citations", p.Citations)
	case hub.RefusalPart:
		o.Put(`{"type":"refusal"`)
		o.Text("refusal", p.Text)
	case hub.ImagePart:
		o.Put(`{"type":"image_url","image_url":{`)
		if o.extensions {
			o.TextIf("file_id", p.FileID)
		}
		o.place("url", p)
		o.TextIf("detail", p.Detail)
		o.Put("}")
	case hub.AudioPart:
		o.Put(`{"type":"input_audio","input_audio":{`)
		o.Text("data", p.Data)
		o.Text("format", p.Media)
		o.Put("}")
	case hub.FilePart:
		o.file(p)
	case hub.ForeignPart:
		if p.Foreign.Format == Name {
			o.Dst = append(o.Dst, p.Foreign.Value...)
		} else {
			o.stranger(&p.Foreign)
		}
		return
	}
	o.extra("cache_control", p.Cache)
	o.Put("}")
}

// place writes where a picture or file is.
func (o *build) place(name string, p *hub.Part) {
	switch {
	case len(p.Data) > 0:
		o.Key(name)
		o.Dst = p.AppendDataURL(o.Dst)
	case len(p.URL) > 0:
		o.Text(name, p.URL)
	}
}

// defaultFilename is given to files without a name: OpenAI wants one.
const defaultFilename = "file.pdf"

// file writes a file; one that is text becomes text where there are no
// extensions, since OpenAI takes PDFs only.
func (o *build) file(p *hub.Part) {
	if len(p.Text) > 0 && !o.extensions {
		o.Put(`{"type":"text","text":"`)
		if len(p.Title) > 0 {
			o.Dst = append(append(o.Dst, p.Title...), `\n\n`...)
		}
		o.Dst = append(append(o.Dst, p.Text...), '"')
		return
	}
	o.Put(`{"type":"file","file":{`)
	name := p.Filename
	if len(name) == 0 && len(p.Data) > 0 && !o.extensions {
		if name = p.Title; len(name) == 0 {
			name = hub.Text(defaultFilename)
		}
	}
	o.TextIf("filename", name)
	o.TextIf("file_id", p.FileID)
	if len(p.Data) > 0 {
		o.place("file_data", p)
	} else if o.extensions {
		o.TextIf("file_url", p.URL)
	}
	if o.extensions {
		o.TextIf("text", p.Text)
		o.TextIf("title", p.Title)
		o.TextIf("context", p.Context)
		o.RawIf("citations", p.Citations)
	}
	o.Put("}")
}

func (o *build) call(p *hub.Part) {
	o.Comma()
	o.Put("{")
	o.TextIf("id", p.Call.ID)
	kind, input := "function", "arguments"
	if p.Call.Custom {
		kind, input = "custom", "input"
	}
	o.Text("type", hub.Text(kind))
	o.Key(kind)
	o.Put(`{`)
	o.Text("name", p.Call.Name)
	o.Plain(input, string(p.Call.Input))
	o.Put("}")
	if o.extensions {
		o.TextIf("signature", p.Call.Signature)
		o.RawIf("cache_control", p.Cache)
	}
	o.Put("}")
}

// thoughts writes what the assistant thought: the text for clients that show
// it, and the details for those that give it back.
func (o *build) thoughts(m *hub.Message) {
	text, details := false, false
	for i := range m.Parts {
		switch p := &m.Parts[i]; p.Kind {
		case hub.ThoughtPart:
			text, details = text || len(p.Text) > 0, details || len(p.Signature) > 0
		case hub.RedactedPart:
			details = true
		}
	}
	if text {
		o.Key("reasoning_content")
		o.Put(`"`)
		for i := range m.Parts {
			if p := &m.Parts[i]; p.Kind == hub.ThoughtPart {
				o.Dst = append(o.Dst, p.Text...)
			}
		}
		o.Put(`"`)
	}
	if !details {
		return
	}
	o.Key("reasoning_details")
	o.Put("[")
	for i := range m.Parts {
		switch p := &m.Parts[i]; p.Kind {
		case hub.ThoughtPart:
			o.Comma()
			o.Put(`{"type":"reasoning.text"`)
			o.Text("text", p.Text)
			o.TextIf("signature", p.Signature)
			o.Put("}")
		case hub.RedactedPart:
			o.Comma()
			o.Put(`{"type":"reasoning.encrypted"`)
			o.Text("data", p.Data)
			o.Put("}")
		}
	}
	o.Put("]")
}
