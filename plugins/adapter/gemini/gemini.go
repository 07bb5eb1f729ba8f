// Package gemini is the adapter for Google's Gemini API and gateways that speak
// its generateContent.
//
// A request goes to models/MODEL:METHOD below the channel's base URL; a base URL
// that is nothing but a host gets Google's /v1beta. Streams are asked for as
// server-sent events. The provider's and the channel's settings change the rest:
//
//	auth         header (default), query, bearer or none
//	auth_name    the header or the query parameter of the key: x-goog-api-key, or
//	             key in a query
//	no_models    "true": there is no list of models
//	header.NAME  a header to send
package gemini

import (
	"cmp"
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
		Name: "gemini", Doc: "Speaks to Google's Gemini API, and all who speak its generateContent.",
		Computes: true,
		Adapter:  adapter{},
	}
}

// methods of a model (https://ai.google.dev/api).
var methods = map[sdk.Endpoint]string{
	sdk.Chat:        "generateContent",
	sdk.CountTokens: "countTokens",
	sdk.Embeddings:  "batchEmbedContents",
}

const (
	streamed = "streamGenerateContent"
	// listed is how many models Google lists at once, at most.
	listed = "1000"
)

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	method, ok := methods[e]
	if e == sdk.Models {
		ok = settings.HasModels(c)
	}
	if !ok {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := settings.Below(c, "v1beta")
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(gemini): channel %q: %w", c.Name, err)
	}
	q := u.Query()
	switch {
	case e == sdk.Models:
		u = u.JoinPath("models")
		q.Set("pageSize", listed)
	case e == sdk.Chat && stream:
		u = u.JoinPath("models", url.PathEscape(model)+":"+streamed)
		q.Set("alt", "sse")
	default:
		u = u.JoinPath("models", url.PathEscape(model)+":"+method)
	}
	u.RawQuery = q.Encode()
	name := "x-goog-api-key"
	if c.Settings["auth"] == string(sdk.AuthQuery) {
		name = "key"
	}
	auth, err := settings.Auth(c, sdk.AuthHeader, cmp.Or(c.Settings["auth_name"], name),
		sdk.AuthHeader, sdk.AuthQuery, sdk.AuthBearer, sdk.AuthNone)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(gemini): channel %q: %w", c.Name, err)
	}
	return sdk.Prepared{URL: u.String(), Headers: settings.Headers(c), Auth: auth, Codec: "gemini"}, nil
}
