package wall

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A recursive schema is cut short at maxDepth levels, a wide one near maxInstance bytes.
const (
	maxDepth    = 12
	maxInstance = 64 << 10
)

// schema is the part of JSON Schema that structured outputs allow; see
// https://developers.openai.com/api/docs/guides/structured-outputs.
type schema struct {
	Type       typeNames          `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	MinItems   int                `json:"minItems"`
	Enum       []json.RawMessage  `json:"enum"`
	Const      json.RawMessage    `json:"const"`
	AnyOf      []*schema          `json:"anyOf"`
	OneOf      []*schema          `json:"oneOf"`
	Ref        string             `json:"$ref"`
	Format     string             `json:"format"`
	Minimum    *float64           `json:"minimum"`
	Defs       map[string]*schema `json:"$defs"`
	Older      map[string]*schema `json:"definitions"`
}

// typeNames is one name or a list of them.
type typeNames []string

func (n *typeNames) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*n = make(typeNames, 1)
		return json.Unmarshal(text, &(*n)[0])
	}
	return json.Unmarshal(text, (*[]string)(n))
}

// instance is a value that fits a schema, the same each time; {} where the schema can't be read.
func instance(text json.RawMessage) string {
	var root schema
	if len(text) == 0 || json.Unmarshal(text, &root) != nil {
		return "{}"
	}
	if len(root.Type) == 0 && root.Ref == "" && len(root.AnyOf) == 0 && len(root.Properties) == 0 {
		return "{}"
	}
	return string(root.value(nil, &root, "value", 0))
}

func (s *schema) value(b []byte, root *schema, name string, depth int) []byte {
	switch {
	case s == nil || depth > maxDepth || len(b) > maxInstance:
		return append(b, "null"...)
	case s.Ref != "":
		return root.find(s.Ref).value(b, root, name, depth+1)
	case s.Const != nil:
		return append(b, s.Const...)
	case len(s.Enum) > 0:
		return append(b, s.Enum[0]...)
	case len(s.AnyOf) > 0:
		return pick(s.AnyOf, depth).value(b, root, name, depth+1)
	case len(s.OneOf) > 0:
		return pick(s.OneOf, depth).value(b, root, name, depth+1)
	}
	switch s.kind() {
	case "object":
		b = append(b, '{')
		for i, property := range s.names() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSON(b, property), ':')
			b = s.Properties[property].value(b, root, property, depth+1)
		}
		return append(b, '}')
	case "array":
		b = append(b, '[')
		// A list that holds its own kind must come to an end.
		for i := range max(s.MinItems, min(1, maxDepth/2-depth)) {
			if len(b) > maxInstance {
				break
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = s.Items.value(b, root, name, depth+1)
		}
		return append(b, ']')
	case "integer", "number":
		if s.Minimum != nil {
			return strconv.AppendFloat(b, *s.Minimum, 'f', -1, 64)
		}
		return append(b, '1')
	case "boolean":
		return append(b, "true"...)
	case "null":
		return append(b, "null"...)
	}
	return appendJSON(b, s.word(name))
}

// kind is the first type that is not null.
func (s *schema) kind() string {
	if s == nil {
		return "null"
	}
	for _, name := range s.Type {
		if name != "null" {
			return name
		}
	}
	switch {
	case len(s.Type) > 0:
		return "null"
	case s.Properties != nil:
		return "object"
	case s.Items != nil:
		return "array"
	}
	return "string"
}

// names of the properties: the required ones as they are listed, then the others by name.
func (s *schema) names() []string {
	var names []string
	for _, name := range s.Required {
		if s.Properties[name] != nil {
			names = append(names, name)
		}
	}
	required := len(names)
	for name := range s.Properties {
		if !slices.Contains(s.Required, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names[required:])
	return names
}

// word is a string of a format; of none, it is the name of what it is for.
func (s *schema) word(name string) string {
	switch s.Format {
	case "date-time":
		return "2026-01-02T03:04:05Z"
	case "date":
		return "2026-01-02"
	case "time":
		return "03:04:05Z"
	case "email":
		return "wall@example.com"
	case "uuid":
		return "6f1ed002-ab5c-4f5c-a1f6-1c0f3b1b4a6e"
	case "uri", "url":
		return "https://example.com/wall"
	}
	return name
}

// pick is the first choice; deep inside, a null if there is one, so that recursion ends.
func pick(choices []*schema, depth int) *schema {
	for _, s := range choices {
		if s.kind() == "null" == (depth > maxDepth/2) {
			return s
		}
	}
	return choices[0]
}

func (s *schema) find(ref string) *schema {
	if ref == "#" {
		return s
	}
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
		return s.Defs[name]
	}
	return s.Older[strings.TrimPrefix(ref, "#/definitions/")]
}

func itoa(n int) string { return strconv.Itoa(n) }
