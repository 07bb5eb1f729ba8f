package openai

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	bearer := sdk.Auth{Kind: sdk.AuthBearer}
	adaptertest.Prepares(t, New, "openai", []adaptertest.Case{
		{Name: "chat", Base: "https://api.openai.com/v1", URL: "https://api.openai.com/v1/chat/completions", Auth: bearer},
		{Name: "v4 is not doubled", Base: "https://open.bigmodel.cn/api/paas/v4", URL: "https://open.bigmodel.cn/api/paas/v4/chat/completions", Auth: bearer},
		{Name: "v3 is not doubled", Base: "https://ark.cn-beijing.volces.com/api/v3", Endpoint: sdk.Embeddings, URL: "https://ark.cn-beijing.volces.com/api/v3/embeddings", Auth: bearer},
		{Name: "a path is taken as it is", Base: "https://llm.internal/openai", URL: "https://llm.internal/openai/chat/completions", Auth: bearer},
		{Name: "a host gets v1", Base: "http://127.0.0.1:8000", Endpoint: sdk.Models, URL: "http://127.0.0.1:8000/v1/models", Auth: bearer},
		{Name: "a query stays", Base: "https://x.example/v1?tenant=a%20b", URL: "https://x.example/v1/chat/completions?tenant=a%20b", Auth: bearer},
		{Name: "images", Base: "https://a/v1", Endpoint: sdk.ImageEdit, URL: "https://a/v1/images/edits", Auth: bearer},
		{Name: "speech", Base: "https://a/v1", Endpoint: sdk.Speech, URL: "https://a/v1/audio/speech", Auth: bearer},
		{Name: "transcriptions", Base: "https://a/v1", Endpoint: sdk.Transcription, URL: "https://a/v1/audio/transcriptions", Auth: bearer},
		{Name: "no key", Base: "http://127.0.0.1:11434/v1", Settings: map[string]string{"auth": "none"}, URL: "http://127.0.0.1:11434/v1/chat/completions", Auth: sdk.Auth{Kind: sdk.AuthNone}},
		{
			Name: "key in a header", Base: "https://a/v1", Settings: map[string]string{"auth": "header", "auth_name": "X-Key"},
			URL: "https://a/v1/chat/completions", Auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "X-Key"},
		},
		{
			Name: "key in the query", Base: "https://a/v1", Settings: map[string]string{"auth": "query"},
			URL: "https://a/v1/chat/completions", Auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "api-key"},
		},
		{
			Name: "headers of a provider", Base: "https://openrouter.ai/api/v1",
			Settings: map[string]string{"header.X-Title": "router", "header.HTTP-Referer": "https://a.example", "header.": "nothing", "other": "x"},
			URL:      "https://openrouter.ai/api/v1/chat/completions", Auth: bearer,
			Headers: []sdk.Header{{Name: "HTTP-Referer", Value: "https://a.example"}, {Name: "X-Title", Value: "router"}},
		},
		{
			Name: "declared endpoints", Base: "https://a/v1", Settings: map[string]string{"endpoints": "embeddings, rerank"}, Endpoint: sdk.Rerank,
			URL: "https://a/v1/rerank", Auth: bearer,
		},
		{
			Name: "the list needs no declaration", Base: "https://a/v1", Settings: map[string]string{"endpoints": "chat"}, Endpoint: sdk.Models,
			URL: "https://a/v1/models", Auth: bearer,
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "an endpoint that is not declared", Base: "https://a/v1", Settings: map[string]string{"endpoints": "chat"}, Endpoint: sdk.Embeddings, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{Name: "an endpoint that nobody has", Base: "https://a/v1", Endpoint: "telepathy", Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no telepathy"},
		{Name: "a list that is not there", Base: "https://a/v1", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(openai): channel "c": the provider "p" has no address of its own: set base_url`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(openai): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "no host", Base: "api.openai.com/v1", Endpoint: sdk.Chat, Err: `adapter(openai): channel "c": base_url "api.openai.com/v1" is no http or https address`},
		{Name: "unknown auth", Base: "https://a", Settings: map[string]string{"auth": "basic"}, Endpoint: sdk.Chat, Err: `adapter(openai): channel "c": auth = "basic" is unknown; there are bearer, header, query and none`},
	})
}
