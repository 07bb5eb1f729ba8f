package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// promptFields are the top-level fields that a model reads, in lower case and
// without underscores, in all formats. The third and fourth lines are Gemini's:
// of a chat, and of embeddings and counted tokens. The last two lines are
// definitions of tools and of the answer's form, whose names and descriptions a
// model reads too.
var promptFields = [...]string{
	"messages", "input", "prompt", "suffix", "prediction", "websearchoptions", "instructions", "query", "documents",
	"system", "contextmanagement", // which says how Anthropic is to sum up
	"contents", "systeminstruction",
	"content", "title", "embedcontentconfig", "requests", "generatecontentrequest",
	"tools", "functions",
	"responseformat", "text", "outputconfig", "outputformat", "generationconfig",
}

// Prompt is what a model is given to read by a JSON body, which is well formed:
// an object of those top-level fields that hold it, as they are in the body.
// Images, audio and files in base64 are cut out where a format has them: their
// strings are empty. A text in base64 stands there decoded. It is nil for a body
// without any.
//
// A key that is there twice in one object is an error, a *[wire.Error] with
// status 400: who inspects the prompt could see another text than the model.
func Prompt(body []byte) ([]byte, error) {
	w := inspector{c: rawjson.Cursor{Doc: body}}
	w.prompt()
	if w.twice != "" {
		return nil, invalid("", "invalid_json", fmt.Sprintf("the prompt has the key %.100q twice in one object", w.twice))
	}
	if len(w.out) == 0 {
		return nil, nil
	}
	return append(w.out, '}'), nil
}

// isPrompt matches a key as the least strict of providers does: those written in
// Go know it in any case, and Gemini in camel case as in snake case.
func isPrompt(name []byte) bool {
	if bytes.IndexByte(name, '_') >= 0 {
		name = bytes.ReplaceAll(name, []byte("_"), nil)
	}
	for _, f := range promptFields {
		if bytes.EqualFold(name, []byte(f)) {
			return true
		}
	}
	return false
}

// inspector copies values without the media in them.
type inspector struct {
	c     rawjson.Cursor
	out   []byte
	from  int    // what of the body is not in out yet
	twice string // a key that is twice in one object
	texts []hidden
}

// hidden is a text that a body has in base64.
type hidden struct {
	at   rawjson.Range
	head string // of its data URL
}

func (w *inspector) prompt() {
	c := &w.c
	if !c.Object() {
		return
	}
	for c.Key() {
		if !isPrompt(c.Name) {
			c.Skip()
			continue
		}
		if len(w.out) == 0 {
			w.out = append(w.out, '{')
		} else {
			w.out = append(w.out, ',')
		}
		w.out = append(rawjson.AppendQuote(w.out, string(c.Name)), ':')
		at := inBody.under(string(c.Name))
		c.Peek()
		w.from = c.At
		w.value(at, unsaid)
		w.out = append(w.out, c.Doc[w.from:c.At]...)
	}
}

// value goes over the next value, at a place where media may be of a kind.
func (w *inspector) value(p place, k kind) {
	c := &w.c
	switch {
	case c.Object():
		k = unsaid
		switch p {
		case inSound:
			k = noText
		case inHolder:
			k = kindIn(*c)
		}
		var names keySet
		for c.Key() {
			name := string(c.Name)
			if !names.add(name) && w.twice == "" {
				w.twice = name
			}
			w.value(p.under(name), k)
		}
	case c.Array():
		for c.More() {
			w.value(p, k)
		}
	default:
		at := c.Skip()
		if p != inLink && p != inBlob || c.Doc[at.Start] != '"' {
			return
		}
		shown, text, is := media(p, k, rawjson.Inside(at.Of(c.Doc)))
		if !is {
			return
		}
		w.out = append(append(w.out, c.Doc[w.from:at.Start]...), shown...)
		w.from = at.End
		if text != nil {
			w.texts = append(w.texts, hidden{at, text.head})
		}
	}
}

// keySet finds a key that comes again. Most objects have a few keys.
type keySet struct {
	few  [8]string
	n    int
	more map[string]struct{}
}

func (s *keySet) add(name string) bool {
	for i := range min(s.n, len(s.few)) {
		if s.few[i] == name {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
	} else {
		if _, ok := s.more[name]; ok {
			return false
		}
		if s.more == nil {
			s.more = make(map[string]struct{})
		}
		s.more[name] = struct{}{}
	}
	s.n++
	return true
}

// FormPrompt is [Prompt] for a form, of which a model reads the field prompt.
func FormPrompt(contentType string, body []byte) ([]byte, error) {
	at, _, err := formPrompt(contentType, body)
	if err != nil || at == nil {
		return nil, err
	}
	return append(rawjson.AppendQuote([]byte(`{"prompt":`), string(at.Of(body))), '}'), nil
}

// PatchForm appends to dst a form with a JSON patch applied to what FormPrompt
// said of it: another prompt is the only edit that a form takes.
func PatchForm(dst []byte, contentType string, body, patch []byte) ([]byte, error) {
	at, boundary, err := formPrompt(contentType, body)
	if err != nil {
		return dst, err
	}
	var ops []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		return dst, fmt.Errorf("patch: it is no array of operations: %w", err)
	}
	if len(ops) == 0 {
		return append(dst, body...), nil
	}
	edited := ""
	for _, o := range ops {
		text, isText := o.Value.(string)
		if o.Op != "replace" || o.Path != "/prompt" || !isText || at == nil {
			return dst, fmt.Errorf("patch: %.20s %.100q can't be applied to a form: of one only the prompt can be replaced", o.Op, o.Path)
		}
		edited = text
	}
	if strings.Contains(edited, "--"+boundary) {
		return dst, errors.New("patch: the prompt has the boundary of its form in it")
	}
	dst = append(append(dst, body[:at.Start]...), edited...)
	return append(dst, body[at.End:]...), nil
}

// formPrompt finds the prompt of a form; nil: it has none.
func formPrompt(contentType string, body []byte) (at *rawjson.Range, boundary string, err error) {
	if boundary, err = formBoundary(contentType); err != nil {
		return nil, "", fmt.Errorf("openai: %w", err)
	}
	parts, err := splitForm(body, boundary)
	if err != nil {
		return nil, "", fmt.Errorf("openai: %w", err)
	}
	for i := range parts {
		if parts[i].name == "prompt" && !parts[i].file {
			return &parts[i].value, boundary, nil
		}
	}
	return nil, boundary, nil
}
