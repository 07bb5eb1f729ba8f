package hub

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Raw is a JSON value as it came, of a body that was found well formed; nil: it
// is not there. It points into that body.
type Raw []byte

// Text is the inside of a JSON string, without its quotes and as escaped as it
// came: what is copied from format to format without being decoded.
type Text []byte

// Request asks for an answer.
type Request struct {
	// From is the format that it came in. Whole in parts, tools and messages is
	// how they came in it: at a target of that format they go out as they came.
	From     string
	Model    string
	Messages []Message
	Tools    []Tool
	Choice   ToolChoice
	// MaxTokens is the longest answer; 0: as long as the model likes.
	MaxTokens int64
	Stop      []Text
	Output    Output
	Reasoning Reasoning
	Stream    bool
	// Usage is wanted in the stream.
	Usage bool
	// Values are the fields that are one value each, by [Field].
	Values [fieldCount]Raw
	// Foreign are top-level fields that only their own format knows.
	Foreign []Foreign
}

// Has tells whether the request has a value for the field.
func (q *Request) Has(f Field) bool {
	v := q.Values[f]
	return len(v) > 0 && string(v) != "null"
}

// Foreign is what only one format knows. It is kept for targets that speak that
// format, and left out or refused at others.
type Foreign struct {
	Format string // its name, such as anthropic
	Key    string // of a field; empty for a part or a tool
	Value  Raw
}

// Called is the name of the tool whose result the message i is; not ok: no call
// before it has its id.
func (q *Request) Called(i int) (name Text, ok bool) {
	id := q.Messages[i].CallID
	for i--; i >= 0; i-- {
		for j := range q.Messages[i].Parts {
			if p := &q.Messages[i].Parts[j]; p.Kind == CallPart && bytes.Equal(p.Call.ID, id) {
				return p.Call.Name, true
			}
		}
	}
	return nil, false
}

// Role is who says a message.
type Role uint8

// The roles.
const (
	User Role = iota
	Assistant
	System
	Developer
	ToolRole // the result of one tool call
)

var roles = [...]string{"user", "assistant", "system", "developer", "tool"}

func (r Role) String() string { return roles[r] }

// RoleOf reads a role's name.
func RoleOf(name []byte) (Role, bool) {
	for i, r := range roles {
		if r == string(name) {
			return Role(i), true
		}
	}
	return 0, false
}

// Message is one turn, or a part of one.
type Message struct {
	Role  Role
	Name  Text
	Parts []Part
	// CallID names the call that a tool's result is of.
	CallID Text
	// Failed: the tool did. OpenAI has no word for it.
	Failed bool
	// Cache is a mark of Anthropic's on the whole of a tool's result.
	Cache Raw
	Whole Raw
}

// LastResults are the results of tools that messages end with.
func LastResults(m []Message) []Message {
	first := len(m)
	for first > 0 && m[first-1].Role == ToolRole {
		first--
	}
	return m[first:]
}

// Kind of a part.
type Kind uint8

// The kinds.
const (
	TextPart Kind = iota
	RefusalPart
	ImagePart
	FilePart
	AudioPart
	CallPart     // the assistant calls a tool
	ThoughtPart  // what the assistant thought; it may be signed
	RedactedPart // what it thought, encrypted
	ForeignPart  // of one format alone
)

// Part is a piece of a message.
type Part struct {
	Kind Kind
	// Text of a text, refusal or thought.
	Text Text
	// Signature of a thought, without which its author does not take it back.
	Signature Text
	// URL of an image or file; empty where its bytes are here.
	URL Text
	// Media is the type of Data, such as image/png; of audio its format, such as wav.
	Media Text
	// Data in base64, or the data of a redacted thought.
	Data Text
	// FileID names an uploaded file.
	FileID Text
	// Filename, Title and Context describe a file.
	Filename, Title, Context Text
	// Detail with which to look at an image.
	Detail Text
	// Call that the assistant makes.
	Call Call
	// Cache is a mark of Anthropic's: what is before may be cached.
	Cache Raw
	// Citations: wanted, on a file; given, on a text.
	Citations Raw
	Foreign   Foreign
	Whole     Raw
}

// Caption of a file is its title, or else its name.
func (p *Part) Caption() Text {
	if len(p.Title) > 0 {
		return p.Title
	}
	return p.Filename
}

// AppendDataURL appends the Data as a string, a URL that has it within (RFC 2397).
func (p *Part) AppendDataURL(dst []byte) []byte {
	dst = append(append(dst, `"data:`...), p.Media...)
	return append(append(append(dst, `;base64,`...), p.Data...), '"')
}

// Call of a tool.
type Call struct {
	ID   Text
	Name Text
	// Input is a JSON object where the model did as it was told. It need not
	// be one: models err.
	Input []byte
	// Custom: the tool is one of free text, which Input then is.
	Custom bool
	// Signature of the thought behind it (Gemini).
	Signature Text
}

// AppendInput appends the input as an object, which most providers want. Models
// err, and what they said is not to be lost.
func (c *Call) AppendInput(dst []byte) []byte {
	in := bytes.TrimSpace(c.Input)
	switch {
	case len(in) == 0:
		return append(dst, "{}"...)
	case rawjson.IsObject(in) && rawjson.Valid(in):
		return append(dst, in...)
	}
	return append(rawjson.AppendQuote(append(dst, `{"arguments":`...), string(c.Input)), '}')
}

// Tool that the model may call.
type Tool struct {
	Name, Description Text
	// Schema of its input; nil: it has none.
	Schema Raw
	Strict Raw
	// Custom is the whole of a tool of free text, which only OpenAI has.
	Custom  Raw
	Cache   Raw
	Foreign Foreign
	Whole   Raw
}

// Parameters are the schema, or that of an input with nothing in it.
func (t *Tool) Parameters() Raw {
	if len(t.Schema) > 0 {
		return t.Schema
	}
	return Raw(`{"type":"object","properties":{}}`)
}

// Choice says whether the model is to call a tool.
type Choice uint8

// The choices.
const (
	Unsaid Choice = iota
	Auto
	None
	Required
	OneTool
	ForeignChoice // such as a list of allowed tools
)

// ToolChoice is a choice.
type ToolChoice struct {
	Choice  Choice
	Name    Text // of the one tool
	Foreign Foreign
	// Single: not more than one call at once.
	Single bool
	// Parallel says so expressly that there may be several.
	Parallel bool
}

// Forced tells whether a tool must be called.
func (c *ToolChoice) Forced() bool { return c.Choice == Required || c.Choice == OneTool }

// Form of the text that is wanted.
type Form uint8

// The forms.
const (
	Free Form = iota
	JSONObject
	JSONSchema
)

// Output is the form that an answer is to have.
type Output struct {
	Form        Form
	Name        Text
	Description Text
	Schema      Raw
	Strict      Raw
	// Whole is the fields that say so, as they came in Request.From.
	Whole Raw
}

// Reasoning says how much a model is to think.
type Reasoning struct {
	// Effort in OpenAI's words: none, minimal, low, medium, high, xhigh; empty: unsaid.
	// What else a client says is the inside of a JSON string, as escaped as it came.
	Effort string
	// Budget in tokens; 0: unsaid.
	Budget int64
	// Off: it is not to think.
	Off bool
	// Adaptive: it says itself how much (Anthropic).
	Adaptive bool
	// Hidden: its thoughts are not to be shown. Shown: they are.
	Hidden, Shown bool
}

// Set tells whether anything is said.
func (r *Reasoning) Set() bool { return *r != Reasoning{} }
