// Package anthropic is the adapter for Anthropic's Messages and all who speak
// that format, such as vLLM and gateways.
//
// A request goes to the channel's base URL plus messages; a base URL that is
// nothing but a host gets Anthropic's /v1. The provider's and the channel's
// settings change the rest:
//
//	version      the API's version, 2023-06-01 by default, which takes the key
//	             in x-api-key. A later one, such as 2026-10-21, takes it as a
//	             bearer token, and no temperature, top_p or top_k: these are
//	             left out, with a warning to the client
//	auth         bearer, header or none, where the version does not fit
//	auth_name    the header of the key; x-api-key by default
//	beta         features to ask for with every request, separated by commas
//	no_models    "true": there is no list of models
//	header.NAME  a header to send
package anthropic

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
		Name: "anthropic", Doc: "Speaks to Anthropic, and all who speak its Messages.",
		Computes: true,
		Adapter:  adapter{},
	}
}

// paths are Anthropic's, below the version of the URL.
var paths = map[sdk.Endpoint]string{
	sdk.Chat:        "messages",
	sdk.CountTokens: "messages/count_tokens",
	sdk.Models:      "models",
}

const (
	// firstVersion takes the key in a header of its own.
	firstVersion = "2023-06-01"
	// noSampling is the version from which on there is no temperature.
	noSampling = "2026-10-21"
	// listed is how many models Anthropic lists at once, at most.
	listed = "1000"
)

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || e == sdk.Models && !settings.HasModels(c) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := settings.Below(c, "v1")
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(anthropic): channel %q: %w", c.Name, err)
	}
	u = u.JoinPath(path)
	if e == sdk.Models {
		q := u.Query()
		q.Set("limit", listed)
		u.RawQuery = q.Encode()
	}
	version := cmp.Or(c.Settings["version"], firstVersion)
	kind := sdk.AuthBearer
	if version <= firstVersion { // versions are dates
		kind = sdk.AuthHeader
	}
	auth, err := settings.Auth(c, kind, cmp.Or(c.Settings["auth_name"], "x-api-key"), sdk.AuthBearer, sdk.AuthHeader, sdk.AuthNone)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(anthropic): channel %q: %w", c.Name, err)
	}
	p := sdk.Prepared{
		URL: u.String(), Auth: auth, Codec: "anthropic",
		Headers: append([]sdk.Header{{Name: "anthropic-version", Value: version}}, settings.Headers(c)...),
	}
	if beta := c.Settings["beta"]; beta != "" {
		p.Headers = append(p.Headers, sdk.Header{Name: "anthropic-beta", Value: beta})
	}
	if version >= noSampling && e == sdk.Chat {
		for _, field := range [...]string{"temperature", "top_p", "top_k"} {
			p.Edits = append(p.Edits, sdk.Edit{Op: sdk.EditDelete, Field: field})
		}
	}
	return p, nil
}
