// Package openai is the adapter for OpenAI and all who speak its wire format.
//
// A request goes to the channel's base URL plus the endpoint's path. A base URL
// is taken as it is, so https://open.bigmodel.cn/api/paas/v4 gets no second
// version; only one that is nothing but a host gets OpenAI's /v1.
//
// The provider's and the channel's settings change the rest:
//
//	auth          bearer (default), header, query, or none
//	auth_name     the header or the query parameter of the key; api-key by default
//	endpoints     the endpoints that the provider has, such as
//	              "chat, embeddings"; all by default. The list of models is
//	              always one of them: no_models = "true" says that there is none
//	header.NAME   a header to send, such as header.X-Title
package openai

import (
	"cmp"
	"context"
	"fmt"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/settings"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "openai", Doc: "Speaks to OpenAI and all who are compatible.",
		Computes: true,
		Adapter:  adapter{},
	}
}

// paths are OpenAI's, below the version.
var paths = map[sdk.Endpoint]string{
	sdk.Chat:            "chat/completions",
	sdk.Completions:     "completions",
	sdk.Embeddings:      "embeddings",
	sdk.Responses:       "responses",
	sdk.ImageGeneration: "images/generations",
	sdk.ImageEdit:       "images/edits",
	sdk.ImageVariation:  "images/variations",
	sdk.Speech:          "audio/speech",
	sdk.Transcription:   "audio/transcriptions",
	sdk.Translation:     "audio/translations",
	sdk.Moderations:     "moderations",
	sdk.Rerank:          "rerank",
	sdk.Models:          "models",
}

// defaultAuthName is what many gateways call a key.
const defaultAuthName = "api-key"

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || !settings.Has(c, e) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := settings.Below(c, "v1")
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(openai): channel %q: %w", c.Name, err)
	}
	auth, err := settings.Auth(c, sdk.AuthBearer, cmp.Or(c.Settings["auth_name"], defaultAuthName),
		sdk.AuthBearer, sdk.AuthHeader, sdk.AuthQuery, sdk.AuthNone)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(openai): channel %q: %w", c.Name, err)
	}
	return sdk.Prepared{URL: u.JoinPath(path).String(), Headers: settings.Headers(c), Auth: auth, Codec: "openai"}, nil
}
