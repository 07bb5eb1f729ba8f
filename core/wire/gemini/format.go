package gemini

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Name is that of the codec.
const Name = "gemini"

// Format is Gemini's generateContent, whose streams are server-sent events.
var Format = &hub.Format{
	Name: Name, Title: "Gemini",
	Classify: classify, Usage: usageOf, Whole: whole, Failure: failure,
	In: &hub.In{
		Facts: facts, Request: request, Response: appendAnswer,
		Writer: func(*wire.Request) hub.Writer { return &writer{} },
		Error:  appendError, ErrorEvent: appendErrorEvent, Tokens: appendTokens, Rename: rename,
		Other: map[sdk.Endpoint]hub.Asked{sdk.Embeddings: {Request: embedOthers, Response: embeddedAll}},
	},
	Out: &hub.Out{
		Rules: rules, Request: outgoing, Response: readAnswer, Reads: reads,
		Reader: func(*hub.Request) hub.Reader { return &reader{} },
		Other:  map[sdk.Endpoint]hub.Other{sdk.Embeddings: {Request: embed, Response: embedded}},
	},
}

// Array is the same for clients whose streams are one JSON array.
var Array = &hub.Format{
	Name: Name + "-array", Title: "Gemini, streamed as an array",
	Classify: classify, Usage: usageOf, Whole: whole, Failure: failure,
	In: &hub.In{
		Facts: facts, Request: request, Response: appendAnswer,
		Writer: func(*wire.Request) hub.Writer { return &writer{array: true} },
		Error:  appendError, Tokens: appendTokens, Rename: rename,
		ErrorEvent: func(dst []byte, e *wire.Error, _ int64) []byte {
			return (&writer{array: true}).Fail(dst, e)
		},
		StreamType: "application/json", Alive: []byte("\n"),
	},
}

// One is for clients that ask for one embedding by itself. Providers are always
// asked for a batch.
var One = &hub.Format{
	Name: Name + "-one", Title: "Gemini, one embedding",
	Classify: classify, Usage: usageOf, Whole: whole, Failure: failure,
	In: &hub.In{
		Facts: facts, Error: appendError, ErrorEvent: appendErrorEvent,
		Other: map[sdk.Endpoint]hub.Asked{sdk.Embeddings: {Request: embedOthers, Response: embeddedOne}},
	},
}

// reads tells of the places that Gemini fetches from itself: its own files,
// Google's storage, and YouTube (https://ai.google.dev/gemini-api/docs/files,
// /video-understanding).
func reads(url hub.Text) bool {
	for _, of := range [...]string{
		"gs://", "https://generativelanguage.googleapis.com/", "https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/",
	} {
		if bytes.HasPrefix(url, []byte(of)) {
			return true
		}
	}
	return false
}

var rules = hub.Rules{
	hub.Temperature: {How: hub.Native}, hub.TopP: {How: hub.Native}, hub.TopK: {How: hub.Native},
	hub.N: {How: hub.Native, Note: "candidateCount"}, hub.Seed: {How: hub.Native},
	hub.FrequencyPenalty: {How: hub.Native}, hub.PresencePenalty: {How: hub.Native}, hub.LogitBias: {How: hub.Dropped},
	hub.Logprobs: {How: hub.Native}, hub.TopLogprobs: {How: hub.Native},
	hub.UserField: {How: hub.Ignored, Note: "it knows of no users"}, hub.Metadata: {How: hub.Ignored, Note: "it is for stored answers"},
	hub.ServiceTier: {How: hub.Emulated, Note: "flex, priority, or standard for default; others are dropped"},
	hub.Store:       {How: hub.Ignored}, hub.Prediction: {How: hub.Ignored, Note: "it only saves time"},
	hub.Modalities: {How: hub.Refused, Note: "its audio is not OpenAI's"}, hub.AudioOut: {How: hub.Refused, Note: "its audio is not OpenAI's"},
	hub.WebSearch: {How: hub.Emulated, Note: "the tool googleSearch"}, hub.Verbosity: {How: hub.Dropped},
	hub.PromptCacheKey:       {How: hub.Ignored, Note: "it only saves cost"},
	hub.PromptCacheRetention: {How: hub.Ignored, Note: "it only saves cost"},
	hub.SafetyIdentifier:     {How: hub.Ignored, Note: "it knows of no users"},
	hub.SafetySettings:       {How: hub.Native}, hub.CacheControl: {How: hub.Ignored, Note: "it caches by itself"},

	hub.MaxTokens: {How: hub.Native}, hub.NoMaxTokens: {How: hub.Native}, hub.Stop: {How: hub.Native}, hub.Streaming: {How: hub.Native, Note: hub.ByURL},
	hub.JSONMode: {How: hub.Native, Note: "responseMimeType"}, hub.Schema: {How: hub.Native, Note: "responseJsonSchema"},
	hub.Tools: {How: hub.Native, Note: "parametersJsonSchema"}, hub.StrictTools: {How: hub.Emulated, Note: "the mode VALIDATED, where no other is asked for"},
	hub.CustomTools:     {How: hub.Emulated, Note: "a function of one text, input"},
	hub.ForeignTools:    {How: hub.Refused, Note: "the tool runs at another provider"},
	hub.ToolChoiceField: {How: hub.Native}, hub.AllowedTools: {How: hub.Native, Note: "allowedFunctionNames"},
	hub.ParallelCalls:   {How: hub.Emulated, Note: "that there is to be one call is a line in the system instruction"},
	hub.ReasoningEffort: {How: hub.Native, Note: "thinkingLevel; a thinkingBudget for Gemini 2.5; dropped for older models"},
	hub.ReasoningBudget: {How: hub.Native, Note: "a thinkingLevel from Gemini 3 on: LOW to 2,048 tokens, MEDIUM to 8,192, else HIGH"},
	hub.SystemMessages:  {How: hub.Native}, hub.DeveloperMessages: {How: hub.Emulated, Note: "as the system's"},
	hub.LaterSystem: {How: hub.Emulated, Note: "joined to the system instruction"},
	hub.Names:       {How: hub.Dropped},
	hub.ImageURL:    {How: hub.Fetched, Note: "but for gs://, YouTube and its own files"}, hub.ImageData: {How: hub.Native},
	hub.ImageFile:   {How: hub.Refused, Note: "the file is another provider's"},
	hub.ImageDetail: {How: hub.Ignored},
	hub.FileURL:     {How: hub.Fetched, Note: "but for gs://, YouTube and its own files"}, hub.PDF: {How: hub.Native},
	hub.TextFile: {How: hub.Emulated, Note: "as a text"}, hub.FileID: {How: hub.Refused, Note: "the file is another provider's"},
	hub.AudioIn:  {How: hub.Native},
	hub.Refusals: {How: hub.Emulated, Note: "as a text"}, hub.Calls: {How: hub.Native}, hub.ToolResults: {How: hub.Native},
	hub.ToolResultImages: {How: hub.Emulated, Note: "behind the results"}, hub.ToolFailed: {How: hub.Native, Note: "the key error"},
	hub.Thoughts:         {How: hub.Native, Note: "those that others signed, or nobody, are left out"},
	hub.RedactedThoughts: {How: hub.Ignored, Note: "only their author takes them back"},
	hub.CacheMarks:       {How: hub.Ignored, Note: "it caches by itself"}, hub.CitationsWanted: {How: hub.Dropped},
	hub.Prefills:     {How: hub.Native, Note: "as a turn of the model's"},
	hub.ForeignParts: {How: hub.Dropped}, hub.ForeignFields: {How: hub.Dropped},
}
