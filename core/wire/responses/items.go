package responses

import (
	"bytes"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// The marks before what only we have put into encrypted_content: the signature
// of a thought, and one that is encrypted by its author.
const (
	signed   = "smartrouter-signed."
	redacted = "smartrouter-redacted."
)

// readInput reads a prompt, or items. Those of the assistant that follow one
// another are one message.
func readInput(q *hub.Request, raw hub.Raw) error {
	c := rawjson.Cursor{Doc: raw}
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"':
		q.Messages = append(q.Messages, hub.Message{Role: hub.User, Parts: []hub.Part{{Text: rawjson.Inside(raw)}}})
		return nil
	case !c.Array():
		return invalid("input", "must be a string or an array of items")
	}
	for i := 0; c.More(); i++ {
		if err := readItem(q, c.Skip().Of(raw), i); err != nil {
			return err
		}
	}
	return nil
}

// assistant is the message that the assistant's next part belongs to.
func assistant(q *hub.Request) *hub.Message {
	n := len(q.Messages)
	if n == 0 || q.Messages[n-1].Role != hub.Assistant {
		q.Messages = append(q.Messages, hub.Message{Role: hub.Assistant})
		n++
	}
	return &q.Messages[n-1]
}

func readItem(q *hub.Request, v hub.Raw, i int) error {
	kind := string(rawjson.Str(v, "type"))
	switch kind {
	case "message", "":
		role, known := hub.RoleOf(rawjson.Str(v, "role"))
		if !known || role == hub.ToolRole {
			return invalid(fmt.Sprintf("input[%d].role", i), "must be one of system, developer, user and assistant")
		}
		m := &hub.Message{Role: role}
		if role == hub.Assistant {
			m = assistant(q)
		}
		if err := readContent(m, rawjson.Child(v, "content"), i); err != nil {
			return err
		}
		if role != hub.Assistant {
			q.Messages = append(q.Messages, *m)
		}
	case "function_call", "custom_tool_call":
		call := hub.Call{ID: rawjson.Str(v, "call_id"), Name: rawjson.Str(v, "name"), Custom: kind == "custom_tool_call"}
		input := rawjson.Str(v, "arguments")
		if call.Custom {
			input = rawjson.Str(v, "input")
		}
		call.Input, _ = rawjson.AppendText(nil, input)
		m := assistant(q)
		m.Parts = append(m.Parts, hub.Part{Kind: hub.CallPart, Call: call, Whole: v})
	case "function_call_output", "custom_tool_call_output":
		m := hub.Message{Role: hub.ToolRole, CallID: rawjson.Str(v, "call_id"), Whole: v}
		if err := readContent(&m, rawjson.Child(v, "output"), i); err != nil {
			return err
		}
		q.Messages = append(q.Messages, m)
	case "reasoning":
		m := assistant(q)
		m.Parts = append(m.Parts, readThought(v))
	case "item_reference":
		return invalid(fmt.Sprintf("input[%d]", i), "refers to an item that another provider keeps")
	default:
		m := assistant(q)
		m.Parts = append(m.Parts, hub.Part{Kind: hub.ForeignPart, Whole: v, Foreign: hub.Foreign{Format: Name, Key: kind, Value: v}})
	}
	return nil
}

func readThought(v hub.Raw) hub.Part {
	p := hub.Part{Kind: hub.ThoughtPart, Whole: v}
	secret := rawjson.Str(v, "encrypted_content")
	if s, ok := bytes.CutPrefix(secret, []byte(signed)); ok {
		p.Signature = s
	} else if s, ok := bytes.CutPrefix(secret, []byte(redacted)); ok {
		p.Kind, p.Data = hub.RedactedPart, s
		return p
	}
	for _, list := range [...]string{"content", "summary"} {
		c := rawjson.Cursor{Doc: rawjson.Child(v, list)}
		if len(p.Text) > 0 || !c.Array() {
			continue
		}
		for c.More() {
			p.Text = append(p.Text[:len(p.Text):len(p.Text)], rawjson.Str(c.Skip().Of(c.Doc), "text")...)
		}
	}
	return p
}

func readContent(m *hub.Message, raw hub.Raw, i int) error {
	c := rawjson.Cursor{Doc: raw}
	switch {
	case len(raw) == 0, string(raw) == "null":
		return nil
	case raw[0] == '"':
		m.Parts = append(m.Parts, hub.Part{Text: rawjson.Inside(raw)})
		return nil
	case !c.Array():
		return invalid(fmt.Sprintf("input[%d].content", i), "must be a string or an array of parts")
	}
	for c.More() {
		v := hub.Raw(c.Skip().Of(raw))
		p := hub.Part{}
		switch kind := string(rawjson.Str(v, "type")); kind {
		case "input_text", "output_text", "text":
			p.Text = rawjson.Str(v, "text")
		case "refusal":
			p.Kind, p.Text = hub.RefusalPart, rawjson.Str(v, "refusal")
		case "input_image":
			p.Kind, p.Detail, p.FileID = hub.ImagePart, rawjson.Str(v, "detail"), rawjson.Str(v, "file_id")
			if string(p.Detail) == "auto" {
				p.Detail = nil
			}
			p.Locate(rawjson.Str(v, "image_url"))
		case "input_file":
			p.Kind, p.FileID, p.Filename = hub.FilePart, rawjson.Str(v, "file_id"), rawjson.Str(v, "filename")
			p.Locate(rawjson.Str(v, "file_url"))
			if data := rawjson.Str(v, "file_data"); len(data) > 0 {
				if p.Locate(data); len(p.Data) == 0 { // bare base64
					p.URL, p.Data, p.Media = nil, data, hub.Text("application/pdf")
				}
			}
		case "input_audio":
			audio := rawjson.Child(v, "input_audio")
			p.Kind, p.Data, p.Media = hub.AudioPart, rawjson.Str(audio, "data"), rawjson.Str(audio, "format")
		default:
			return invalid(fmt.Sprintf("input[%d].content", i), fmt.Sprintf("has a part of the unknown type %q", kind))
		}
		m.Parts = append(m.Parts, p)
	}
	return nil
}
