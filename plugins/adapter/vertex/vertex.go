// Package vertex is the adapter for models on Google's Vertex AI: Gemini, and
// Anthropic's Claude.
//
// A request goes to projects/PROJECT/locations/LOCATION/publishers/PUBLISHER/models/MODEL
// at the location's own host, with an access token of the service account whose
// key file is the channel's api_key. Gemini is asked as at the Gemini API, Claude
// by Messages without a model. The provider's and the channel's settings say:
//
//	project      the cloud project. Without one Gemini is asked in express mode, with
//	             an API key
//	location     such as us-east5, us, eu or global, which is the default
//	publisher    google or anthropic; by default the model's name tells
//	auth         google (default), bearer for a token of your own, none, or header,
//	             which express mode has
//	auth_name    the header of the key: x-goog-api-key
//	header.NAME  a header to send
package vertex

import (
	"cmp"
	"context"
	"encoding/json"
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
		Name: "vertex", Doc: "Speaks to Gemini and Claude on Google's Vertex AI.",
		Computes: true,
		Adapter:  adapter{},
	}
}

const (
	google    = "google"
	anthropic = "anthropic"
	// anthropicVersion is what Claude on Vertex AI wants in a body
	// (https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
	anthropicVersion = "vertex-2023-10-16"
)

// call is how an endpoint is called at a publisher: its version of the API, the
// method, and that of a stream.
type call struct{ version, method, streamed string }

// calls are those of
// https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and
// /partner-models/claude/use-claude, /count-tokens.
var calls = map[string]map[sdk.Endpoint]call{
	google: {
		sdk.Chat:        {"v1beta1", "generateContent", "streamGenerateContent"},
		sdk.CountTokens: {"v1beta1", "countTokens", "countTokens"},
	},
	anthropic: {
		sdk.Chat:        {"v1", "rawPredict", "streamRawPredict"},
		sdk.CountTokens: {"v1", "rawPredict", "rawPredict"},
	},
}

// counter is the model that counts for all of Anthropic's.
const counter = "count-tokens"

// Prepare is part of sdk.Adapter.
func (adapter) Prepare(_ context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	publisher := publisherOf(c.Settings, model)
	at, ok := calls[publisher][e]
	if !ok {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	fail := func(format string, args ...any) (sdk.Prepared, error) {
		return sdk.Prepared{}, fmt.Errorf("adapter(vertex): channel %q: %w", c.Name, fmt.Errorf(format, args...))
	}
	project := c.Settings["project"]
	if project == "" && publisher != google {
		return fail("which project? add settings = { project = \"...\" }")
	}
	location := cmp.Or(c.Settings["location"], "global")
	u, err := base(c, location)
	if err != nil {
		return fail("%w", err)
	}
	kind := sdk.AuthGoogle
	if project == "" { // https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/overview
		kind = sdk.AuthHeader
	}
	auth, err := settings.Auth(c, kind, cmp.Or(c.Settings["auth_name"], "x-goog-api-key"),
		sdk.AuthGoogle, sdk.AuthBearer, sdk.AuthHeader, sdk.AuthNone)
	if err != nil {
		return fail("%w", err)
	}
	p := sdk.Prepared{Headers: settings.Headers(c), Auth: auth, Codec: "gemini"}
	if publisher == anthropic {
		p.Codec = anthropic
		p.Edits = []sdk.Edit{{Op: sdk.EditSet, Field: "anthropic_version", Value: json.RawMessage(`"` + anthropicVersion + `"`)}}
		if e == sdk.CountTokens {
			model = counter // the body names the other
		} else {
			p.Edits = append(p.Edits, sdk.Edit{Op: sdk.EditDelete, Field: "model"})
		}
	} else {
		p.Edits = []sdk.Edit{{Op: sdk.EditDelete, Field: "serviceTier"}} // which the Gemini API alone has
	}
	method := at.method
	if stream {
		method = at.streamed
	}
	u = u.JoinPath(at.version)
	if project != "" {
		u = u.JoinPath("projects", url.PathEscape(project), "locations", url.PathEscape(location))
	}
	u = u.JoinPath("publishers", publisher, "models", url.PathEscape(model)+":"+method)
	if stream && publisher == google && e == sdk.Chat {
		u.RawQuery = "alt=sse"
	}
	p.URL = u.String()
	return p, nil
}

// publisherOf is whose a model is.
func publisherOf(settings map[string]string, model string) string {
	if p := settings["publisher"]; p != "" {
		return p
	}
	if strings.HasPrefix(model, "claude") {
		return anthropic
	}
	return google
}

// base is the channel's base URL, or where a location's models are
// (https://cloud.google.com/vertex-ai/docs/general/locations).
func base(c sdk.Channel, location string) (*url.URL, error) {
	if strings.Trim(location, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, fmt.Errorf("location %q is none of Google's", location)
	}
	switch {
	case c.BaseURL != "":
	case location == "global":
		c.BaseURL = "https://aiplatform.googleapis.com"
	case location == "us" || location == "eu":
		c.BaseURL = "https://aiplatform." + location + ".rep.googleapis.com"
	default:
		c.BaseURL = "https://" + location + "-aiplatform.googleapis.com"
	}
	return settings.Base(c)
}
