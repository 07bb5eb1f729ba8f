package azure

import (
	"context"
	"reflect"
	"testing"

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
	for _, tt := range []struct {
		name     string
		base     string
		settings map[string]string
		endpoint sdk.Endpoint
		model    string
		url      string
		auth     sdk.Auth
		headers  []sdk.Header
	}{
		{name: "v1", base: host, model: "m", url: host + "/openai/v1/chat/completions", auth: key},
		{name: "v1 in full", base: host + "/openai/v1", model: "m", url: host + "/openai/v1/chat/completions", auth: key},
		{name: "the list of v1", base: host, endpoint: sdk.Models, url: host + "/openai/v1/models", auth: key},
		{name: "v1 in preview", base: host, settings: map[string]string{"api_version": "preview"}, endpoint: sdk.Responses, url: host + "/openai/v1/responses?api-version=preview", auth: key},
		{name: "v1 with a token of Entra's", base: host, settings: map[string]string{"auth": "bearer"}, url: host + "/openai/v1/chat/completions", auth: sdk.Auth{Kind: sdk.AuthBearer}},
		{name: "dated", base: host, settings: dated, model: "my gpt/4o", url: host + "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21", auth: key},
		{name: "dated, with the path", base: host + "/openai", settings: dated, model: "m", url: host + "/openai/deployments/m/chat/completions?api-version=2024-10-21", auth: key},
		{name: "dated embeddings", base: host, settings: dated, endpoint: sdk.Embeddings, model: "m", url: host + "/openai/deployments/m/embeddings?api-version=2024-10-21", auth: key},
		{name: "dated images", base: host, settings: dated, endpoint: sdk.ImageGeneration, model: "m", url: host + "/openai/deployments/m/images/generations?api-version=2024-10-21", auth: key},
		{name: "dated sound", base: host, settings: dated, endpoint: sdk.Transcription, model: "m", url: host + "/openai/deployments/m/audio/transcriptions?api-version=2024-10-21", auth: key},
		{name: "dated list", base: host, settings: dated, endpoint: sdk.Models, url: host + "/openai/models?api-version=2024-10-21", auth: key},
		{name: "dated responses", base: host, settings: map[string]string{"api_version": "2025-04-01-preview"}, endpoint: sdk.Responses, model: "m", url: host + "/openai/responses?api-version=2025-04-01-preview", auth: key},
		{
			name: "a gateway before it", base: "https://gateway.example/a", settings: map[string]string{"auth": "none", "header.X-Team": "t"}, url: "https://gateway.example/a/chat/completions",
			auth: sdk.Auth{Kind: sdk.AuthNone}, headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.endpoint == "" {
				tt.endpoint = sdk.Chat
			}
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, tt.model, tt.endpoint, false)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: tt.auth, Codec: "openai"}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		base        string
		settings    map[string]string
		endpoint    sdk.Endpoint
		unsupported bool
		err         string
	}{
		{name: "what Azure does not have", base: "https://a", endpoint: sdk.Moderations, unsupported: true, err: "rpc error: code = Unimplemented desc = has no moderations"},
		{name: "an endpoint that is not declared", base: "https://a", settings: map[string]string{"endpoints": "embeddings"}, endpoint: sdk.Chat, unsupported: true, err: "rpc error: code = Unimplemented desc = has no chat"},
		{name: "a list that is not there", base: "https://a", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(azure): channel "c": the resource has an address of its own: set base_url = "https://NAME.openai.azure.com"`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(azure): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", base: "https://a", settings: map[string]string{"auth": "query"}, endpoint: sdk.Chat, err: `adapter(azure): channel "c": auth = "query" is unknown; there are header, bearer and none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			_, err := New().Adapter.Prepare(context.Background(), c, "m", tt.endpoint, false)
			if err == nil || err.Error() != tt.err || sdk.IsUnsupported(err) != tt.unsupported {
				t.Errorf("got  %v\nwant %s", err, tt.err)
			}
		})
	}
}
