package cohere

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	adaptertest.Prepares(t, New, "cohere", []adaptertest.Case{
		{Name: "chat", Base: "https://api.cohere.com", Endpoint: sdk.Chat, URL: "https://api.cohere.com/v2/chat", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "embeddings, with a version", Base: "https://api.cohere.com/v2/", Endpoint: sdk.Embeddings, URL: "https://api.cohere.com/v2/embed", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "rerank, with the first version", Base: "https://a/cohere/v1", Endpoint: sdk.Rerank, URL: "https://a/cohere/v2/rerank", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "the list", Base: "https://a", Endpoint: sdk.Models, URL: "https://a/v1/models?page_size=1000", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{
			Name: "settings", Base: "https://a", Endpoint: sdk.Chat, Settings: map[string]string{"auth": "none", "header.X-Client-Name": "t"},
			URL: "https://a/v2/chat", Auth: sdk.Auth{Kind: sdk.AuthNone}, Headers: []sdk.Header{{Name: "X-Client-Name", Value: "t"}},
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Cohere does not have", Base: "https://a", Endpoint: sdk.Speech, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no audio/speech"},
		{Name: "a list that is not to be asked for", Base: "https://a", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(cohere): channel "c": the provider "p" has no address of its own: set base_url`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(cohere): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Base: "https://a", Settings: map[string]string{"auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(cohere): channel "c": auth = "query" is unknown; there are bearer and none`},
	})
}
