// Package ollama is the adapter for Ollama's own API, which says more than its
// imitation of OpenAI's: how long a model stays loaded, how long its context is,
// what it thinks.
//
// A request goes to the channel's base URL plus api/chat, api/embed or api/tags; a
// base URL that ends in /api or /v1 is taken without that. The provider's and the
// channel's settings change the rest:
//
//	keep_alive   how long a model stays loaded after a request, such as 30m, where
//	             the request does not say; -1 for ever
//	auth         none, or bearer, the default, for servers that want a key
//	no_models    "true": the list of models is not to be asked for
//	header.NAME  a header to send
package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/settings"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "ollama", Doc: "Speaks Ollama's own API.",
		Computes: true,
		Adapter:  adapter{},
	}
}

var paths = map[sdk.Endpoint]string{
	sdk.Chat:       "api/chat",
	sdk.Embeddings: "api/embed",
	sdk.Models:     "api/tags",
}

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || e == sdk.Models && !settings.HasModels(c) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := settings.WithoutEnd(c, "/api", "/v1")
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(ollama): channel %q: %w", c.Name, err)
	}
	auth, err := settings.Auth(c, sdk.AuthBearer, "", sdk.AuthBearer, sdk.AuthNone)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(ollama): channel %q: %w", c.Name, err)
	}
	p := sdk.Prepared{URL: u.JoinPath(path).String(), Codec: "ollama", Headers: settings.Headers(c), Auth: auth}
	if keep := c.Settings["keep_alive"]; keep != "" && e != sdk.Models {
		p.Edits = []sdk.Edit{{Op: sdk.EditDefault, Field: "keep_alive", Value: duration(keep)}}
	}
	return p, nil
}

// duration is a number of seconds, or a text with a unit.
func duration(s string) []byte {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return []byte(s)
	}
	quoted, _ := json.Marshal(s) // a string is never refused
	return quoted
}
