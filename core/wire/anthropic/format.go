package anthropic

import (
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

// Name is that of the codec.
const Name = "anthropic"

// Format is Anthropic's Messages.
var Format = &hub.Format{
	Name: Name, Title: "Anthropic Messages",
	Classify: classify, Usage: usageOf, Whole: whole,
	Failure: func(status int, header http.Header, body []byte) wire.Failure {
		return openai.ReadError(status, header, body) // which knows its shape and words
	},
	In: &hub.In{
		Facts: facts, Request: request, Response: appendAnswer,
		Writer: func(*wire.Request) hub.Writer { return &writer{} },
		Error:  appendError, ErrorEvent: appendErrorEvent, Tokens: appendTokens,
		SentOn: []string{"Anthropic-Beta"}, Head: head,
		Alive: []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n"),
	},
	Out: &hub.Out{
		Rules: rules, Request: outgoing, Response: readAnswer,
		Reader: func(*hub.Request) hub.Reader { return &reader{} },
	},
}

var rules = hub.Rules{
	hub.Temperature: {How: hub.Native, Note: "at most 1; dropped beside thinking, and by the adapter where `version` is 2026-10-21"},
	hub.TopP:        {How: hub.Native, Note: "dropped by the adapter where `version` is 2026-10-21"},
	hub.TopK:        {How: hub.Native, Note: "dropped by the adapter where `version` is 2026-10-21"},
	hub.N:           {How: hub.Refused, Note: "it gives one answer to a request"},
	hub.Seed:        {How: hub.Dropped}, hub.FrequencyPenalty: {How: hub.Dropped}, hub.PresencePenalty: {How: hub.Dropped},
	hub.LogitBias: {How: hub.Dropped},
	hub.Logprobs:  {How: hub.Refused}, hub.TopLogprobs: {How: hub.Refused},
	hub.UserField: {How: hub.Emulated, Note: "metadata.user_id"}, hub.Metadata: {How: hub.Ignored, Note: "it is for stored answers"},
	hub.ServiceTier: {How: hub.Emulated, Note: "auto, or standard_only for default; others are dropped"},
	hub.Store:       {How: hub.Ignored}, hub.Prediction: {How: hub.Ignored, Note: "it only saves time"},
	hub.Modalities: {How: hub.Refused, Note: "it answers in text"}, hub.AudioOut: {How: hub.Refused, Note: "it answers in text"},
	hub.WebSearch: {How: hub.Refused}, hub.Verbosity: {How: hub.Dropped},
	hub.PromptCacheKey:       {How: hub.Ignored, Note: "it only saves cost"},
	hub.PromptCacheRetention: {How: hub.Ignored, Note: "it only saves cost"},
	hub.SafetyIdentifier:     {How: hub.Emulated, Note: "metadata.user_id"},
	hub.SafetySettings:       {How: hub.Dropped}, hub.CacheControl: {How: hub.Native},

	hub.MaxTokens: {How: hub.Native}, hub.NoMaxTokens: {How: hub.Emulated, Note: "max_tokens 8192"},
	hub.Stop: {How: hub.Native}, hub.Streaming: {How: hub.Native},
	hub.JSONMode: {How: hub.Emulated, Note: "a line in the system prompt"},
	hub.Schema:   {How: hub.Native, Note: "output_config.format"},
	hub.Tools:    {How: hub.Native}, hub.StrictTools: {How: hub.Native},
	hub.CustomTools:     {How: hub.Emulated, Note: "a function of one text, input"},
	hub.ForeignTools:    {How: hub.Refused, Note: "the tool runs at another provider"},
	hub.ToolChoiceField: {How: hub.Native}, hub.AllowedTools: {How: hub.Refused}, hub.ParallelCalls: {How: hub.Native},
	hub.ReasoningEffort: {How: hub.Emulated, Note: "thinking adaptive and output_config.effort; a budget for models before Claude 4.6"},
	hub.ReasoningBudget: {How: hub.Native, Note: "less than max_tokens, else lowered"},
	hub.SystemMessages:  {How: hub.Native}, hub.DeveloperMessages: {How: hub.Emulated, Note: "as the system's"},
	hub.LaterSystem: {How: hub.Emulated, Note: "joined to the system prompt"},
	hub.Names:       {How: hub.Dropped},
	hub.ImageURL:    {How: hub.Native}, hub.ImageData: {How: hub.Native},
	hub.ImageFile:   {How: hub.Refused, Note: "the file is another provider's"},
	hub.ImageDetail: {How: hub.Ignored}, hub.FileURL: {How: hub.Native}, hub.PDF: {How: hub.Native},
	hub.TextFile: {How: hub.Native}, hub.FileID: {How: hub.Refused, Note: "the file is another provider's"},
	hub.AudioIn:  {How: hub.Refused},
	hub.Refusals: {How: hub.Emulated, Note: "as a text"}, hub.Calls: {How: hub.Native}, hub.ToolResults: {How: hub.Native},
	hub.ToolResultImages: {How: hub.Native}, hub.ToolFailed: {How: hub.Native},
	hub.Thoughts:         {How: hub.Native, Note: "those that others signed, or nobody, are left out"},
	hub.RedactedThoughts: {How: hub.Native}, hub.CacheMarks: {How: hub.Native}, hub.CitationsWanted: {How: hub.Native},
	hub.Prefills:     {How: hub.Native},
	hub.ForeignParts: {How: hub.Dropped}, hub.ForeignFields: {How: hub.Dropped},
}
