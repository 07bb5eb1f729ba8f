package gemini

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	key := sdk.Auth{Kind: sdk.AuthHeader, Name: "x-goog-api-key"}
	adaptertest.Prepares(t, New, "gemini", []adaptertest.Case{
		{Name: "whole", Model: "m/1", Base: "https://a/v1beta", Endpoint: sdk.Chat, URL: "https://a/v1beta/models/m%2F1:generateContent", Auth: key},
		{Name: "a stream", Model: "m/1", Base: "https://a/v1beta", Endpoint: sdk.Chat, Stream: true, URL: "https://a/v1beta/models/m%2F1:streamGenerateContent?alt=sse", Auth: key},
		{Name: "a host gets v1beta", Model: "m/1", Base: "https://a", Endpoint: sdk.CountTokens, URL: "https://a/v1beta/models/m%2F1:countTokens", Auth: key},
		{Name: "embeddings", Model: "m/1", Base: "https://a/v1", Endpoint: sdk.Embeddings, Stream: true, URL: "https://a/v1/models/m%2F1:batchEmbedContents", Auth: key},
		{Name: "the list", Model: "m/1", Base: "https://a/v1beta", Endpoint: sdk.Models, URL: "https://a/v1beta/models?pageSize=1000", Auth: key},
		{
			Name: "a key in the query, and a header", Model: "m/1", Base: "https://a/v1beta", Endpoint: sdk.Chat,
			Settings: map[string]string{"auth": "query", "header.X-Team": "t"},
			URL:      "https://a/v1beta/models/m%2F1:generateContent", Auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "key"},
			Headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
		},
		{
			Name: "a bearer", Model: "m/1", Base: "https://a/v1beta", Endpoint: sdk.Chat, Settings: map[string]string{"auth": "bearer"},
			URL: "https://a/v1beta/models/m%2F1:generateContent", Auth: sdk.Auth{Kind: sdk.AuthBearer},
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Gemini does not have", Base: "https://a", Endpoint: sdk.Rerank, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no rerank"},
		{Name: "a list that is not there", Base: "https://a", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(gemini): channel "c": the provider "p" has no address of its own: set base_url`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(gemini): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Base: "https://a", Settings: map[string]string{"auth": "x"}, Endpoint: sdk.Chat, Err: `adapter(gemini): channel "c": auth = "x" is unknown; there are header, query, bearer and none`},
	})
}
