package bedrock

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

// Name is that of the codec.
const Name = "bedrock"

// Format is Bedrock's Converse.
var Format = &hub.Format{
	Name: Name, Title: "Bedrock Converse",
	Classify: classify, Usage: usageOf, Whole: whole, Failure: failure,
	Out: &hub.Out{
		Rules: rules, Request: outgoing, Response: readAnswer,
		Reader: func(*hub.Request) hub.Reader { return &reader{} },
		Split:  func() hub.Splitter { return &frames{} },
		Reads:  func(url hub.Text) bool { return bytes.HasPrefix(url, []byte("s3://")) },
	},
}

var rules = hub.Rules{
	hub.Temperature: {How: hub.Native, Note: "at most 1 for Claude, and dropped beside its thinking"},
	hub.TopP:        {How: hub.Native, Note: "dropped for Claude beside temperature or thinking"},
	hub.TopK:        {How: hub.Emulated, Note: "additionalModelRequestFields; dropped beside thinking"},
	hub.N:           {How: hub.Refused, Note: "it gives one answer to a request"},
	hub.Seed:        {How: hub.Dropped}, hub.FrequencyPenalty: {How: hub.Dropped}, hub.PresencePenalty: {How: hub.Dropped},
	hub.LogitBias: {How: hub.Dropped},
	hub.Logprobs:  {How: hub.Refused}, hub.TopLogprobs: {How: hub.Refused},
	hub.UserField: {How: hub.Ignored}, hub.Metadata: {How: hub.Ignored, Note: "it is for stored answers"},
	hub.ServiceTier: {How: hub.Native, Note: "auto is left out; unknown ones are dropped"},
	hub.Store:       {How: hub.Ignored}, hub.Prediction: {How: hub.Ignored, Note: "it only saves time"},
	hub.Modalities: {How: hub.Refused, Note: "it answers in text"}, hub.AudioOut: {How: hub.Refused, Note: "it answers in text"},
	hub.WebSearch: {How: hub.Refused}, hub.Verbosity: {How: hub.Dropped},
	hub.PromptCacheKey:       {How: hub.Ignored, Note: "it only saves cost"},
	hub.PromptCacheRetention: {How: hub.Ignored, Note: "it only saves cost"},
	hub.SafetyIdentifier:     {How: hub.Ignored}, hub.SafetySettings: {How: hub.Dropped},
	hub.CacheControl: {How: hub.Emulated, Note: "a cachePoint behind the last message"},

	hub.MaxTokens: {How: hub.Native}, hub.NoMaxTokens: {How: hub.Native},
	hub.Stop:      {How: hub.Native},
	hub.Streaming: {How: hub.Native, Note: hub.ByURL},
	hub.JSONMode:  {How: hub.Emulated, Note: "a line in the system prompt"},
	hub.Schema:    {How: hub.Native, Note: "outputConfig.textFormat"},
	hub.Tools:     {How: hub.Native}, hub.StrictTools: {How: hub.Native},
	hub.CustomTools:     {How: hub.Emulated, Note: "a function of one text, input"},
	hub.ForeignTools:    {How: hub.Refused, Note: "the tool runs at another provider"},
	hub.ToolChoiceField: {How: hub.Native, Note: "none: the tools are left out, or a line in the system prompt where the messages hold calls"},
	hub.AllowedTools:    {How: hub.Refused},
	hub.ParallelCalls:   {How: hub.Emulated, Note: "false: a line in the system prompt"},
	hub.ReasoningEffort: {How: hub.Emulated, Note: "outputConfig.effort, or what the model's family has for it in additionalModelRequestFields"},
	hub.ReasoningBudget: {How: hub.Emulated, Note: "additionalModelRequestFields.thinking; less than maxTokens, else lowered; dropped for families without budgets"},
	hub.SystemMessages:  {How: hub.Native}, hub.DeveloperMessages: {How: hub.Emulated, Note: "as the system's"},
	hub.LaterSystem: {How: hub.Emulated, Note: "joined to the system prompt"},
	hub.Names:       {How: hub.Dropped},
	hub.ImageURL:    {How: hub.Fetched, Note: "but s3://"}, hub.ImageData: {How: hub.Native, Note: "png, jpeg, gif, webp"},
	hub.ImageFile:   {How: hub.Refused, Note: "the file is another provider's"},
	hub.ImageDetail: {How: hub.Ignored}, hub.FileURL: {How: hub.Fetched, Note: "but s3://"}, hub.PDF: {How: hub.Native},
	hub.TextFile: {How: hub.Native}, hub.FileID: {How: hub.Refused, Note: "the file is another provider's"},
	hub.AudioIn:  {How: hub.Native},
	hub.Refusals: {How: hub.Emulated, Note: "as a text"}, hub.Calls: {How: hub.Native}, hub.ToolResults: {How: hub.Native},
	hub.ToolResultImages: {How: hub.Native}, hub.ToolFailed: {How: hub.Native},
	hub.Thoughts:         {How: hub.Native, Note: "those that others signed, or nobody, are left out"},
	hub.RedactedThoughts: {How: hub.Native}, hub.CacheMarks: {How: hub.Native, Note: "a cachePoint"}, hub.CitationsWanted: {How: hub.Native},
	hub.Prefills:     {How: hub.Native},
	hub.ForeignParts: {How: hub.Dropped}, hub.ForeignFields: {How: hub.Dropped},
}
