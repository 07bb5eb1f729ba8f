// Command plugin-name is an adapter of Smart AI Router: it says how a provider
// is spoken to. Its answer is data that the router carries out; no byte of a
// request comes here.
package main

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter has the config block's attributes, with their defaults in main.
type adapter struct {
	MaxTokens int `config:"max_tokens" min:"1" doc:"the longest answer where a request does not say"`
}

// paths of the endpoints that the provider has.
var paths = map[sdk.Endpoint]string{
	sdk.Chat:       "/chat/completions",
	sdk.Embeddings: "/embeddings",
	sdk.Models:     "/models",
}

// Prepare answers once for a model and an endpoint of a channel, until the
// configuration changes.
func (a *adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	p := sdk.Prepared{
		URL:   c.BaseURL + path,
		Codec: "openai",
		// The router adds the channel's credential.
		Auth: sdk.Auth{Kind: sdk.AuthBearer},
	}
	if e == sdk.Chat {
		limit := json.RawMessage(strconv.Itoa(a.MaxTokens))
		p.Edits = []sdk.Edit{{Op: sdk.EditDefault, Field: "max_tokens", Value: limit}}
	}
	return p, nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Speaks to a provider by OpenAI's format, with a limit of its own.", Computes: true, Adapter: &adapter{MaxTokens: 4096}})
}
