package gemini

import (
	"bytes"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/prompt"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The methods of a model.
const (
	methodGenerate = "generateContent"
	methodStream   = "streamGenerateContent"
	methodCount    = "countTokens"
	methodEmbed    = "batchEmbedContents"
	methodEmbedOne = "embedContent"
)

// Called is the endpoint that a method is, and the format of its answers: without
// events a stream is one array.
func Called(method string, events bool) (e sdk.Endpoint, f *hub.Format, ok bool) {
	switch method {
	case methodStream:
		if !events {
			return sdk.Chat, Array, true
		}
		return sdk.Chat, Format, true
	case methodGenerate:
		return sdk.Chat, Format, true
	case methodCount:
		return sdk.CountTokens, Format, true
	case methodEmbed:
		return sdk.Embeddings, Format, true
	case methodEmbedOne:
		return sdk.Embeddings, One, true
	}
	return "", nil, false
}

// Locate reads the model and the method in a path such as
// /v1beta/models/gemini-3-flash:generateContent. A model's name may hold slashes
// and colons.
func Locate(path string) (model, method string, ok bool) {
	_, rest, ok := strings.Cut(path, "/models/")
	at := strings.LastIndexByte(rest, ':')
	if !ok || at <= 0 {
		return "", "", false
	}
	return rest[:at], rest[at+1:], true
}

// rename appends a body with another model in the places where one is named
// beside that in the path: in the requests of a batch, and in one that is counted.
func rename(dst, body []byte, model string) []byte {
	quoted := rawjson.AppendQuote(nil, "models/"+model)
	from := 0
	c := rawjson.Cursor{Doc: body}
	inside := func() {
		if !c.Object() {
			c.Skip()
			return
		}
		for c.Key() {
			is := string(c.Name) == "model"
			if at := c.Skip(); is {
				dst = append(append(dst, body[from:at.Start]...), quoted...)
				from = at.End
			}
		}
	}
	for ok := c.Object(); ok && c.Key(); {
		switch name := string(camel(c.Name)); {
		case name == "generateContentRequest":
			inside()
		case name == "requests" && c.Array():
			for c.More() {
				inside()
			}
		default:
			c.Skip()
		}
	}
	return append(dst, body[from:]...)
}

const (
	fContents = iota
	fSystem
	fSystemToo
	fTools
	fConfig
	fConfigToo
	fGenerate
	fGenerateToo
	fRequests
	fContent
	fFallbacks
	fieldCount
)

var keys = rawjson.NewKeys("contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config",
	"generateContentRequest", "generate_content_request", "requests", "content", "fallbacks")

// facts reads what routing needs. Judging the rest is the provider's part, but
// for what no answer can be given without.
func facts(a *hub.Ask) (wire.Request, error) {
	r := wire.Request{Endpoint: a.Endpoint, N: 1, Usage: true}
	var method string
	var ok bool
	if r.Model, method, ok = Locate(a.Path); !ok {
		return r, &wire.Error{Status: 404, Type: "invalid_request_error", Message: "the path names no model and method, such as models/gemini-3-flash:generateContent"}
	}
	r.Stream = method == methodStream
	var at [fieldCount]rawjson.Field
	if err := keys.Scan(a.Body, rawjson.DefaultDepth, at[:]); err != nil {
		return r, invalid("", err.Error())
	}
	raw := func(f int) []byte { return at[f].Value.Of(a.Body) }
	either := func(f int) []byte {
		if v := raw(f); v != nil {
			return v
		}
		return raw(f + 1)
	}
	contents, system, tools := raw(fContents), either(fSystem), raw(fTools)
	switch inner := either(fGenerate); {
	case method == methodEmbedOne:
		contents = raw(fContent)
	case a.Endpoint == sdk.Embeddings:
		contents = raw(fRequests)
	case a.Endpoint == sdk.CountTokens && rawjson.IsObject(inner):
		contents, system, tools = child(inner, "contents"), child(inner, "systemInstruction"), child(inner, "tools")
	}
	contents = list(contents)
	if c := (rawjson.Cursor{Doc: contents}); !c.Array() || !c.More() {
		return r, invalid("", "* GenerateContentRequest.contents: contents is not specified")
	}
	if at[fConfig].Value.Present() {
		readConfigFacts(&r, a.Body, at[fConfig].Value)
	} else if at[fConfigToo].Value.Present() {
		readConfigFacts(&r, a.Body, at[fConfigToo].Value)
	}
	if r.FallbacksAt = at[fFallbacks].Value; r.FallbacksAt.Present() {
		var err *wire.Error
		if r.Fallbacks, err = wire.ReadFallbacks(raw(fFallbacks)); err != nil {
			return r, err
		}
	}
	c := rawjson.Cursor{Doc: tools}
	r.Tools = c.Array() && c.More()
	r.Mended = bytes.Contains(contents, strangeText)
	var p prompt.Prompt
	p.Read(system)
	head := p.Read(contents)
	r.Images = p.Images
	r.Tokens = p.Tokens(len(tools))
	r.Prefix = prompt.Prefix(nil, tools, system, head)
	return r, nil
}

// readConfigFacts reads what the config at a place in the body says.
func readConfigFacts(r *wire.Request, body []byte, at rawjson.Range) {
	c := rawjson.Cursor{Doc: body[:at.End], At: at.Start}
	if !c.Object() {
		return
	}
	for c.Key() {
		name := string(camel(c.Name))
		v := c.Skip()
		switch name {
		case "maxOutputTokens":
			r.MaxTokens, _ = rawjson.Int(v.Of(body))
		case "candidateCount":
			if n, ok := rawjson.Int(v.Of(body)); ok && n > 0 && n < 1<<10 {
				r.N = int(n)
			}
		case "temperature":
			r.TemperatureAt = v
		case "responseMimeType":
			r.JSON = r.JSON || string(v.Of(body)) == `"application/json"`
		case "responseSchema", "responseJsonSchema":
			r.JSON = r.JSON || rawjson.IsObject(v.Of(body))
		}
	}
}

// camel is a name as Gemini writes it: snake_case means the same.
func camel(name []byte) []byte {
	if bytes.IndexByte(name, '_') < 0 {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] == '_' && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z' {
			i++
			out = append(out, name[i]-'a'+'A')
			continue
		}
		out = append(out, name[i])
	}
	return out
}

// list is an array; Google takes one element for an array of it.
func list(raw []byte) []byte {
	if !rawjson.IsObject(raw) {
		return raw
	}
	return append(append([]byte{'['}, raw...), ']')
}

// child is the raw value of a key of an object; nothing of anything else.
func child(object []byte, name string) []byte {
	c := rawjson.Cursor{Doc: object}
	if c.Object() {
		for c.Key() {
			same := string(c.Name) == name || string(camel(c.Name)) == name
			if at := c.Skip(); same {
				return at.Of(object)
			}
		}
	}
	return nil
}

// text is the inside of a string of an object; nothing of anything else.
func text(object []byte, name string) hub.Text { return rawjson.Inside(child(object, name)) }

// invalid is a 400 in Gemini's words.
func invalid(field, message string) *wire.Error {
	if field != "" {
		message = "Invalid value at '" + field + "': " + message
	}
	return &wire.Error{Status: 400, Type: "invalid_request_error", Message: message}
}
