package openai

import (
	"bytes"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// readMessages reads the messages of a chat request.
func readMessages(q *hub.Request, c *rawjson.Cursor) error {
	if !c.Array() {
		return invalid("messages", "invalid_type", "must be an array of messages")
	}
	for i := 0; c.More(); i++ {
		m := hub.Message{}
		at := func() string { return fmt.Sprintf("messages[%d]", i) }
		if !c.Object() {
			return invalid(at(), "invalid_type", "must be an object")
		}
		var content, calls, call, refusal, details hub.Raw
		var thought hub.Text
		known := false
		for c.Key() {
			name := c.Name
			switch string(name) {
			case "role":
				s := c.Inside()
				m.Role, known = hub.RoleOf(s)
				if string(s) == "function" { // the old name of a tool's result
					m.Role, known = hub.ToolRole, true
				}
			case "content":
				content = c.Skip().Of(c.Doc)
			case "name":
				m.Name = c.Inside()
			case "tool_call_id":
				m.CallID = c.Inside()
			case "tool_calls":
				calls = c.Skip().Of(c.Doc)
			case "function_call":
				call = c.Skip().Of(c.Doc)
			case "refusal":
				refusal = c.Skip().Of(c.Doc)
			case "reasoning_content", "reasoning":
				if t := c.Inside(); len(t) > 0 {
					thought = t
				}
			case "reasoning_details":
				details = c.Skip().Of(c.Doc)
			case "is_error":
				m.Failed = isTrue(c.Skip().Of(c.Doc))
			case "cache_control":
				m.Cache = present(c.Skip().Of(c.Doc))
			default:
				c.Skip()
			}
		}
		if !known {
			return invalid(at()+".role", "invalid_value", "must be one of system, developer, user, assistant and tool")
		}
		if m.Role == hub.Assistant {
			readThoughts(&m, thought, details)
		}
		if err := readContent(&m, content, at); err != nil {
			return err
		}
		if t := rawjson.Inside(refusal); len(t) > 0 {
			m.Parts = append(m.Parts, hub.Part{Kind: hub.RefusalPart, Text: t})
		}
		if m.Role == hub.Assistant {
			readCalls(&m, calls)
			if rawjson.IsObject(call) {
				m.Parts = append(m.Parts, functionCall(call))
			}
		}
		if m.Cache != nil && m.Role != hub.ToolRole && len(m.Parts) > 0 {
			m.Parts[len(m.Parts)-1].Cache, m.Cache = m.Cache, nil
		}
		q.Messages = append(q.Messages, m)
	}
	return nil
}

// readThoughts reads what the assistant thought. A signed thought whose text is
// not beside its signature has the one that reasoning_content has.
func readThoughts(m *hub.Message, text hub.Text, details hub.Raw) {
	c := rawjson.Cursor{Doc: details}
	signed := false
	if c.Array() {
		for c.More() {
			if !c.Object() {
				c.Skip()
				continue
			}
			p := hub.Part{Kind: hub.ThoughtPart}
			for c.Key() {
				switch string(c.Name) {
				case "text", "summary":
					p.Text = c.Inside()
				case "signature":
					p.Signature = c.Inside()
				case "data":
					if p.Data = c.Inside(); len(p.Data) > 0 {
						p.Kind = hub.RedactedPart
					}
				default:
					c.Skip()
				}
			}
			if p.Kind == hub.ThoughtPart {
				if len(p.Text) == 0 {
					p.Text, text = text, nil
				}
				signed = true
			}
			m.Parts = append(m.Parts, p)
		}
	}
	if len(text) > 0 && !signed {
		m.Parts = append(m.Parts, hub.Part{Kind: hub.ThoughtPart, Text: text})
	}
}

func readContent(m *hub.Message, content hub.Raw, at func() string) error {
	c := rawjson.Cursor{Doc: content}
	switch {
	case len(content) == 0, isNull(content):
		return nil
	case content[0] == '"':
		m.Parts = append(m.Parts, hub.Part{Text: rawjson.Inside(content)})
		return nil
	case !c.Array():
		return invalid(at()+".content", "invalid_type", "must be a string or an array of parts")
	}
	for i := 0; c.More(); i++ {
		raw := c.Skip().Of(content)
		p, ok := readPart(raw)
		if !ok {
			kind, _ := rawjson.Unquote(rawjson.Child(raw, "type"))
			return invalid(fmt.Sprintf("%s.content[%d]", at(), i), "invalid_value", fmt.Sprintf("is of the unknown type %q", kind))
		}
		m.Parts = append(m.Parts, p)
	}
	return nil
}

func readPart(raw []byte) (p hub.Part, ok bool) {
	kind, _ := rawjson.Unquote(rawjson.Child(raw, "type"))
	p.Cache = present(rawjson.Child(raw, "cache_control"))
	switch kind {
	case "text":
		p.Text = rawjson.Str(raw, "text")
		p.Citations = present(rawjson.Child(raw, "citations"))
	case "refusal":
		p.Kind, p.Text = hub.RefusalPart, rawjson.Str(raw, "refusal")
	case "image_url":
		p.Kind = hub.ImagePart
		image := rawjson.Child(raw, "image_url")
		url := rawjson.Str(image, "url")
		if only := rawjson.Inside(image); only != nil { // some leave the object out
			url = only
		}
		p.Detail = rawjson.Str(image, "detail")
		p.Locate(url)
	case "input_audio":
		audio := rawjson.Child(raw, "input_audio")
		p.Kind, p.Data, p.Media = hub.AudioPart, rawjson.Str(audio, "data"), rawjson.Str(audio, "format")
	case "file":
		file := rawjson.Child(raw, "file")
		p.Kind, p.FileID, p.Filename = hub.FilePart, rawjson.Str(file, "file_id"), rawjson.Str(file, "filename")
		p.Title, p.Context, p.Citations = rawjson.Str(file, "title"), rawjson.Str(file, "context"), present(rawjson.Child(file, "citations"))
		p.Text = rawjson.Str(file, "text")
		if data := rawjson.Str(file, "file_data"); len(data) > 0 {
			p.Locate(data)
			if len(p.Data) == 0 { // bare base64
				p.Data, p.URL, p.Media = p.URL, nil, hub.Text("application/pdf")
			}
		}
		if url := rawjson.Str(file, "file_url"); len(url) > 0 {
			p.Locate(url)
		}
	default:
		format, is := bytes.CutPrefix([]byte(kind), []byte(foreign))
		value := rawjson.Child(raw, "value")
		p.Kind = hub.ForeignPart
		p.Foreign = hub.Foreign{Format: string(format), Key: kind, Value: value}
		if t, ok := rawjson.Unquote(rawjson.Child(value, "type")); ok {
			p.Foreign.Key = t
		}
		return p, is && rawjson.IsObject(value)
	}
	return p, true
}

func readCalls(m *hub.Message, raw hub.Raw) {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return
	}
	for c.More() {
		call := c.Skip().Of(raw)
		p := functionCall(rawjson.Child(call, "function"))
		if custom := rawjson.Child(call, "custom"); custom != nil {
			p.Call = hub.Call{Custom: true, Name: rawjson.Str(custom, "name")}
			p.Call.Input, _ = rawjson.AppendText(nil, rawjson.Str(custom, "input"))
		}
		p.Call.ID = rawjson.Str(call, "id")
		p.Call.Signature = rawjson.Str(call, "signature")
		p.Cache = present(rawjson.Child(call, "cache_control"))
		m.Parts = append(m.Parts, p)
	}
}

func functionCall(function hub.Raw) hub.Part {
	p := hub.Part{Kind: hub.CallPart, Call: hub.Call{Name: rawjson.Str(function, "name")}}
	p.Call.Input, _ = rawjson.AppendText(nil, rawjson.Str(function, "arguments"))
	return p
}
