package cohere

import (
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Name is that of the codec.
const Name = "cohere"

// Format is Cohere's API.
var Format = &hub.Format{
	Name: Name, Title: "Cohere",
	Classify: classify, Usage: usageOf, Whole: whole,
	Failure: openai.ReadError, // which knows its shape and words
	Out: &hub.Out{
		Rules: rules, Request: outgoing, Response: readAnswer,
		Reader: func(*hub.Request) hub.Reader { return &reader{} },
		Other: map[sdk.Endpoint]hub.Other{
			sdk.Embeddings: {Request: embed, Response: embedded},
			sdk.Rerank:     {Request: rerank, Response: reranked},
		},
	},
}

var rules = hub.Rules{
	hub.Temperature: {How: hub.Native}, hub.TopP: {How: hub.Native, Note: "p, from 0.01 to 0.99"}, hub.TopK: {How: hub.Native, Note: "k, at most 500"},
	hub.N: {How: hub.Refused, Note: "it gives one answer to a request"}, hub.Seed: {How: hub.Native},
	hub.FrequencyPenalty: {How: hub.Native, Note: "from 0 to 1"}, hub.PresencePenalty: {How: hub.Native, Note: "from 0 to 1"},
	hub.LogitBias: {How: hub.Dropped},
	hub.Logprobs:  {How: hub.Native}, hub.TopLogprobs: {How: hub.Refused},
	hub.UserField: {How: hub.Ignored}, hub.Metadata: {How: hub.Ignored, Note: "it is for stored answers"},
	hub.ServiceTier: {How: hub.Ignored, Note: "it has one"}, hub.Store: {How: hub.Ignored},
	hub.Prediction: {How: hub.Ignored, Note: "it only saves time"},
	hub.Modalities: {How: hub.Refused, Note: "it answers in text"}, hub.AudioOut: {How: hub.Refused, Note: "it answers in text"},
	hub.WebSearch: {How: hub.Refused}, hub.Verbosity: {How: hub.Dropped},
	hub.PromptCacheKey:       {How: hub.Ignored, Note: "it only saves cost"},
	hub.PromptCacheRetention: {How: hub.Ignored, Note: "it only saves cost"},
	hub.SafetyIdentifier:     {How: hub.Ignored}, hub.SafetySettings: {How: hub.Dropped},
	hub.CacheControl: {How: hub.Ignored, Note: "it caches by itself"},

	hub.MaxTokens: {How: hub.Native}, hub.NoMaxTokens: {How: hub.Native},
	hub.Stop: {How: hub.Native, Note: "the first five"}, hub.Streaming: {How: hub.Native},
	hub.JSONMode: {How: hub.Native, Note: "dropped beside tools and documents"}, hub.Schema: {How: hub.Native, Note: "dropped beside tools and documents"},
	hub.Tools: {How: hub.Native}, hub.StrictTools: {How: hub.Native, Note: "where all are strict"},
	hub.CustomTools:     {How: hub.Emulated, Note: "a function of one text, input"},
	hub.ForeignTools:    {How: hub.Refused, Note: "the tool runs at another provider"},
	hub.ToolChoiceField: {How: hub.Native, Note: "of one tool: no other is sent"}, hub.AllowedTools: {How: hub.Refused},
	hub.ParallelCalls:   {How: hub.Emulated, Note: "that there is to be one call is a line in the system prompt"},
	hub.ReasoningEffort: {How: hub.Emulated, Note: "thinking, with a token_budget of 1,024 for minimal, 2,048 for low, 8,192 for medium"},
	hub.ReasoningBudget: {How: hub.Native},
	hub.SystemMessages:  {How: hub.Native}, hub.DeveloperMessages: {How: hub.Emulated, Note: "as the system's"},
	hub.LaterSystem: {How: hub.Native}, hub.Names: {How: hub.Dropped},
	hub.ImageURL: {How: hub.Native}, hub.ImageData: {How: hub.Native},
	hub.ImageFile: {How: hub.Refused, Note: "the file is another provider's"}, hub.ImageDetail: {How: hub.Native},
	hub.FileURL:  {How: hub.Fetched, Note: "text and images; others are refused"},
	hub.PDF:      {How: hub.Refused, Note: "it takes text and images"},
	hub.TextFile: {How: hub.Emulated, Note: "documents"}, hub.FileID: {How: hub.Refused, Note: "the file is another provider's"},
	hub.AudioIn:  {How: hub.Refused},
	hub.Refusals: {How: hub.Emulated, Note: "as a text"}, hub.Calls: {How: hub.Native}, hub.ToolResults: {How: hub.Native},
	hub.ToolResultImages: {How: hub.Emulated, Note: "in a message of the user's behind the results"},
	hub.ToolFailed:       {How: hub.Ignored, Note: "the result says so itself"},
	hub.Thoughts:         {How: hub.Native}, hub.RedactedThoughts: {How: hub.Ignored, Note: "only their author takes them back"},
	hub.CacheMarks: {How: hub.Ignored, Note: "it caches by itself"}, hub.CitationsWanted: {How: hub.Native},
	hub.Prefills:     {How: hub.Refused, Note: "it begins its answers itself"},
	hub.ForeignParts: {How: hub.Dropped}, hub.ForeignFields: {How: hub.Dropped},
}
