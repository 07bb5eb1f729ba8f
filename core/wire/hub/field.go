package hub

import "fmt"

// Field is one thing that a request may ask for: a top-level field, or what
// messages and tools have in them.
type Field uint8

// The fields. Those up to the last value are one JSON value each, in
// [Request.Values]; the others are told by what is in the request.
const (
	Temperature Field = iota
	TopP
	TopK
	N
	Seed
	FrequencyPenalty
	PresencePenalty
	LogitBias
	Logprobs
	TopLogprobs
	UserField
	Metadata
	ServiceTier
	Store
	Prediction
	Modalities
	AudioOut
	WebSearch
	Verbosity
	PromptCacheKey
	PromptCacheRetention
	SafetyIdentifier
	SafetySettings
	CacheControl
	fieldCount // of those that are one value

	MaxTokens Field = iota - 1
	NoMaxTokens
	Stop
	Streaming
	JSONMode
	Schema
	Tools
	StrictTools
	CustomTools
	ForeignTools
	ToolChoiceField
	AllowedTools
	ParallelCalls
	ReasoningEffort
	ReasoningBudget
	SystemMessages
	DeveloperMessages
	LaterSystem
	Names
	ImageURL
	ImageData
	ImageFile
	ImageDetail
	FileURL
	PDF
	TextFile
	FileID
	AudioIn
	Refusals
	Calls
	ToolResults
	ToolResultImages
	ToolFailed
	Thoughts
	RedactedThoughts
	CacheMarks
	CitationsWanted
	Prefills
	ForeignParts
	ForeignFields
	allFields
)

// names are OpenAI's where it has one.
var names = [allFields]string{
	Temperature: "temperature", TopP: "top_p", TopK: "top_k", N: "n", Seed: "seed",
	FrequencyPenalty: "frequency_penalty", PresencePenalty: "presence_penalty", LogitBias: "logit_bias",
	Logprobs: "logprobs", TopLogprobs: "top_logprobs", UserField: "user", Metadata: "metadata",
	ServiceTier: "service_tier", Store: "store", Prediction: "prediction", Modalities: "modalities",
	AudioOut: "audio", WebSearch: "web_search_options", Verbosity: "verbosity",
	PromptCacheKey: "prompt_cache_key", PromptCacheRetention: "prompt_cache_retention",
	SafetyIdentifier: "safety_identifier", SafetySettings: "safety_settings", CacheControl: "cache_control",

	MaxTokens: "max_completion_tokens", NoMaxTokens: "max_completion_tokens, absent", Stop: "stop", Streaming: "stream",
	JSONMode: "response_format: json_object", Schema: "response_format: json_schema",
	Tools: "tools", StrictTools: "tools: strict", CustomTools: "tools: custom", ForeignTools: "tools of the provider",
	ToolChoiceField: "tool_choice", AllowedTools: "tool_choice: allowed_tools", ParallelCalls: "parallel_tool_calls",
	ReasoningEffort: "reasoning_effort", ReasoningBudget: "reasoning budget in tokens",
	SystemMessages: "messages: system", DeveloperMessages: "messages: developer",
	LaterSystem: "messages: system, later than the first", Names: "messages: name",
	ImageURL: "image by URL", ImageData: "image in base64", ImageFile: "image by file id", ImageDetail: "image detail",
	FileURL: "file by URL", PDF: "PDF in base64", TextFile: "text file", FileID: "file by id", AudioIn: "audio in base64",
	Refusals: "messages: refusal", Calls: "messages: tool_calls", ToolResults: "messages: tool",
	ToolResultImages: "messages: tool, with images or files", ToolFailed: "messages: tool, failed (is_error)",
	Thoughts: "messages: thinking, signed", RedactedThoughts: "messages: thinking, encrypted",
	CacheMarks: "cache_control in messages and tools", CitationsWanted: "citations of files",
	Prefills: "messages: the assistant's begun answer", ForeignParts: "parts of one format alone",
	ForeignFields: "fields of one format alone",
}

func (f Field) String() string {
	if f < allFields {
		return names[f]
	}
	return fmt.Sprintf("field %d", uint8(f))
}

// IsValue tells whether the field is one JSON value, in [Request.Values].
func (f Field) IsValue() bool { return f < fieldCount }

// Fields lists all of them, in order.
func Fields() []Field {
	all := make([]Field, allFields)
	for i := range all {
		all[i] = Field(i)
	}
	return all
}

// Set of fields.
type Set [2]uint64

func (s *Set) add(f Field) { s[f/64] |= 1 << (f % 64) }

// Has tells whether the field is in the set.
func (s *Set) Has(f Field) bool { return s[f/64]>>(f%64)&1 == 1 }

// How is what becomes of a field at a target.
type How uint8

// The ways. The zero How is none: a format says something of every field.
const (
	Untold   How = iota
	Native       // the target has it
	Emulated     // the target is asked in another way for about the same
	Fetched      // the target needs bytes: the core puts what a URL leads to in its place
	Dropped      // left out, with a warning
	Refused      // 400: the answer would not be what was asked for
	Ignored      // left out without a word: it changes nothing in the answer
)

var hows = [...]string{"", "yes", "emulated", "fetched", "dropped", "refused", "left out"}

func (h How) String() string { return hows[h] }

// Rule is what becomes of one field, and in few words how or why.
type Rule struct {
	How  How
	Note string
}

// ByURL is the note of what the body of a request says nothing of, as the
// adapter's URL does.
const ByURL = "by the URL"

// Rules of a format, by field.
type Rules [allFields]Rule
