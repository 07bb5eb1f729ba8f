package azure

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Paths are those of Azure's own descriptions: inference.json of 2024-10-21 in
// github.com/Azure/azure-rest-api-specs, specification/cognitiveservices/data-plane/AzureOpenAI,
// and https://learn.microsoft.com/azure/ai-foundry/openai/latest for v1.
func TestPrepare(t *testing.T) {
	t.Parallel()
	key := sdk.Auth{Kind: sdk.AuthHeader, Name: "api-key"}
	const host = "https://r.openai.azure.com"
	dated := map[string]string{"api_version": "2024-10-21"}
	adaptertest.Prepares(t, New, "openai", []adaptertest.Case{
		{Name: "v1", Base: host, Model: "m", URL: host + "/openai/v1/chat/completions", Auth: key},
		{Name: "v1 in full", Base: host + "/openai/v1", Model: "m", URL: host + "/openai/v1/chat/completions", Auth: key},
		{Name: "the list of v1", Base: host, Endpoint: sdk.Models, URL: host + "/openai/v1/models", Auth: key},
		{Name: "v1 in preview", Base: host, Settings: map[string]string{"api_version": "preview"}, Endpoint: sdk.Responses, URL: host + "/openai/v1/responses?api-version=preview", Auth: key},
		{Name: "v1 with a token of Entra's", Base: host, Settings: map[string]string{"auth": "bearer"}, URL: host + "/openai/v1/chat/completions", Auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{Name: "dated", Base: host, Settings: dated, Model: "my gpt/4o", URL: host + "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21", Auth: key},
		{Name: "dated, with the path", Base: host + "/openai", Settings: dated, Model: "m", URL: host + "/openai/deployments/m/chat/completions?api-version=2024-10-21", Auth: key},
		{Name: "dated embeddings", Base: host, Settings: dated, Endpoint: sdk.Embeddings, Model: "m", URL: host + "/openai/deployments/m/embeddings?api-version=2024-10-21", Auth: key},
		{Name: "dated images", Base: host, Settings: dated, Endpoint: sdk.ImageGeneration, Model: "m", URL: host + "/openai/deployments/m/images/generations?api-version=2024-10-21", Auth: key},
		{Name: "dated sound", Base: host, Settings: dated, Endpoint: sdk.Transcription, Model: "m", URL: host + "/openai/deployments/m/audio/transcriptions?api-version=2024-10-21", Auth: key},
		{Name: "dated list", Base: host, Settings: dated, Endpoint: sdk.Models, URL: host + "/openai/models?api-version=2024-10-21", Auth: key},
		{Name: "dated responses", Base: host, Settings: map[string]string{"api_version": "2025-04-01-preview"}, Endpoint: sdk.Responses, Model: "m", URL: host + "/openai/responses?api-version=2025-04-01-preview", Auth: key},
		{
			Name: "a gateway before it", Base: "https://gateway.example/a", Settings: map[string]string{"auth": "none", "header.X-Team": "t"}, URL: "https://gateway.example/a/chat/completions",
			Auth: sdk.Auth{Kind: sdk.AuthNone}, Headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Azure does not have", Base: "https://a", Endpoint: sdk.Moderations, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no moderations"},
		{Name: "an endpoint that is not declared", Base: "https://a", Settings: map[string]string{"endpoints": "embeddings"}, Endpoint: sdk.Chat, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no chat"},
		{Name: "a list that is not there", Base: "https://a", Settings: map[string]string{"no_models": "true"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "no address", Endpoint: sdk.Chat, Err: `adapter(azure): channel "c": the resource has an address of its own: set base_url = "https://NAME.openai.azure.com"`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(azure): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Base: "https://a", Settings: map[string]string{"auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(azure): channel "c": auth = "query" is unknown; there are header, bearer and none`},
	})
}
