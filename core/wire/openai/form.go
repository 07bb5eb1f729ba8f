package openai

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/prompt"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// ReadForm reads a multipart/form-data body of the given content type, as
// audio transcriptions, translations and image edits have it. The error is
// always a *[wire.Error] with status 400.
//
// Our fallbacks come as the field fallbacks or fallbacks[], repeated, or once
// as a JSON array.
func ReadForm(endpoint sdk.Endpoint, contentType string, body []byte) (wire.Request, error) {
	r := wire.Request{Endpoint: endpoint, N: 1}
	boundary, err := formBoundary(contentType)
	if err != nil {
		return r, invalid("", "", err.Error())
	}
	parts, err := splitForm(body, boundary)
	if err != nil {
		return r, invalid("", "", "invalid multipart body: "+err.Error())
	}
	seen := map[string]bool{}
	for i := range parts {
		p := &parts[i]
		value := p.value.Of(body)
		if isFallbacks(p.name) && !p.file {
			if r.Fallbacks, err = formFallbacks(r.Fallbacks, value); err != nil {
				return r, err
			}
			continue
		}
		switch p.name {
		case "image", "image[]", "mask":
			r.Images = true
			continue
		case "model", "stream", "n", "user", "prompt":
		default:
			continue
		}
		if p.file || seen[p.name] {
			return r, invalid(p.name, "invalid_value", "must be one plain field of the form")
		}
		seen[p.name] = true
		switch p.name {
		case "model":
			r.Model, r.ModelAt = string(value), p.value
			if r.Model == "" {
				return r, invalid("model", "invalid_value", "must not be empty")
			}
		case "stream":
			if r.Stream, err = strconv.ParseBool(strings.ToLower(string(value))); err != nil {
				return r, invalid("stream", "invalid_type", "must be true or false")
			}
		case "n":
			if n, ok := rawjson.Int(value); ok && n > 1 {
				r.N = int(min(n, 1<<20))
			}
		case "user":
			r.User = string(value)
		case "prompt":
			r.Tokens = int64(len(value)+prompt.BytesPerToken-1) / prompt.BytesPerToken
		}
	}
	if r.Model == "" && !modelOptional(endpoint) {
		return r, invalid("model", "missing_required_parameter", "you must say which model is to answer")
	}
	if err := wire.CheckFallbacks(r.Fallbacks); err != nil {
		return r, err
	}
	return r, nil
}

// SpliceForm appends to dst the body, from which r was read, with another
// model's name and without our own fields. Every other byte stays, so the
// content type does too.
func SpliceForm(dst []byte, contentType string, body []byte, model string) ([]byte, error) {
	boundary, err := formBoundary(contentType)
	if err != nil {
		return dst, fmt.Errorf("openai: %w", err)
	}
	parts, err := splitForm(body, boundary)
	if err != nil {
		return dst, fmt.Errorf("openai: %w", err)
	}
	if strings.ContainsAny(model, "\r\n\x00") || strings.HasPrefix(model, "--"+boundary) {
		return dst, fmt.Errorf("openai: model name %q cannot stand in a form", model)
	}
	from, named := 0, false
	for i := range parts {
		switch p := &parts[i]; {
		case isFallbacks(p.name) && !p.file:
			dst = append(dst, body[from:p.whole.Start]...)
			from = p.whole.End
		case p.name == "model":
			dst = append(append(dst, body[from:p.value.Start]...), model...)
			from, named = p.value.End, true
		}
	}
	if named || model == "" {
		return append(dst, body[from:]...), nil
	}
	// The client left the model to the provider's default, but we chose one.
	last := len(body) - len(boundary) - 4 // "--" boundary "--"
	if body[len(body)-1] == '\n' {
		last -= 2
	}
	dst = append(dst, body[from:last]...)
	dst = append(dst, "--"+boundary+"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"+model+"\r\n"...)
	return append(dst, body[last:]...), nil
}

func isFallbacks(name string) bool { return name == "fallbacks" || name == "fallbacks[]" }

func formFallbacks(names []string, value []byte) ([]string, error) {
	if len(value) > 0 && value[0] == '[' && rawjson.Valid(value) {
		more, err := wire.ReadFallbacks(value)
		if err != nil {
			return nil, err
		}
		return append(names, more...), nil
	}
	if len(value) == 0 {
		return nil, invalid("fallbacks", "invalid_value", "must not be empty")
	}
	return append(names, string(value)), nil
}
