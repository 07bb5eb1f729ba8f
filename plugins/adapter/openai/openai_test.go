package openai

import (
	"context"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	bearer := sdk.Auth{Kind: sdk.AuthBearer}
	tests := []struct {
		name     string
		base     string
		settings map[string]string
		endpoint sdk.Endpoint
		url      string
		auth     sdk.Auth
		headers  []sdk.Header
	}{
		{name: "chat", base: "https://api.openai.com/v1", url: "https://api.openai.com/v1/chat/completions", auth: bearer},
		{name: "v4 is not doubled", base: "https://open.bigmodel.cn/api/paas/v4", url: "https://open.bigmodel.cn/api/paas/v4/chat/completions", auth: bearer},
		{name: "v3 is not doubled", base: "https://ark.cn-beijing.volces.com/api/v3", endpoint: sdk.Embeddings, url: "https://ark.cn-beijing.volces.com/api/v3/embeddings", auth: bearer},
		{name: "a path is taken as it is", base: "https://llm.internal/openai", url: "https://llm.internal/openai/chat/completions", auth: bearer},
		{name: "a host gets v1", base: "http://127.0.0.1:8000", endpoint: sdk.Models, url: "http://127.0.0.1:8000/v1/models", auth: bearer},
		{name: "a query stays", base: "https://x.example/v1?tenant=a%20b", url: "https://x.example/v1/chat/completions?tenant=a%20b", auth: bearer},
		{name: "images", base: "https://a/v1", endpoint: sdk.ImageEdit, url: "https://a/v1/images/edits", auth: bearer},
		{name: "speech", base: "https://a/v1", endpoint: sdk.Speech, url: "https://a/v1/audio/speech", auth: bearer},
		{name: "transcriptions", base: "https://a/v1", endpoint: sdk.Transcription, url: "https://a/v1/audio/transcriptions", auth: bearer},
		{name: "no key", base: "http://127.0.0.1:11434/v1", settings: map[string]string{"auth": "none"}, url: "http://127.0.0.1:11434/v1/chat/completions", auth: sdk.Auth{Kind: sdk.AuthNone}},
		{
			name: "key in a header", base: "https://a/v1", settings: map[string]string{"auth": "header", "auth_name": "X-Key"},
			url: "https://a/v1/chat/completions", auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "X-Key"},
		},
		{
			name: "key in the query", base: "https://a/v1", settings: map[string]string{"auth": "query"},
			url: "https://a/v1/chat/completions", auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "api-key"},
		},
		{
			name: "headers of a provider", base: "https://openrouter.ai/api/v1",
			settings: map[string]string{"header.X-Title": "router", "header.HTTP-Referer": "https://a.example", "header.": "nothing", "other": "x"},
			url:      "https://openrouter.ai/api/v1/chat/completions", auth: bearer,
			headers: []sdk.Header{{Name: "HTTP-Referer", Value: "https://a.example"}, {Name: "X-Title", Value: "router"}},
		},
		{
			name: "declared endpoints", base: "https://a/v1", settings: map[string]string{"endpoints": "embeddings, rerank"}, endpoint: sdk.Rerank,
			url: "https://a/v1/rerank", auth: bearer,
		},
		{
			name: "the list needs no declaration", base: "https://a/v1", settings: map[string]string{"endpoints": "chat"}, endpoint: sdk.Models,
			url: "https://a/v1/models", auth: bearer,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.endpoint == "" {
				tt.endpoint = sdk.Chat
			}
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, "m", tt.endpoint, false)
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
	tests := []struct {
		name        string
		base        string
		settings    map[string]string
		endpoint    sdk.Endpoint
		unsupported bool
		err         string
	}{
		{name: "an endpoint that is not declared", base: "https://a/v1", settings: map[string]string{"endpoints": "chat"}, endpoint: sdk.Embeddings, unsupported: true, err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{name: "an endpoint that nobody has", base: "https://a/v1", endpoint: "telepathy", unsupported: true, err: "rpc error: code = Unimplemented desc = has no telepathy"},
		{name: "a list that is not there", base: "https://a/v1", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(openai): channel "c": the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(openai): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "no host", base: "api.openai.com/v1", endpoint: sdk.Chat, err: `adapter(openai): channel "c": base_url "api.openai.com/v1" is no http or https address`},
		{name: "unknown auth", base: "https://a", settings: map[string]string{"auth": "basic"}, endpoint: sdk.Chat, err: `adapter(openai): channel "c": auth = "basic" is unknown; there are bearer, header, query and none`},
	}
	for _, tt := range tests {
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
