// Package cohere is the adapter for version 2 of Cohere's API.
//
// A request goes to the channel's base URL plus v2/chat, v2/embed, v2/rerank or
// v1/models, which has no second version; a base URL that ends in /v1 or /v2 is
// taken without that. The provider's and the channel's settings change the rest:
//
//	auth         bearer, the default, or none
//	no_models    "true": the list of models is not to be asked for
//	header.NAME  a header to send, such as header.X-Client-Name
package cohere

import (
	"context"
	"fmt"
	"net/url"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/settings"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "cohere", Doc: "Speaks to Cohere.",
		Computes: true,
		Adapter:  adapter{},
	}
}

var paths = map[sdk.Endpoint]string{
	sdk.Chat:       "v2/chat",
	sdk.Embeddings: "v2/embed",
	sdk.Rerank:     "v2/rerank",
	sdk.Models:     "v1/models",
}

// listed is how many models Cohere lists at once, at most.
const listed = "1000"

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || e == sdk.Models && !settings.HasModels(c) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := settings.WithoutEnd(c, "/v1", "/v2")
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(cohere): channel %q: %w", c.Name, err)
	}
	u = u.JoinPath(path)
	if e == sdk.Models {
		u.RawQuery = url.Values{"page_size": {listed}}.Encode()
	}
	auth, err := settings.Auth(c, sdk.AuthBearer, "", sdk.AuthBearer, sdk.AuthNone)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(cohere): channel %q: %w", c.Name, err)
	}
	return sdk.Prepared{URL: u.String(), Codec: "cohere", Headers: settings.Headers(c), Auth: auth}, nil
}
