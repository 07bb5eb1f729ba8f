package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Name is that of the codec.
const Name = "openai"

// Format is OpenAI Chat, and OpenAI's other endpoints where nothing has to be
// translated.
var Format = &hub.Format{
	Name: Name, Title: "OpenAI Chat",
	Classify: Classify,
	Usage:    func(e *sse.Event, u *wire.Usage) { *u = ReadUsage(e) },
	Whole:    ReadResponse,
	Failure:  ReadError,
	In: &hub.In{
		Facts:    func(a *hub.Ask) (wire.Request, error) { return Read(a.Endpoint, a.Header.Get("Content-Type"), a.Body) },
		Request:  ReadHub,
		Response: AppendAnswer,
		Writer:   func(r *wire.Request) hub.Writer { return &chunks{usage: r.Usage} },
		Error:    AppendError,
		ErrorEvent: func(dst []byte, e *wire.Error, _ int64) []byte {
			return AppendErrorEvent(dst, sdk.Chat, e, 0)
		},
	},
	Out: &hub.Out{
		Rules:    rules,
		Request:  request,
		Response: ReadAnswer,
		Reader:   func(*hub.Request) hub.Reader { return &reader{} },
	},
}

// chunks is a client's stream of chat: the hub's own.
type chunks struct{ usage bool }

// Event is part of hub.Writer. The chunk that only has the usage is for those
// who asked for it.
func (w *chunks) Event(dst []byte, e *sse.Event) ([]byte, error) {
	if !w.usage && bytes.Contains(e.Data, []byte(`"usage"`)) && Classify(sdk.Chat, e).Is(wire.UsageOnly) {
		return dst, nil
	}
	return append(dst, e.Raw...), nil
}

// Fail is part of hub.Writer.
func (*chunks) Fail(dst []byte, e *wire.Error) []byte { return AppendErrorEvent(dst, sdk.Chat, e, 0) }

// reader is a provider's stream of chat.
type reader struct{ chunk hub.Chunk }

// Event is part of hub.Reader. What it is is the hub's already, but for calls of
// functions that stand for the client's custom tools.
func (r *reader) Event(out *hub.Events, e *sse.Event) error {
	if e.Data == nil {
		return nil
	}
	if len(out.Customs) == 0 || !bytes.Contains(e.Data, []byte(`"tool_calls"`)) {
		out.Copy(e.Data)
		return nil
	}
	k := &r.chunk
	k.Read(e.Data)
	out.Start(k.ID, k.Model, k.Created)
	for i := range k.Deltas {
		d := &k.Deltas[i]
		if bytes.Contains(e.Data, []byte(`"role"`)) {
			out.Role(d.Index)
		}
		if len(d.Thought) > 0 {
			out.Thought(d.Index, d.Thought)
		}
		if len(d.Text) > 0 {
			out.Text(d.Index, d.Text)
		}
		for _, c := range k.Calls(d) {
			if !c.First || len(c.Name) == 0 {
				out.Arguments(d.Index, c.Index, c.Arguments)
				continue
			}
			call := hub.Call{ID: c.ID, Name: c.Name, Signature: c.Signature}
			call.Input, _ = rawjson.AppendText(nil, c.Arguments)
			out.Call(d.Index, c.Index, &call)
		}
		if d.Reason != "" {
			out.Finish(d.Index, &d.Finish)
		}
	}
	if k.Counted {
		out.Usage(&k.Usage)
	}
	return nil
}

// rules say what OpenAI has no word for.
var rules = hub.Rules{
	hub.Temperature: {How: hub.Native}, hub.TopP: {How: hub.Native}, hub.TopK: {How: hub.Dropped},
	hub.N: {How: hub.Native}, hub.Seed: {How: hub.Native},
	hub.FrequencyPenalty: {How: hub.Native}, hub.PresencePenalty: {How: hub.Native},
	hub.LogitBias: {How: hub.Native}, hub.Logprobs: {How: hub.Native}, hub.TopLogprobs: {How: hub.Native},
	hub.UserField: {How: hub.Native}, hub.Metadata: {How: hub.Native}, hub.ServiceTier: {How: hub.Native},
	hub.Store: {How: hub.Native}, hub.Prediction: {How: hub.Native}, hub.Modalities: {How: hub.Native},
	hub.AudioOut: {How: hub.Native}, hub.WebSearch: {How: hub.Native}, hub.Verbosity: {How: hub.Native},
	hub.PromptCacheKey: {How: hub.Native}, hub.PromptCacheRetention: {How: hub.Native},
	hub.SafetyIdentifier: {How: hub.Native}, hub.SafetySettings: {How: hub.Dropped},
	hub.CacheControl: {How: hub.Ignored, Note: "OpenAI caches by itself"},

	hub.MaxTokens: {How: hub.Native}, hub.NoMaxTokens: {How: hub.Native}, hub.Stop: {How: hub.Native}, hub.Streaming: {How: hub.Native},
	hub.JSONMode: {How: hub.Native}, hub.Schema: {How: hub.Native},
	hub.Tools: {How: hub.Native}, hub.StrictTools: {How: hub.Native}, hub.CustomTools: {How: hub.Emulated, Note: "a function of one text, input: few servers know more"},
	hub.ForeignTools:    {How: hub.Refused, Note: "the tool runs at another provider"},
	hub.ToolChoiceField: {How: hub.Native}, hub.AllowedTools: {How: hub.Native}, hub.ParallelCalls: {How: hub.Native},
	hub.ReasoningEffort: {How: hub.Native},
	hub.ReasoningBudget: {How: hub.Emulated, Note: "reasoning_effort: low to 2,048 tokens, medium to 8,192, else high"},
	hub.SystemMessages:  {How: hub.Native}, hub.DeveloperMessages: {How: hub.Native}, hub.LaterSystem: {How: hub.Native},
	hub.Names: {How: hub.Native}, hub.ImageURL: {How: hub.Native}, hub.ImageData: {How: hub.Native},
	hub.ImageFile:   {How: hub.Refused, Note: "the file is another provider's"},
	hub.ImageDetail: {How: hub.Native},
	hub.FileURL:     {How: hub.Refused, Note: "files must come as base64"},
	hub.PDF:         {How: hub.Native}, hub.TextFile: {How: hub.Emulated, Note: "as a text"},
	hub.FileID: {How: hub.Native}, hub.AudioIn: {How: hub.Native}, hub.Refusals: {How: hub.Native},
	hub.Calls: {How: hub.Native}, hub.ToolResults: {How: hub.Native},
	hub.ToolResultImages: {How: hub.Emulated, Note: "in a message of the user's behind the results"},
	hub.ToolFailed:       {How: hub.Ignored, Note: "the result says so itself"},
	hub.Thoughts:         {How: hub.Ignored, Note: "only their author takes them back"},
	hub.RedactedThoughts: {How: hub.Ignored, Note: "only their author takes them back"},
	hub.CacheMarks:       {How: hub.Ignored, Note: "OpenAI caches by itself"},
	hub.CitationsWanted:  {How: hub.Dropped},
	hub.Prefills:         {How: hub.Native, Note: "as a message; few models go on with it"},
	hub.ForeignParts:     {How: hub.Dropped}, hub.ForeignFields: {How: hub.Dropped},
}
