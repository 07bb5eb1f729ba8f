package anthropic

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	key := sdk.Auth{Kind: sdk.AuthHeader, Name: "x-api-key"}
	first := []sdk.Header{{Name: "anthropic-version", Value: "2023-06-01"}}
	latest := []sdk.Header{{Name: "anthropic-version", Value: "2026-10-21"}}
	noSampling := []sdk.Edit{
		{Op: sdk.EditDelete, Field: "temperature"}, {Op: sdk.EditDelete, Field: "top_p"}, {Op: sdk.EditDelete, Field: "top_k"},
	}
	adaptertest.Prepares(t, New, "anthropic", []adaptertest.Case{
		{Name: "messages", Base: "https://api.anthropic.com/v1", URL: "https://api.anthropic.com/v1/messages", Auth: key, Headers: first},
		{Name: "a host gets v1", Base: "https://api.anthropic.com", URL: "https://api.anthropic.com/v1/messages", Auth: key, Headers: first},
		{Name: "counting", Base: "https://a/v1", Endpoint: sdk.CountTokens, URL: "https://a/v1/messages/count_tokens", Auth: key, Headers: first},
		{Name: "the list", Base: "https://a/v1", Endpoint: sdk.Models, URL: "https://a/v1/models?limit=1000", Auth: key, Headers: first},
		{
			Name: "the latest version", Base: "https://a/v1", Settings: map[string]string{"version": "2026-10-21"},
			URL: "https://a/v1/messages", Auth: sdk.Auth{Kind: sdk.AuthBearer}, Headers: latest, Edits: noSampling,
		},
		{
			Name: "counting takes no temperature anyway", Base: "https://a/v1", Settings: map[string]string{"version": "2026-10-21"},
			Endpoint: sdk.CountTokens, URL: "https://a/v1/messages/count_tokens", Auth: sdk.Auth{Kind: sdk.AuthBearer}, Headers: latest,
		},
		{
			Name: "betas and headers", Base: "https://a/v1", Settings: map[string]string{"beta": "x-2026-01-01", "header.X-Team": "t", "auth": "none"},
			URL: "https://a/v1/messages", Auth: sdk.Auth{Kind: sdk.AuthNone},
			Headers: append(first[:1:1], sdk.Header{Name: "X-Team", Value: "t"}, sdk.Header{Name: "anthropic-beta", Value: "x-2026-01-01"}),
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Anthropic does not have", Base: "https://a/v1", Endpoint: sdk.Embeddings, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{Name: "a list that is not there", Base: "https://a/v1", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(anthropic): channel "c": the provider "p" has no address of its own: set base_url`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(anthropic): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Base: "https://a", Settings: map[string]string{"auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(anthropic): channel "c": auth = "query" is unknown; there are bearer, header and none`},
	})
}
