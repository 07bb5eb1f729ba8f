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
//	api_version   a query parameter api-version, for Azure. Below a base URL that
//	              does not end in /v1 it also means Azure's older form: the model
//	              is a deployment in the path, but for responses, and the key is
//	              in the header api-key
//	endpoints     the endpoints that the provider has, such as
//	              "chat, embeddings"; all by default. The list of models is
//	              always one of them: no_models = "true" says that there is none
//	header.NAME   a header to send, such as header.X-Title
package openai

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// adapter is the plugin. It has no config block: what differs does so by
// provider, in its settings.
type adapter struct{}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "openai", Doc: "Speaks to OpenAI, Azure OpenAI, and all who are compatible.",
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

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok || !offers(c, e) {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	u, err := base(c)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(openai): channel %q: %w", c.Name, err)
	}
	version := c.Settings["api_version"]
	byDeployment := version != "" && !strings.HasSuffix(u.Path, "/v1")
	if byDeployment && e != sdk.Models && e != sdk.Responses { // a response is found without its model
		u = u.JoinPath("deployments", url.PathEscape(model))
	}
	u = u.JoinPath(path)
	if version != "" {
		q := u.Query()
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
	auth, err := authOf(c.Settings, byDeployment)
	if err != nil {
		return sdk.Prepared{}, fmt.Errorf("adapter(openai): channel %q: %w", c.Name, err)
	}
	return sdk.Prepared{URL: u.String(), Headers: headers(c.Settings), Auth: auth, Codec: "openai"}, nil
}

// offers reports whether the provider has the endpoint.
func offers(c sdk.Channel, e sdk.Endpoint) bool {
	if e == sdk.Models {
		return c.Settings["no_models"] != "true"
	}
	list, ok := c.Settings["endpoints"]
	if !ok {
		return true
	}
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.TrimSpace(s) == string(e)
	})
}

// base is the URL that all paths are below.
func base(c sdk.Channel) (*url.URL, error) {
	if c.BaseURL == "" {
		return nil, fmt.Errorf("the provider %q has no address of its own: set base_url", c.Provider)
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("base_url %q is no http or https address", c.BaseURL)
	}
	if strings.Trim(u.Path, "/") != "" {
		return u, nil
	}
	switch azure := strings.HasSuffix(u.Hostname(), ".azure.com"); {
	case azure && c.Settings["api_version"] != "":
		return u.JoinPath("openai"), nil
	case azure:
		return u.JoinPath("openai", "v1"), nil
	default:
		return u.JoinPath("v1"), nil
	}
}

// defaultAuthName is Azure's name of a key, and that of many gateways.
const defaultAuthName = "api-key"

func authOf(settings map[string]string, byDeployment bool) (sdk.Auth, error) {
	kind := sdk.AuthKind(settings["auth"])
	if kind == "" {
		kind = sdk.AuthBearer
		if byDeployment {
			kind = sdk.AuthHeader
		}
	}
	switch kind {
	case sdk.AuthNone, sdk.AuthBearer:
		return sdk.Auth{Kind: kind}, nil
	case sdk.AuthHeader, sdk.AuthQuery:
		name := settings["auth_name"]
		if name == "" {
			name = defaultAuthName
		}
		return sdk.Auth{Kind: kind, Name: name}, nil
	default:
		return sdk.Auth{}, fmt.Errorf("auth = %q is unknown; there are bearer, header, query and none", kind)
	}
}

// headers are the settings header.*, in order.
func headers(settings map[string]string) []sdk.Header {
	var hs []sdk.Header
	for k, v := range settings {
		if name, ok := strings.CutPrefix(k, "header."); ok && name != "" {
			hs = append(hs, sdk.Header{Name: name, Value: v})
		}
	}
	slices.SortFunc(hs, func(a, b sdk.Header) int { return strings.Compare(a.Name, b.Name) })
	return hs
}
