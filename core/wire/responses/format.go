package responses

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Name is not that of a codec: the codec openai at the endpoint responses is
// this format.
const Name = "responses"

// Format is OpenAI's Responses.
var Format = &hub.Format{
	Name: Name, Title: "OpenAI Responses",
	Classify: openai.Classify,
	Usage:    func(e *sse.Event, u *wire.Usage) { *u = openai.ReadUsage(e) },
	Whole:    openai.ReadResponse,
	Failure:  openai.ReadError,
	In: &hub.In{
		Facts: func(a *hub.Ask) (wire.Request, error) {
			return openai.Read(sdk.Responses, a.Header.Get("Content-Type"), a.Body)
		},
		Request: request, Response: appendAnswer,
		Writer: func(*wire.Request) hub.Writer { return &writer{} },
		Error:  openai.AppendError,
		ErrorEvent: func(dst []byte, e *wire.Error, sequence int64) []byte {
			return openai.AppendErrorEvent(dst, sdk.Responses, e, sequence)
		},
	},
	Out: &hub.Out{
		Rules: rules, Request: outgoing, Response: readAnswer,
		Reader: func(*hub.Request) hub.Reader { return &reader{} },
	},
}

// rules are those of OpenAI Chat, but for what responses lack.
var rules = func() hub.Rules {
	r := openai.Format.Out.Rules
	for _, f := range []hub.Field{hub.Seed, hub.FrequencyPenalty, hub.PresencePenalty, hub.LogitBias} {
		r[f] = hub.Rule{How: hub.Dropped}
	}
	for _, f := range []hub.Field{hub.N, hub.Logprobs, hub.TopLogprobs, hub.Modalities, hub.AudioOut, hub.WebSearch, hub.AudioIn} {
		r[f] = hub.Rule{How: hub.Refused}
	}
	r[hub.Stop] = hub.Rule{How: hub.Refused, Note: "it has no stop sequences"}
	r[hub.Store] = hub.Rule{How: hub.Ignored, Note: "nothing is stored"}
	r[hub.Prediction] = hub.Rule{How: hub.Ignored, Note: "it only saves time"}
	r[hub.Names] = hub.Rule{How: hub.Dropped}
	r[hub.FileURL] = hub.Rule{How: hub.Native}
	r[hub.AllowedTools] = hub.Rule{How: hub.Refused}
	r[hub.ToolResultImages] = hub.Rule{How: hub.Native}
	r[hub.CustomTools] = hub.Rule{How: hub.Native}
	return r
}()
