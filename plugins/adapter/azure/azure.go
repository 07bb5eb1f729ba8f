// Package azure is the adapter for Azure OpenAI, which speaks OpenAI's wire format
// at addresses of its own.
//
// A channel is a resource, such as https://NAME.openai.azure.com, and its models
// are that resource's deployments; a channel's aliases give them the models'
// usual names. There are two APIs:
//
//   - v1, where there is no api_version or the base URL ends in /v1: a request
//     goes to /openai/v1 and names its deployment as OpenAI's names a model.
//   - the dated one, by api_version, such as 2024-10-21: a request goes to
//     /openai/deployments/DEPLOYMENT, but for responses, which are found without it.
//
// The provider's and the channel's settings:
//
//	api_version   a date, or preview for what v1 has in preview
//	auth          header, the key in api-key, by default; bearer for a token of
//	              Entra's; or none
//	endpoints     the endpoints that have a deployment, such as "chat, embeddings";
//	              all by default
//	no_models     "true": there is no list of models
//	header.NAME   a header to send
package azure

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/settings"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "azure", Doc: "Speaks to Azure OpenAI.",
		Computes: true,
		Adapter:  adapter{},
	}
}

// paths are OpenAI's, of what both APIs have.
var paths = map[sdk.Endpoint]string{
	sdk.Chat:            "chat/completions",
	sdk.Completions:     "completions",
	sdk.Embeddings:      "embeddings",
	sdk.Responses:       "responses",
	sdk.ImageGeneration: "images/generations",
	sdk.ImageEdit:       "images/edits",
	sdk.Speech:          "audio/speech",
	sdk.Transcription:   "audio/transcriptions",
	sdk.Translation:     "audio/translations",
	sdk.Models:          "models",
}

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || !settings.Has(c, e) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	p, err := prepare(c, model, e, path)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(azure): channel %q: %w", c.Name, err)
	}
	return p, nil
}

func prepare(c sdk.Channel, model string, e sdk.Endpoint, path string) (sdk.Prepared, error) {
	u, err := base(c)
	if err != nil {
		return sdk.Prepared{}, err
	}
	version := c.Settings["api_version"]
	dated := version != "" && !strings.HasSuffix(u.Path, "/v1")
	if dated && e != sdk.Models && e != sdk.Responses {
		u = u.JoinPath("deployments", url.PathEscape(model))
	}
	u = u.JoinPath(path)
	if version != "" {
		q := u.Query()
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
	p := sdk.Prepared{URL: u.String(), Headers: settings.Headers(c), Codec: "openai"}
	p.Auth, err = settings.Auth(c, sdk.AuthHeader, keyHeader, sdk.AuthHeader, sdk.AuthBearer, sdk.AuthNone)
	return p, err
}

const (
	// preview is the version that v1 takes too.
	preview = "preview"
	// keyHeader has the key of a resource.
	keyHeader = "api-key"
)

// base is the URL that all paths are below. One that is nothing but a host gets
// the API's.
func base(c sdk.Channel) (*url.URL, error) {
	if c.BaseURL == "" {
		return nil, fmt.Errorf(`the resource has an address of its own: set base_url = "https://NAME.openai.azure.com"`)
	}
	if v := c.Settings["api_version"]; v != "" && v != preview {
		return settings.Below(c, "openai")
	}
	return settings.Below(c, "openai", "v1")
}
