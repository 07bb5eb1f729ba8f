package anthropic

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/prompt"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

const (
	fModel = iota
	fStream
	fMessages
	fSystem
	fTools
	fMaxTokens
	fOutputConfig
	fOutputFormat
	fMetadata
	fTemperature
	fFallbacks
	fieldCount
)

var keys = rawjson.NewKeys("model", "stream", "messages", "system", "tools", "max_tokens", "output_config",
	"output_format", "metadata", "temperature", "fallbacks")

// strangers tells whether there are thoughts of another provider's, as [writer]
// and appendAnswer give them to clients: without a signature, or with one that is
// not Anthropic's. They send them back, and Anthropic refuses them.
func strangers(messages []byte) bool {
	const name = `"signature"`
	for {
		at := bytes.Index(messages, []byte(name))
		if at < 0 {
			return false
		}
		messages = messages[at+len(name):]
		c := rawjson.Cursor{Doc: messages}
		if c.Peek() != ':' {
			continue // it was a word in a text
		}
		c.At++
		if s, ok := c.Str(); ok && (len(s) == 0 || hub.Marked(s)) {
			return true
		}
	}
}

// facts reads what routing needs. Judging the rest is the provider's part, but
// for what no answer can be given without.
func facts(a *hub.Ask) (wire.Request, error) {
	r := wire.Request{Endpoint: a.Endpoint, N: 1, Usage: true}
	var at [fieldCount]rawjson.Field
	if err := keys.Scan(a.Body, rawjson.DefaultDepth, at[:]); err != nil {
		return r, invalid("", err.Error())
	}
	raw := func(f int) []byte { return at[f].Value.Of(a.Body) }
	var ok bool
	r.ModelAt = at[fModel].Value
	if r.Model, ok = rawjson.Unquote(raw(fModel)); !ok || r.Model == "" {
		return r, invalid("model", "Field required")
	}
	if c := (rawjson.Cursor{Doc: raw(fMessages)}); !c.Array() {
		return r, invalid("messages", "Field required")
	}
	switch s := string(raw(fStream)); s {
	case "true":
		r.Stream = true
	case "", "false", "null":
	default:
		return r, invalid("stream", "Input should be a valid boolean")
	}
	r.MaxTokens, _ = rawjson.Int(raw(fMaxTokens)) // without one the provider decides
	r.TemperatureAt = at[fTemperature].Value
	c := rawjson.Cursor{Doc: raw(fTools)}
	r.Tools = c.Array() && c.More()
	r.JSON = rawjson.IsObject(rawjson.Child(raw(fOutputConfig), "format")) || rawjson.IsObject(raw(fOutputFormat))
	r.User, _ = rawjson.Unquote(rawjson.Child(raw(fMetadata), "user_id")) // or nobody's
	if r.FallbacksAt = at[fFallbacks].Value; r.FallbacksAt.Present() {
		var err *wire.Error
		if r.Fallbacks, err = wire.ReadFallbacks(raw(fFallbacks)); err != nil {
			return r, err
		}
	}
	r.Mended = strangers(raw(fMessages))
	var p prompt.Prompt
	p.Read(raw(fSystem))
	head := p.Read(raw(fMessages))
	r.Images = p.Images
	r.Tokens = p.Tokens(len(raw(fTools)))
	r.Prefix = prompt.Prefix(nil, raw(fTools), raw(fSystem), head)
	return r, nil
}

// invalid is a 400 in Anthropic's words: the field, a colon, what is wrong.
func invalid(field, message string) *wire.Error {
	if field != "" {
		message = field + ": " + message
	}
	return &wire.Error{Status: 400, Type: "invalid_request_error", Message: message}
}
