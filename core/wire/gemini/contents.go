package gemini

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

func readSystem(q *hub.Request, raw hub.Raw) error {
	m := hub.Message{Role: hub.System}
	parts := list(child(raw, "parts"))
	if t := rawjson.Inside(raw); t != nil { // some leave the object out
		m.Parts = []hub.Part{{Text: t}}
	} else {
		c := rawjson.Cursor{Doc: parts}
		if !rawjson.IsObject(raw) || len(parts) > 0 && !c.Array() {
			return invalid("system_instruction", "it is no object with an array of parts")
		}
		for len(parts) > 0 && c.More() {
			m.Parts = appendPart(m.Parts, c.Skip().Of(parts))
		}
	}
	if len(m.Parts) > 0 {
		q.Messages = append([]hub.Message{m}, q.Messages...)
	}
	return nil
}

// calls gives ids to calls that came without, and finds those that results are of.
type calls struct {
	n    int
	open []hub.Call
}

func (o *calls) ask(c *hub.Call) {
	o.n++
	if len(c.ID) == 0 {
		c.ID = strconv.AppendInt(hub.Text("call_"), int64(o.n), 10)
	}
	o.open = append(o.open, *c)
}

// of is the id of the call that a result without one is of: the first open one
// of the function.
func (o *calls) of(id, name hub.Text) hub.Text {
	for i := range o.open {
		if c := &o.open[i]; len(id) == 0 && bytes.Equal(c.Name, name) || len(id) > 0 && bytes.Equal(c.ID, id) {
			found := c.ID
			o.open = append(o.open[:i], o.open[i+1:]...)
			return found
		}
	}
	return id
}

// readContents reads the turns. A turn with results of functions in it becomes
// one message a result, and one of what is left.
func readContents(q *hub.Request, raw hub.Raw) error {
	raw = list(raw)
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return invalid("contents", "it is no array")
	}
	var known calls
	for i := 0; c.More(); i++ {
		v := c.Skip().Of(raw)
		parts := list(child(v, "parts"))
		p := rawjson.Cursor{Doc: parts}
		if !rawjson.IsObject(v) || len(parts) > 0 && !p.Array() {
			return invalid(fmt.Sprintf("contents[%d]", i), "it is no object with an array of parts")
		}
		m := hub.Message{}
		switch role := string(text(v, "role")); role {
		case "", "user", "function":
		case "model":
			m.Role = hub.Assistant
		default:
			return invalid(fmt.Sprintf("contents[%d].role", i), "Please use a valid role: user, model.")
		}
		for len(parts) > 0 && p.More() {
			part := p.Skip().Of(parts)
			if result := child(part, "functionResponse"); rawjson.IsObject(result) && m.Role == hub.User {
				q.Messages = append(q.Messages, readResult(&known, part, result))
				continue
			}
			before := len(m.Parts)
			m.Parts = appendPart(m.Parts, part)
			for k := range m.Parts[before:] {
				if found := &m.Parts[before+k]; found.Kind == hub.CallPart {
					known.ask(&found.Call)
				}
			}
		}
		if len(m.Parts) > 0 {
			q.Messages = append(q.Messages, m)
		}
	}
	return nil
}

// readResult reads the result of a function. What it says is under output or
// error, else all of it is what the function said.
func readResult(known *calls, whole, raw hub.Raw) hub.Message {
	m := hub.Message{Role: hub.ToolRole, Whole: whole, CallID: known.of(text(raw, "id"), text(raw, "name"))}
	said := hub.Raw(child(raw, "response"))
	value, key, n := said, "", 0
	if c := (rawjson.Cursor{Doc: said}); c.Object() {
		for ; c.Key(); n++ {
			key, value = string(c.Name), c.Skip().Of(said)
		}
	}
	switch {
	case n == 1 && key == "error":
		m.Failed = true
	case n == 1 && (key == "output" || key == "result"):
	default:
		value = said
	}
	t := rawjson.Inside(value)
	if t == nil && len(value) > 0 {
		t = rawjson.Escaped(string(value))
	}
	m.Parts = []hub.Part{{Text: t}}
	parts := child(raw, "parts")
	if c := (rawjson.Cursor{Doc: parts}); c.Array() {
		for c.More() {
			m.Parts = appendPart(m.Parts, c.Skip().Of(parts))
		}
	}
	return m
}

// appendPart reads one part. What the hub has no word for is foreign. A text
// that is signed becomes two: the text, and a thought of nothing but the
// signature, which goes out with the text where that goes out as it came.
func appendPart(parts []hub.Part, raw hub.Raw) []hub.Part {
	p := hub.Part{Whole: raw}
	var signature hub.Text
	var data, file, call hub.Raw
	var said, thought bool
	other := ""
	c := rawjson.Cursor{Doc: raw}
	if !c.Object() {
		return parts
	}
	for c.Key() {
		switch name := camel(c.Name); string(name) {
		case "text":
			p.Text, said = c.Str()
		case "thought":
			thought = string(c.Skip().Of(raw)) == "true"
		case "thoughtSignature":
			signature = c.Inside()
		case "inlineData":
			data = c.Skip().Of(raw)
		case "fileData":
			file = c.Skip().Of(raw)
		case "functionCall":
			call = c.Skip().Of(raw)
		case "videoMetadata", "mediaResolution", "partMetadata":
			c.Skip() // of what is beside it
		default:
			other = string(name)
			c.Skip()
		}
	}
	signed := hub.Part{}
	if len(signature) > 0 {
		if signed = fromClient(signature); hub.SignedBy(Name, signed.Signature) == nil {
			p.Whole = nil // Gemini would refuse it as it came
		}
	}
	switch {
	case rawjson.IsObject(call):
		p.Kind = hub.CallPart
		p.Call = hub.Call{ID: text(call, "id"), Name: text(call, "name"), Input: child(call, "args"), Signature: signed.Signature}
		return append(parts, p)
	case rawjson.IsObject(data) && inline(&p, data), rawjson.IsObject(file) && locate(&p, file):
		return append(parts, p)
	case thought && said && signed.Kind != hub.RedactedPart:
		p.Kind, p.Signature = hub.ThoughtPart, signed.Signature
		return append(parts, p)
	case said:
		if len(signature) == 0 {
			return append(parts, p)
		}
		signed.Whole = p.Whole
		if len(p.Text) > 0 {
			parts = append(parts, p)
			signed.Whole = p.Whole[:0:0] // all of it is there
		}
		return append(parts, signed)
	}
	switch {
	case rawjson.IsObject(data):
		other = "inlineData"
	case rawjson.IsObject(file):
		other = "fileData"
	}
	return append(parts, hub.Part{Kind: hub.ForeignPart, Whole: raw, Foreign: hub.Foreign{Format: Name, Key: other, Value: raw}})
}

// inline reads bytes in base64. It is false for what only Gemini looks at, such
// as a film.
func inline(p *hub.Part, raw hub.Raw) bool {
	p.Media, p.Data = text(raw, "mimeType"), text(raw, "data")
	kind, sub, _ := bytes.Cut(p.Media, []byte("/"))
	switch string(kind) {
	case "image":
		p.Kind = hub.ImagePart
	case "audio":
		p.Kind = hub.AudioPart
		if p.Media = bytes.TrimPrefix(sub, []byte("x-")); string(sub) == "mpeg" {
			p.Media = hub.Text("mp3")
		}
	case "text":
		plain, err := base64.StdEncoding.AppendDecode(nil, p.Data)
		if err != nil {
			return false
		}
		p.Kind, p.Text, p.Data = hub.FilePart, rawjson.Escaped(string(plain)), nil
	case "application":
		if string(sub) != "pdf" {
			return false
		}
		p.Kind = hub.FilePart
	default:
		return false
	}
	return true
}

// locate reads the place of a file. It is false for what only Gemini can fetch,
// or looks at.
func locate(p *hub.Part, raw hub.Raw) bool {
	p.Media, p.URL = text(raw, "mimeType"), text(raw, "fileUri")
	if len(p.URL) == 0 || reads(p.URL) {
		return false
	}
	switch kind, _, _ := bytes.Cut(p.Media, []byte("/")); {
	case string(kind) == "image":
		p.Kind = hub.ImagePart
	case string(p.Media) == "application/pdf", string(kind) == "text":
		p.Kind = hub.FilePart
	default:
		return false
	}
	return true
}
