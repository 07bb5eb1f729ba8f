package sdk

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Kind is what a plugin decides.
type Kind string

// The kinds.
const (
	KindSelector   Kind = "selector"
	KindPrechecker Kind = "prechecker"
	KindProber     Kind = "prober"
	KindCache      Kind = "cache"
	KindAdapter    Kind = "adapter"
	KindGuard      Kind = "guard"
	KindObserver   Kind = "observer"
)

// Kinds in the order in which people name them.
var Kinds = []Kind{KindSelector, KindPrechecker, KindProber, KindCache, KindAdapter, KindGuard, KindObserver}

// What a plugin may need beyond its facts. Each is asked for in the manifest
// and granted in the HCL; what is not granted is not there.
const (
	// NeedBilledCalls: it sends POST requests upstream.
	NeedBilledCalls = "billed_calls"
	// NeedPrompt: a guard sees what the model is given to read, an observer what
	// it was, and a [Translator] all that is said.
	NeedPrompt = "prompt"
	// NeedSecret: an adapter, a prober or a prechecker sees the credential of
	// the channel that it is asked about.
	NeedSecret = "secret"
)

// Needs are all that there are.
var Needs = []string{NeedBilledCalls, NeedPrompt, NeedSecret}

// Manifest is what a plugin says of itself.
type Manifest struct {
	Name    string
	Version string
	// Doc is one sentence for people.
	Doc   string
	Kinds []Kind
	// Reads are the facts that the answers depend on.
	Reads []Fact
	// Computes: the handlers never block.
	Computes bool
	// Lane: the batched stream is served too.
	Lane bool
	// Needs are asked for here and granted in the HCL.
	Needs []string
	// Fields is the schema of the config block.
	Fields []Field
}

// Field is one attribute, or one kind of nested block, of a config block.
type Field struct {
	Name     string
	Type     FieldType
	Required bool
	Doc      string
	// Default is JSON; empty for a required field.
	Default string
	// Fields are those of a nested block.
	Fields []Field
	// Min and Max are bounds as a config block has them, such as 1s; empty: none.
	Min, Max string
}

// FieldType is the type of a config attribute.
type FieldType string

// The field types.
const (
	FieldString   FieldType = "string"
	FieldBool     FieldType = "bool"
	FieldInt      FieldType = "int"
	FieldFloat    FieldType = "float"
	FieldDuration FieldType = "duration" // JSON: a string such as "1.5s"
	FieldSize     FieldType = "size"     // JSON: a number of bytes
	FieldList     FieldType = "list"     // of strings
	FieldMap      FieldType = "map"      // of strings
	FieldBlock    FieldType = "block"    // JSON: an array of objects
	// FieldLabel is a string in front of a nested block's braces, as the name
	// in rule "name" { ... }. It is required.
	FieldLabel FieldType = "label"
)

// ConfigError is what a plugin does not accept in its config block.
type ConfigError struct {
	// Path is "max_error_rate", or "rule.1.match" for the attribute match of
	// the second block rule. Empty: the block as a whole.
	Path    string
	Message string
}

func (e ConfigError) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Has reports whether the plugin is of the kind.
func (m Manifest) Has(k Kind) bool { return slices.Contains(m.Kinds, k) }

// Check says what is wrong with the manifest.
func (m Manifest) Check() error {
	if !pluginName.MatchString(m.Name) {
		return fmt.Errorf("manifest: the name %q is not of lower-case letters, digits, - and _", m.Name)
	}
	if m.Version == "" {
		return fmt.Errorf("manifest: no version")
	}
	if len(m.Kinds) == 0 {
		return fmt.Errorf("manifest: no kind")
	}
	for i, k := range m.Kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("manifest: unknown kind %q", string(k))
		}
		if slices.Contains(m.Kinds[:i], k) {
			return fmt.Errorf("manifest: the kind %s is there twice", k)
		}
	}
	for _, f := range m.Reads {
		if _, err := ParseFact(string(f)); err != nil {
			return fmt.Errorf("manifest: reads: %w", err)
		}
	}
	for _, n := range m.Needs {
		if !slices.Contains(Needs, n) {
			return fmt.Errorf("manifest: unknown need %q", n)
		}
	}
	if err := checkFields(m.Fields); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	for _, f := range m.Fields {
		if f.Type == FieldLabel {
			return fmt.Errorf("manifest: field %s: the config block itself has no label", f.Name)
		}
	}
	return nil
}

var fieldTypes = []FieldType{
	FieldString, FieldBool, FieldInt, FieldFloat, FieldDuration, FieldSize, FieldList, FieldMap, FieldBlock, FieldLabel,
}

func checkFields(fields []Field) error {
	seen := make(map[string]bool)
	for _, f := range fields {
		switch {
		case !configName.MatchString(f.Name):
			return fmt.Errorf("field %q: the name is not of lower-case letters, digits and _", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("field %s is there twice", f.Name)
		case !slices.Contains(fieldTypes, f.Type):
			return fmt.Errorf("field %s: unknown type %q", f.Name, string(f.Type))
		case f.Default != "" && !json.Valid([]byte(f.Default)):
			return fmt.Errorf("field %s: the default is no JSON", f.Name)
		case f.Type == FieldBlock && len(f.Fields) == 0:
			return fmt.Errorf("block %s has no fields", f.Name)
		case f.Type != FieldBlock && len(f.Fields) > 0:
			return fmt.Errorf("field %s is no block and has fields", f.Name)
		}
		seen[f.Name] = true
		if err := checkFields(f.Fields); err != nil {
			return fmt.Errorf("block %s: %w", f.Name, err)
		}
	}
	return nil
}
