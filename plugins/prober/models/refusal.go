package models

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// refusal is what an error's body says.
type refusal struct {
	// isJSON: the body is a JSON object, so it comes from an API.
	isJSON bool
	// message is for people: one line, cut.
	message string
	// text is all that the error says, in lower case.
	text string
}

const (
	maxMessage = 160  // characters
	maxRefusal = 4096 // bytes of a body that are looked at for words
)

// refusalOf reads the usual forms: {"error": {"message", "code", "type"}},
// {"error": "..."}, {"message": "..."}, {"detail": "..."}.
func refusalOf(body []byte) refusal {
	var r refusal
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return r
	}
	r.isJSON = true
	r.text = strings.ToLower(string(plain(body[:min(len(body), maxRefusal)])))
	for _, raw := range []json.RawMessage{outer.Error, outer.Message, outer.Detail} {
		var inner struct {
			Message string `json:"message"`
		}
		var text string
		if json.Unmarshal(raw, &inner) == nil && inner.Message != "" {
			text = inner.Message
		} else if json.Unmarshal(raw, &text) != nil {
			continue
		}
		if r.message = oneLine(text); r.message != "" {
			break
		}
	}
	return r
}

// escape is a character of JSON that is written by its number, as some
// encoders write all that is not ASCII.
var escape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

// plain writes such characters out. It need not be JSON any more.
func plain(body []byte) []byte {
	return escape.ReplaceAllFunc(body, func(e []byte) []byte {
		n, _ := strconv.ParseUint(string(e[2:]), 16, 32) // it has matched
		return utf8.AppendRune(nil, rune(n))
	})
}

// speaksOf reports whether one of the words, in lower case, is in the error.
func (r refusal) speaksOf(words ...string) bool {
	for _, w := range words {
		if strings.Contains(r.text, w) {
			return true
		}
	}
	return false
}

// oneLine makes a stranger's text fit for a log.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "..."
	}
	return s
}
