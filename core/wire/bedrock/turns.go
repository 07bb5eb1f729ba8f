package bedrock

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// system writes the system prompt: what system and developer say, wherever they
// say it, and what Converse has no other place for.
func (o *build) system() {
	if o.q.Output.Form == hub.JSONObject {
		o.asks = append(o.asks, anthropic.JSONOnly)
	}
	block := func(text hub.Text) {
		o.Comma()
		o.Put("{")
		o.Text("text", text)
		o.Put("}")
	}
	start := len(o.Dst)
	o.Put(`,"system":[`)
	empty := len(o.Dst)
	for i := range o.q.Messages {
		m := &o.q.Messages[i]
		if !isSystem(m.Role) {
			continue
		}
		for j := range m.Parts {
			if p := &m.Parts[j]; p.Kind == hub.TextPart && !blank(p.Text) {
				block(p.Text)
				o.cachePoint(p.Cache)
			}
		}
	}
	for _, line := range o.asks {
		block(hub.Text(line))
	}
	if len(o.Dst) == empty {
		o.Dst = o.Dst[:start]
		return
	}
	o.Put("]")
}

func isSystem(r hub.Role) bool { return r == hub.System || r == hub.Developer }

// turns writes the messages. Those of one role in a row become one turn, with
// the results of tools at its head.
func (o *build) turns() error {
	m := o.q.Messages
	o.Key("messages")
	o.Put("[")
	for i := 0; i < len(m); {
		if isSystem(m[i].Role) {
			i++
			continue
		}
		end := i + 1
		for end < len(m) && (isSystem(m[end].Role) || (m[end].Role == hub.Assistant) == (m[i].Role == hub.Assistant)) {
			end++
		}
		start := len(o.Dst)
		o.Comma()
		role := "user"
		if m[i].Role == hub.Assistant {
			role = "assistant"
		}
		o.Dst = append(append(append(o.Dst, `{"role":"`...), role...), `","content":[`...)
		empty := len(o.Dst)
		if err := o.turn(m[i:end]); err != nil {
			return err
		}
		if len(o.Dst) > empty {
			if end == len(m) {
				o.cachePoint(o.q.Values[hub.CacheControl])
			}
			o.Put(`]}`)
		} else {
			o.Dst = o.Dst[:start] // an empty turn is refused; one of nothing says nothing
		}
		i = end
	}
	o.Put("]")
	return nil
}

// turn writes the content of a turn.
func (o *build) turn(m []hub.Message) error {
	for i := range m {
		if m[i].Role == hub.ToolRole {
			o.Comma()
			if err := o.result(&m[i]); err != nil {
				return err
			}
		}
	}
	for i := range m {
		if r := m[i].Role; r == hub.User || r == hub.Assistant {
			if err := o.parts(m[i].Parts); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts writes blocks.
func (o *build) parts(parts []hub.Part) error {
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case hub.TextPart, hub.RefusalPart:
			if blank(p.Text) {
				continue // "The text field in the ContentBlock object is blank"
			}
		case hub.ThoughtPart:
			if len(p.Signature) == 0 || hub.Marked(p.Signature) {
				continue // of another provider
			}
		case hub.RedactedPart:
			if _, err := base64.StdEncoding.DecodeString(string(p.Data)); err != nil {
				continue // of another provider; it has bytes here
			}
		case hub.ForeignPart:
			continue
		}
		o.Comma()
		if err := o.block(p); err != nil {
			return err
		}
		o.cachePoint(p.Cache)
	}
	return nil
}

// blank tells of a text of nothing but white space.
func blank(t hub.Text) bool {
	for len(t) > 0 {
		switch n := len(t); {
		case t[0] == ' ':
			t = t[1:]
		case n > 1 && t[0] == '\\' && (t[1] == 'n' || t[1] == 't' || t[1] == 'r'):
			t = t[2:]
		default:
			return false
		}
	}
	return true
}

func (o *build) block(p *hub.Part) error {
	switch p.Kind {
	case hub.TextPart, hub.RefusalPart:
		o.Put(`{`)
		o.Text("text", p.Text)
	case hub.ImagePart:
		format, err := formatOf(images, p)
		if err != nil {
			return err
		}
		o.Dst = append(append(append(o.Dst, `{"image":{"format":"`...), format...), `","source":`...)
		o.source(p)
		o.Put("}")
	case hub.AudioPart:
		o.Put(`{"audio":{`)
		o.Text("format", p.Media)
		o.Put(`,"source":`)
		o.source(p)
		o.Put("}")
	case hub.FilePart:
		if err := o.document(p); err != nil {
			return err
		}
	case hub.ThoughtPart:
		o.Put(`{"reasoningContent":{"reasoningText":{`)
		o.Text("text", p.Text)
		o.Text("signature", p.Signature)
		o.Put(`}}`)
	case hub.RedactedPart:
		o.Put(`{"reasoningContent":{`)
		o.Text("redactedContent", p.Data)
		o.Put("}")
	case hub.CallPart:
		o.Put(`{"toolUse":{`)
		o.Text("toolUseId", callID(p.Call.ID))
		o.Text("name", p.Call.Name)
		o.Dst = p.Call.AppendInput(append(o.Dst, `,"input":`...))
		o.Put("}")
	}
	o.Put("}")
	return nil
}

// source writes where the bytes are.
func (o *build) source(p *hub.Part) {
	switch {
	case len(p.URL) > 0:
		o.Put(`{"s3Location":{`)
		o.Text("uri", p.URL)
		o.Put(`}}`)
	case len(p.Data) > 0:
		o.Put(`{`)
		o.Text("bytes", p.Data)
		o.Put("}")
	default:
		text, _ := rawjson.AppendText(nil, p.Text)
		o.Put(`{"bytes":"`)
		o.Dst = base64.StdEncoding.AppendEncode(o.Dst, text)
		o.Put(`"}`)
	}
}

func (o *build) document(p *hub.Part) error {
	format := "txt"
	if len(p.Data) > 0 || len(p.URL) > 0 {
		var err error
		if format, err = formatOf(documents, p); err != nil {
			return err
		}
	}
	o.Dst = append(append(append(o.Dst, `{"document":{"format":"`...), format...), `","name":"`...)
	o.Dst = append(append(o.Dst, o.fileName(p)...), `","source":`...)
	o.source(p)
	if len(p.Context) > 0 {
		o.Text("context", p.Context)
	}
	if p.Citations != nil {
		o.Dst = append(append(o.Dst, `,"citations":`...), p.Citations...)
	}
	o.Put("}")
	return nil
}

// fileName is a document's name as Bedrock takes it: letters, digits, hyphens,
// brackets and single blanks, and no two alike.
func (o *build) fileName(p *hub.Part) string {
	text, _ := rawjson.AppendText(nil, p.Caption())
	name := strings.TrimSuffix(string(text), path.Ext(string(text)))
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-()[]", r)
	}), " ")
	const longest = 150
	if name = strings.TrimSpace(name[:min(len(name), longest)]); name == "" {
		name = "document"
	}
	if o.files == nil {
		o.files = map[string]int{}
	}
	if o.files[name]++; o.files[name] > 1 {
		name += " (" + strconv.Itoa(o.files[name]) + ")"
	}
	return name
}

// formats that Bedrock has, by media type and by the ending of a name.
type formats struct {
	field   hub.Field
	byMedia map[string]string
	byName  map[string]string
}

var images = formats{
	field:   hub.ImageData,
	byMedia: map[string]string{"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
	byName:  map[string]string{".png": "png", ".jpeg": "jpeg", ".jpg": "jpeg", ".gif": "gif", ".webp": "webp"},
}

var documents = formats{
	field: hub.PDF,
	byMedia: map[string]string{
		"application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
		"application/msword": "doc", "application/vnd.ms-excel": "xls",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       "xlsx",
	},
	byName: map[string]string{
		".pdf": "pdf", ".csv": "csv", ".doc": "doc", ".docx": "docx", ".xls": "xls", ".xlsx": "xlsx",
		".html": "html", ".txt": "txt", ".md": "md",
	},
}

func formatOf(of formats, p *hub.Part) (string, error) {
	media, _, _ := strings.Cut(strings.ToLower(string(p.Media)), ";")
	if f := of.byMedia[strings.TrimSpace(media)]; f != "" {
		return f, nil
	}
	for _, name := range [...]hub.Text{p.Filename, p.URL} {
		if f := of.byName[strings.ToLower(path.Ext(string(name)))]; f != "" {
			return f, nil
		}
	}
	return "", &wire.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "unsupported_parameter", Param: of.field.String(),
		Message: "The provider of this model takes no file of the type " + strconv.Quote(media) + ".",
	}
}

// result writes the result of a tool.
func (o *build) result(m *hub.Message) error {
	o.Put(`{"toolResult":{`)
	o.Text("toolUseId", callID(m.CallID))
	o.Put(`,"content":[`)
	if err := o.parts(uncached(m.Parts)); err != nil {
		return err
	}
	o.Put("]")
	if m.Failed {
		o.Put(`,"status":"error"`)
	}
	o.Put(`}}`)
	mark := m.Cache
	for i := range m.Parts {
		if mark == nil {
			mark = m.Parts[i].Cache
		}
	}
	o.cachePoint(mark)
	return nil
}

// uncached are parts without their marks: a result has no cachePoint in it.
func uncached(parts []hub.Part) []hub.Part {
	for i := range parts {
		if parts[i].Cache != nil {
			parts = append([]hub.Part(nil), parts...)
			for j := range parts {
				parts[j].Cache = nil
			}
			break
		}
	}
	return parts
}

// cachePoint writes one behind what is marked.
func (o *build) cachePoint(mark hub.Raw) {
	if !rawjson.IsObject(mark) {
		return
	}
	o.Put(`,{"cachePoint":{"type":"default"`)
	if string(rawjson.Child(mark, "ttl")) == `"1h"` {
		o.Put(`,"ttl":"1h"`)
	}
	o.Put(`}}`)
}

// maxID is the longest id of a call, in characters.
const maxID = 64

// callID is an id as Bedrock takes it, of letters, digits, _ and -. The ids of
// others become the same each time, so that call and result still meet.
func callID(id hub.Text) hub.Text {
	out := bytes.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
	return out[max(0, len(out)-maxID):]
}
