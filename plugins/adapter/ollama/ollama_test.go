package ollama

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	adaptertest.Prepares(t, New, "ollama", []adaptertest.Case{
		{Name: "chat", Base: "http://127.0.0.1:11434", Endpoint: sdk.Chat, URL: "http://127.0.0.1:11434/api/chat", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "the base URL of its imitation", Base: "http://a/v1/", Endpoint: sdk.Embeddings, URL: "http://a/api/embed", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "below a path", Base: "https://a/ollama/api", Endpoint: sdk.Models, URL: "https://a/ollama/api/tags", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{
			Name: "settings", Base: "http://a", Endpoint: sdk.Chat, Settings: map[string]string{"auth": "none", "keep_alive": "30m", "header.X-Team": "t"},
			URL: "http://a/api/chat", Auth: sdk.Auth{Kind: sdk.AuthNone}, Headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
			Edits: []sdk.Edit{{Op: sdk.EditDefault, Field: "keep_alive", Value: []byte(`"30m"`)}},
		},
		{
			Name: "kept for ever", Base: "http://a", Endpoint: sdk.Embeddings, Settings: map[string]string{"keep_alive": "-1"},
			URL: "http://a/api/embed", Auth: sdk.Auth{Kind: sdk.AuthBearer}, Edits: []sdk.Edit{{Op: sdk.EditDefault, Field: "keep_alive", Value: []byte("-1")}},
		},
		{Name: "a list keeps nothing", Base: "http://a", Endpoint: sdk.Models, Settings: map[string]string{"keep_alive": "1h"}, URL: "http://a/api/tags", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Ollama does not have", Base: "http://a", Endpoint: sdk.Rerank, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no rerank"},
		{Name: "a list that is not to be asked for", Base: "http://a", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(ollama): channel "c": the provider "p" has no address of its own: set base_url`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(ollama): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Base: "http://a", Settings: map[string]string{"auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(ollama): channel "c": auth = "query" is unknown; there are bearer and none`},
	})
}
