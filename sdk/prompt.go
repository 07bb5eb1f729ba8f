package sdk

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// definitions are the top-level fields that hold them, in lower case.
var definitions = map[string]bool{
	"tools": true, "functions": true, "response_format": true, "text": true, "output_config": true, "output_format": true,
	"generationconfig": true, "generation_config": true,
}

// Texts are all pieces of text that a model reads, be they of messages, of the
// arguments and the results of tools, of their definitions, or of instructions.
// What only holds these together, such as roles, types and ids, is none.
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

// promptKeys hold no text that a model reads.
var promptKeys = map[string]bool{
	"role": true, "type": true, "id": true, "call_id": true, "tool_call_id": true, "status": true, "detail": true,
	"encrypted_content": true,
}

type promptWalk struct {
	texts   []Text
	numbers bool
}

func (w *promptWalk) walk(p Prompt) {
	var fields map[string]any
	if json.Unmarshal(p, &fields) != nil {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		role := ""
		if definitions[strings.ToLower(k)] {
			role = RoleDefinitions
		}
		w.value("/"+pointerToken.Replace(k), role, k, fields[k])
	}
}

// value takes in a value at a path, in a message of the role, under a key.
func (w *promptWalk) value(path, role, key string, v any) {
	switch v := v.(type) {
	case string:
		if v != "" && !promptKeys[key] {
			w.texts = append(w.texts, Text{Path: path, Role: role, Text: v})
		}
	case float64:
		w.numbers = w.numbers || role != RoleDefinitions && (key == "input" || key == "prompt")
	case []any:
		for i, e := range v {
			w.value(path+"/"+strconv.Itoa(i), role, key, e)
		}
	case map[string]any:
		if own, ok := v["role"].(string); ok {
			role = own
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			w.value(path+"/"+pointerToken.Replace(k), role, k, v[k])
		}
	}
}

// pointerToken is how a key is written in a JSON pointer.
var pointerToken = strings.NewReplacer("~", "~0", "/", "~1")
