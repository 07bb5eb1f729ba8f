package demo

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"unicode"
)

// content of a message: a string, or parts of which some are text.
type content string

// UnmarshalJSON keeps the text and leaves images and the like out.
func (c *content) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*c = content(s)
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	var texts []string
	for _, p := range parts {
		if p.Text != "" {
			texts = append(texts, p.Text)
		}
	}
	*c = content(strings.Join(texts, "\n"))
	return nil
}

// message is one of a chat, or one item of a response's input.
type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// format is what a client wants the answer to be.
type format struct {
	Type string `json:"type"`
}

func (f format) isJSON() bool { return f.Type == "json_object" || f.Type == "json_schema" }

// maxEcho bounds how much of the question is repeated, in characters.
const maxEcho = 200

// say answers the last thing that the user said.
func say(messages []message, f format) string {
	asked := ""
	for _, m := range messages {
		if m.Role == "user" || m.Role == "" {
			asked = strings.Join(strings.Fields(string(m.Content)), " ")
		}
	}
	if runes := []rune(asked); len(runes) > maxEcho {
		asked = string(runes[:maxEcho]) + "..."
	}
	if f.isJSON() {
		b, err := json.Marshal(object{"demo": true, "you_said": asked, "answer": "The demo provider knows no schemas: add a real one to router.hcl."})
		if err != nil {
			return "{}"
		}
		return string(b)
	}
	return `You said: "` + asked + `"

This is the demo provider of Smart AI Router. No model was asked and nothing was spent, but your request took the real way: selector, pre-check, adapter, upstream and stream.

To talk to a model, add a channel to router.hcl:

channel "openai" {
  provider = provider.openai
  api_key  = env("OPENAI_API_KEY")
}

Then ask for one of its models, such as gpt-4o-mini. GET /v1/models lists all there are.`
}

// wordsOf cuts a text so that its pieces joined are the text again. A word and
// the white space behind it count as one token.
func wordsOf(text string) []string {
	var words []string
	start, space := 0, false
	for i, r := range text {
		if unicode.IsSpace(r) {
			space = true
		} else if space {
			words = append(words, text[start:i])
			start, space = i, false
		}
	}
	if start < len(text) {
		words = append(words, text[start:])
	}
	return words
}

// limited cuts an answer to a number of tokens. Zero or nil: no limit.
func limited(words []string, limits ...*int) (cut []string, complete bool) {
	for _, l := range limits {
		if l != nil && *l > 0 && *l < len(words) {
			return words[:*l], false
		}
	}
	return words, true
}

// tokensIn counts as the answers do.
func tokensIn(messages []message) int {
	n := 0
	for _, m := range messages {
		n += len(wordsOf(string(m.Content)))
	}
	return n
}

// newID is a provider's kind of id.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }
