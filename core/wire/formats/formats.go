// Package formats is the table of all wire formats: one line each.
package formats

import (
	"slices"

	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
	"github.com/smart-ai-router/smartrouter/core/wire/bedrock"
	"github.com/smart-ai-router/smartrouter/core/wire/cohere"
	"github.com/smart-ai-router/smartrouter/core/wire/gemini"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/ollama"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/responses"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// All are the formats, in the order of the documentation.
var All = []*hub.Format{
	openai.Format,
	responses.Format,
	anthropic.Format,
	ollama.Format,
	bedrock.Format,
	cohere.Format,
	gemini.Format,
}

// framed are formats of All that some clients get in another framing.
var framed = []*hub.Format{gemini.Array, gemini.One}

var byName = func() map[string]*hub.Format {
	m := make(map[string]*hub.Format, len(All))
	for _, f := range slices.Concat(All, framed) {
		m[f.Name] = f
	}
	return m
}()

// Of is the format that a provider is spoken to in, by the name of the codec
// that its adapter gave for an endpoint; nil: there is none of that name.
func Of(codec string, e sdk.Endpoint) *hub.Format {
	if codec == "" {
		codec = openai.Name
	}
	if codec == openai.Name && e == sdk.Responses {
		return responses.Format
	}
	return byName[codec]
}

// Way is the n-th endpoint, from 0, that does what a client's does; 0 is that one
// itself. A target is asked by the first that its provider has.
func Way(e sdk.Endpoint, n int) (sdk.Endpoint, bool) {
	if n == 0 {
		return e, true
	}
	if others := ways[e]; n <= len(others) {
		return others[n-1], true
	}
	return "", false
}

var ways = map[sdk.Endpoint][]sdk.Endpoint{
	sdk.Chat:      {sdk.Responses},
	sdk.Responses: {sdk.Chat},
}
