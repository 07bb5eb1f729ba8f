package sdk

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Prompt is what the model is given to read: a JSON object of those top-level
// fields of the body that hold it, such as {"messages": [...]}. Everything is at
// the place that it has in the body, so the pointers of a patch are the same.
// Images, audio and files in base64 are cut out: their strings are empty. A text
// in base64 is decoded, and what a patch puts in its place is encoded again. The
// prompt is nil without the grant, and for a body that has none.
type Prompt []byte

// Text is one piece of text in a prompt.
type Text struct {
	// Path is its JSON pointer, such as "/messages/0/content".
	Path string
	// Role of the message that it is in, such as "user"; [RoleDefinitions] in the
	// definitions of tools and of the answer's form; else empty.
	Role string
	Text string
}

// RoleDefinitions is the role of the names and descriptions in the definitions of
// tools, and of the form that the answer is to have.
const RoleDefinitions = "definitions"

// Texts are all pieces of text that a model reads, be they of messages, of the
// arguments and the results of tools, of their definitions, or of instructions.
// What only holds these together, such as roles, types and ids, is none, where it
// is one word.
func (p Prompt) Texts() []Text {
	texts, _ := p.Read()
	return texts
}

// Numbers reports whether some text comes as the numbers of its tokens, which
// the endpoints for completions and embeddings take too.
func (p Prompt) Numbers() bool {
	_, numbers := p.Read()
	return numbers
}

// Read is Texts and Numbers by one look.
func (p Prompt) Read() (texts []Text, numbers bool) {
	w := promptWalk{}
	w.walk(p)
	return w.texts, w.numbers
}

// scope is where in a prompt a value stands.
type scope int

const (
	other      scope = iota // of the prompt
	turn                    // a message or an item, or a list of these
	definition              // of a tool, or of the answer's form
	request                 // a prompt in another
	anything                // what a tool gets or gives: each of its strings is text
)

// fieldScopes are those of top-level fields, named in lower case and without
// underscores.
var fieldScopes = map[string]scope{
	"messages": turn, "input": turn, "contents": turn, "content": turn, "systeminstruction": turn,
	"tools": definition, "functions": definition, "responseformat": definition, "text": definition,
	"outputconfig": definition, "outputformat": definition, "generationconfig": definition,
	"generatecontentrequest": request, "requests": request,
	"documents": anything,
}

// anyKeys hold what a tool is called with, what it gave, and what is filled into
// a prompt; in lower case.
var anyKeys = map[string]bool{"arguments": true, "args": true, "input": true, "response": true, "variables": true}

// promptKeys hold no text that a model reads.
var promptKeys = map[string]bool{
	"role": true, "type": true, "id": true, "call_id": true, "tool_call_id": true, "status": true, "detail": true,
	"encrypted_content": true,
}

// hides tells whether a string under a key is no text.
func (s scope) hides(key, text string) bool {
	switch s {
	case anything:
		return false
	case definition:
		return key == "type" && isWord(text)
	}
	return promptKeys[key] && isWord(text)
}

// isWord tells a name from a text, which somebody may put where a name belongs.
func isWord(s string) bool { return !strings.ContainsFunc(s, unicode.IsSpace) }

type promptWalk struct {
	texts   []Text
	numbers bool
}

func (w *promptWalk) walk(p Prompt) {
	var fields map[string]any
	if json.Unmarshal(p, &fields) == nil {
		w.fields("", fields)
	}
}

func (w *promptWalk) fields(path string, fields map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		s, role := fieldScopes[strings.ReplaceAll(strings.ToLower(k), "_", "")], ""
		if s == definition {
			role = RoleDefinitions
		}
		w.value(path+"/"+pointerToken.Replace(k), role, k, s, fields[k])
	}
}

// value takes in a value at a path, in a message of the role, under a key.
func (w *promptWalk) value(path, role, key string, s scope, v any) {
	switch v := v.(type) {
	case string:
		if v != "" && !s.hides(key, v) {
			w.texts = append(w.texts, Text{Path: path, Role: role, Text: v})
		}
	case float64:
		w.numbers = w.numbers || s != definition && s != anything && (key == "input" || key == "prompt")
	case []any:
		for i, e := range v {
			w.value(path+"/"+strconv.Itoa(i), role, key, s, e)
		}
	case map[string]any:
		switch s {
		case request:
			w.fields(path, v)
			return
		case turn:
			if own, ok := v["role"].(string); ok && isWord(own) {
				role = own
			}
			s = other
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			below := s
			if s == other && anyKeys[strings.ToLower(k)] {
				below = anything
			}
			w.value(path+"/"+pointerToken.Replace(k), role, k, below, v[k])
		}
	}
}

// pointerToken is how a key is written in a JSON pointer.
var pointerToken = strings.NewReplacer("~", "~0", "/", "~1")
