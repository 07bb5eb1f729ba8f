package ollama

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// messages writes the talk. What Ollama has no field for is said before it.
func (o *build) messages() {
	o.Put(`,"messages":[`)
	for _, line := range o.orders() {
		o.begin("system")
		o.Plain("content", line)
		o.Put("}")
	}
	m := o.q.Messages
	for i := range m {
		o.message(i)
		if m[i].Role == hub.ToolRole && (i+1 == len(m) || m[i+1].Role != hub.ToolRole) {
			o.shown(m[:i+1])
		}
	}
	o.Put("]")
}

func (o *build) begin(role string) {
	o.Comma()
	o.Dst = append(append(append(o.Dst, `{"role":"`...), role...), '"')
}

func (o *build) message(i int) {
	m := &o.q.Messages[i]
	role := m.Role
	if role == hub.Developer {
		role = hub.System
	}
	o.begin(role.String())
	o.content(m.Parts)
	switch role {
	case hub.ToolRole:
		o.TextIf("tool_name", o.called(i))
	case hub.Assistant:
		o.thoughts(m.Parts)
		o.calls(m.Parts)
	default:
		o.images(m.Parts)
	}
	o.Put("}")
}

// content writes all that is text, in one string.
func (o *build) content(parts []hub.Part) {
	o.Put(`,"content":"`)
	begun := false
	for i := range parts {
		p := &parts[i]
		if len(p.Text) == 0 || p.Kind == hub.ThoughtPart {
			continue
		}
		if begun {
			o.Put(`\n`)
		}
		begun = true
		if p.Kind == hub.FilePart && len(p.Title) > 0 {
			o.Dst = append(append(o.Dst, p.Title...), `\n\n`...)
		}
		o.Dst = append(o.Dst, p.Text...)
	}
	o.Put(`"`)
}

func (o *build) images(parts []hub.Part) {
	begun := false
	for i := range parts {
		if p := &parts[i]; p.Kind == hub.ImagePart {
			if !begun {
				o.Put(`,"images":[`)
				begun = true
			}
			o.Comma()
			o.Quote(p.Data)
		}
	}
	if begun {
		o.Put("]")
	}
}

// shown writes what the last tools have shown in images, as a message of the
// user's: models look at those alone.
func (o *build) shown(m []hub.Message) {
	var shown []hub.Part
	for _, result := range hub.LastResults(m) {
		for _, p := range result.Parts {
			if p.Kind == hub.ImagePart {
				shown = append(shown, p)
			}
		}
	}
	if len(shown) > 0 {
		o.begin("user")
		o.content(nil)
		o.images(shown)
		o.Put("}")
	}
}

func (o *build) thoughts(parts []hub.Part) {
	begun := false
	for i := range parts {
		if p := &parts[i]; p.Kind == hub.ThoughtPart {
			if !begun {
				o.Put(`,"thinking":"`)
				begun = true
			}
			o.Dst = append(o.Dst, p.Text...)
		}
	}
	if begun {
		o.Put(`"`)
	}
}

func (o *build) calls(parts []hub.Part) {
	begun := false
	for i := range parts {
		p := &parts[i]
		if p.Kind != hub.CallPart {
			continue
		}
		if !begun {
			o.Put(`,"tool_calls":[`)
			begun = true
		}
		o.Comma()
		o.Put(`{"function":{`)
		o.TextIf("name", p.Call.Name)
		o.Key("arguments")
		o.Dst = append(p.Call.AppendInput(o.Dst), "}}"...)
	}
	if begun {
		o.Put("]")
	}
}

// called is the name of the tool that a result is of.
func (o *build) called(result int) hub.Text {
	if name, ok := o.q.Called(result); ok {
		return name
	}
	return o.q.Messages[result].Name
}
