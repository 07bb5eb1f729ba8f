package sdk

// Kind is what a plugin decides.
type Kind string

// The kinds.
const (
	KindSelector   Kind = "selector"
	KindPrechecker Kind = "prechecker"
	KindProber     Kind = "prober"
	KindCache      Kind = "cache"
	KindAdapter    Kind = "adapter"
)

// Kinds in the order in which people name them.
var Kinds = []Kind{KindSelector, KindPrechecker, KindProber, KindCache, KindAdapter}

// NeedBilledCalls is what a plugin asks for that sends POST requests upstream.
const NeedBilledCalls = "billed_calls"

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
