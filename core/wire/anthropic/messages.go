package anthropic

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// readMessages reads the turns. A turn of the user's with results of tools in it
// becomes one message a result, and one of what is left.
func readMessages(q *hub.Request, raw hub.Raw) error {
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return invalid("messages", "Field required")
	}
	for i := 0; c.More(); i++ {
		v := c.Skip().Of(raw)
		role, known := hub.RoleOf(rawjson.Str(v, "role"))
		if !known || role != hub.User && role != hub.Assistant && role != hub.System {
			return invalid(at("messages.%d.role", i), "Input should be 'user', 'assistant' or 'system'")
		}
		m := hub.Message{Role: role}
		if err := readBlocks(&m, rawjson.Child(v, "content"), func() string { return at("messages.%d.content", i) }); err != nil {
			return err
		}
		if role != hub.User {
			q.Messages = append(q.Messages, m)
			continue
		}
		if err := split(q, &m, i); err != nil {
			return err
		}
	}
	return nil
}

// split makes messages of their own of the results in a user's turn.
func split(q *hub.Request, m *hub.Message, i int) error {
	rest := hub.Message{Role: hub.User}
	for j := range m.Parts {
		p := &m.Parts[j]
		if p.Kind != hub.ForeignPart || p.Foreign.Key != "tool_result" {
			rest.Parts = append(rest.Parts, *p)
			continue
		}
		result := hub.Message{
			Role: hub.ToolRole, Whole: p.Whole, CallID: rawjson.Str(p.Whole, "tool_use_id"),
			Failed: string(rawjson.Child(p.Whole, "is_error")) == "true", Cache: p.Cache,
		}
		where := func() string { return at("messages.%d.content.%d.content", i, j) }
		if err := readBlocks(&result, rawjson.Child(p.Whole, "content"), where); err != nil {
			return err
		}
		q.Messages = append(q.Messages, result)
	}
	if len(rest.Parts) > 0 || len(m.Parts) == 0 {
		q.Messages = append(q.Messages, rest)
	}
	return nil
}

// readBlocks reads content: a string, or an array of blocks. Where it is, only an
// error wants to know.
func readBlocks(m *hub.Message, raw hub.Raw, where func() string) error {
	c := rawjson.Cursor{Doc: raw}
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"':
		m.Parts = append(m.Parts, hub.Part{Text: rawjson.Inside(raw)})
		return nil
	case !c.Array():
		return invalid(where(), "Input should be a valid string or list")
	}
	for i := 0; c.More(); i++ {
		v := c.Skip().Of(raw)
		if !rawjson.IsObject(v) {
			return invalid(at("%s.%d", where(), i), "Input should be an object")
		}
		m.Parts = append(m.Parts, readBlock(v))
	}
	return nil
}

// readBlock reads one block. What the hub has no word for is foreign.
func readBlock(raw hub.Raw) hub.Part {
	p := hub.Part{Whole: raw}
	var kind hub.Text
	var source hub.Raw
	odd := false // it has something in it that would be lost
	c := rawjson.Cursor{Doc: raw}
	c.Object()
	for c.Key() {
		switch string(c.Name) {
		case "type":
			kind = c.Inside()
		case "text", "thinking":
			p.Text = c.Inside()
		case "signature":
			p.Signature = c.Inside()
		case "data":
			p.Data = c.Inside()
		case "source":
			source = c.Skip().Of(raw)
		case "title":
			p.Title = c.Inside()
		case "context":
			p.Context = c.Inside()
		case "citations":
			if v := c.Skip().Of(raw); len(v) > 2 && string(v) != "null" {
				p.Citations = v
			}
		case "cache_control":
			p.Cache = mark(c.Skip().Of(raw))
		case "id":
			p.Call.ID = c.Inside()
		case "name":
			p.Call.Name = c.Inside()
		case "input":
			p.Call.Input = c.Skip().Of(raw)
		case "toolset_name":
			odd = c.Peek() == '"'
			c.Skip()
		default:
			c.Skip()
		}
	}
	switch k := string(kind); {
	case k == "text":
		p.Kind = hub.TextPart
	case k == "thinking":
		p.Kind = hub.ThoughtPart
	case k == "redacted_thinking":
		p.Kind = hub.RedactedPart
	case k == "tool_use" && !odd:
		p.Kind = hub.CallPart
	case k == "image" && locate(&p, source):
		p.Kind = hub.ImagePart
	case k == "document" && locate(&p, source):
		p.Kind = hub.FilePart
	default:
		return hub.Part{Kind: hub.ForeignPart, Whole: raw, Cache: p.Cache, Foreign: hub.Foreign{Format: Name, Key: k, Value: raw}}
	}
	return p
}

// locate reads a source. It is false for one that only Anthropic has, such as a
// file that lies there.
func locate(p *hub.Part, source hub.Raw) bool {
	switch string(rawjson.Str(source, "type")) {
	case "base64":
		p.Media, p.Data = rawjson.Str(source, "media_type"), rawjson.Str(source, "data")
		return len(p.Data) > 0
	case "url":
		p.URL = rawjson.Str(source, "url")
		return len(p.URL) > 0
	case "text":
		p.Media, p.Text = hub.Text("text/plain"), rawjson.Str(source, "data")
		return len(p.Text) > 0
	}
	return false
}
