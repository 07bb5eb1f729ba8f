package cohere

import (
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// oneCall emulates parallel_tool_calls: false.
const oneCall = "Call no more than one tool, once."

func (o *build) messages() {
	o.Put(`,"messages":[`)
	if o.q.Choice.Single && len(o.q.Tools) > 0 {
		o.begin("system")
		o.Plain("content", oneCall)
		o.Put("}")
	}
	m := o.q.Messages
	for i := range m {
		o.message(&m[i])
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

func (o *build) message(m *hub.Message) {
	role := m.Role
	if role == hub.Developer {
		role = hub.System
	}
	start := len(o.Dst)
	o.begin(role.String())
	switch role {
	case hub.Assistant:
		if !o.assistant(m.Parts) {
			o.Dst = o.Dst[:start] // an empty turn is refused; one of nothing says nothing
			return
		}
	case hub.User:
		o.user(m.Parts)
	default:
		o.TextIf("tool_call_id", m.CallID)
		o.Key("content")
		o.text(m.Parts)
	}
	o.Put("}")
}

// text writes all that is said, in one string.
func (o *build) text(parts []hub.Part) {
	o.Put(`"`)
	begun := false
	for i := range parts {
		if p := &parts[i]; isText(p) {
			if begun {
				o.Put(`\n`)
			}
			begun = true
			o.Dst = append(o.Dst, p.Text...)
		}
	}
	o.Put(`"`)
}

// isText tells whether a part is said; files are documents.
func isText(p *hub.Part) bool {
	return (p.Kind == hub.TextPart || p.Kind == hub.RefusalPart) && len(p.Text) > 0
}

// user writes content: in blocks where there is more than text.
func (o *build) user(parts []hub.Part) {
	o.Key("content")
	plain := true
	for i := range parts {
		plain = plain && parts[i].Kind != hub.ImagePart
	}
	if plain {
		o.text(parts)
		return
	}
	o.Put("[")
	for i := range parts {
		switch p := &parts[i]; {
		case isText(p):
			o.block("text", p.Text)
		case p.Kind == hub.ImagePart:
			o.image(p)
		}
	}
	o.Put("]")
}

// block writes a text or a thought.
func (o *build) block(kind string, t hub.Text) {
	o.Comma()
	o.Dst = append(append(append(o.Dst, `{"type":"`...), kind...), '"')
	o.TextIf(kind, t)
	o.Put("}")
}

func (o *build) image(p *hub.Part) {
	o.Comma()
	o.Put(`{"type":"image_url","image_url":{`)
	if len(p.Data) > 0 {
		o.Key("url")
		o.Dst = p.AppendDataURL(o.Dst)
	} else {
		o.TextIf("url", p.URL)
	}
	o.TextIf("detail", p.Detail)
	o.Put("}}")
}

// shown writes what the last tools have shown in images, as a message of the
// user's: results hold text alone.
func (o *build) shown(m []hub.Message) {
	results := hub.LastResults(m)
	begun := false
	for i := range results {
		parts := results[i].Parts
		for j := range parts {
			if parts[j].Kind != hub.ImagePart {
				continue
			}
			if !begun {
				o.begin("user")
				o.Put(`,"content":[`)
				begun = true
			}
			o.image(&parts[j])
		}
	}
	if begun {
		o.Put("]}")
	}
}

// assistant writes a turn of the model's; false: there is nothing in it. What it
// said beside its calls is its plan.
func (o *build) assistant(parts []hub.Part) bool {
	said, thought, called := false, false, false
	for i := range parts {
		said = said || isText(&parts[i])
		thought = thought || isThought(&parts[i])
		called = called || parts[i].Kind == hub.CallPart
	}
	if said && called {
		o.Key("tool_plan")
		o.text(parts)
	}
	if called {
		o.calls(parts)
	}
	switch {
	case thought:
		o.Put(`,"content":[`)
		for i := range parts {
			switch p := &parts[i]; {
			case isThought(p):
				o.block("thinking", p.Text)
			case isText(p) && !called:
				o.block("text", p.Text)
			}
		}
		o.Put("]")
	case said && !called:
		o.Key("content")
		o.text(parts)
	}
	return said || thought || called
}

func isThought(p *hub.Part) bool { return p.Kind == hub.ThoughtPart && len(p.Text) > 0 }

func (o *build) calls(parts []hub.Part) {
	o.Put(`,"tool_calls":[`)
	for i := range parts {
		p := &parts[i]
		if p.Kind != hub.CallPart {
			continue
		}
		o.Comma()
		o.Put(`{`)
		o.Text("id", p.Call.ID)
		o.Put(`,"type":"function","function":{`)
		o.TextIf("name", p.Call.Name)
		o.Plain("arguments", string(p.Call.Input))
		o.Put("}}")
	}
	o.Put("]")
}

const documents = "documents"

// documents writes those that the request has for Cohere, and all text files.
func (o *build) documents() {
	q := o.q
	start := len(o.Dst)
	o.Put(`,"documents":[`)
	for i := range q.Foreign {
		if f := &q.Foreign[i]; f.Format == Name && f.Key == documents {
			c := rawjson.Cursor{Doc: f.Value}
			if !c.Array() {
				continue
			}
			for ; c.More(); o.files++ {
				o.Comma()
				o.Dst = append(o.Dst, c.Skip().Of(f.Value)...)
			}
		}
	}
	for i := range q.Messages {
		parts := q.Messages[i].Parts
		for j := range parts {
			if p := &parts[j]; p.Kind == hub.FilePart && len(p.Text) > 0 {
				o.document(p)
			}
		}
	}
	if o.files == 0 {
		o.Dst = o.Dst[:start]
		return
	}
	o.Put("]")
}

func (o *build) document(p *hub.Part) {
	o.Comma()
	o.Put(`{"id":"file-`)
	o.Dst = append(strconv.AppendInt(o.Dst, int64(o.files), 10), `","data":{`...)
	o.TextIf("title", p.Caption())
	o.TextIf("text", p.Text)
	o.Put("}}")
	o.files++
}
