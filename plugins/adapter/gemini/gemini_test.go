package gemini

import (
	"context"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	key := sdk.Auth{Kind: sdk.AuthHeader, Name: "x-goog-api-key"}
	for _, tt := range []struct {
		name     string
		base     string
		settings map[string]string
		endpoint sdk.Endpoint
		stream   bool
		url      string
		auth     sdk.Auth
		headers  []sdk.Header
	}{
		{name: "whole", base: "https://a/v1beta", endpoint: sdk.Chat, url: "https://a/v1beta/models/m%2F1:generateContent", auth: key},
		{name: "a stream", base: "https://a/v1beta", endpoint: sdk.Chat, stream: true, url: "https://a/v1beta/models/m%2F1:streamGenerateContent?alt=sse", auth: key},
		{name: "a host gets v1beta", base: "https://a", endpoint: sdk.CountTokens, url: "https://a/v1beta/models/m%2F1:countTokens", auth: key},
		{name: "embeddings", base: "https://a/v1", endpoint: sdk.Embeddings, stream: true, url: "https://a/v1/models/m%2F1:batchEmbedContents", auth: key},
		{name: "the list", base: "https://a/v1beta", endpoint: sdk.Models, url: "https://a/v1beta/models?pageSize=1000", auth: key},
		{
			name: "a key in the query, and a header", base: "https://a/v1beta", endpoint: sdk.Chat,
			settings: map[string]string{"auth": "query", "header.X-Team": "t"},
			url:      "https://a/v1beta/models/m%2F1:generateContent", auth: sdk.Auth{Kind: sdk.AuthQuery, Name: "key"},
			headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
		},
		{
			name: "a bearer", base: "https://a/v1beta", endpoint: sdk.Chat, settings: map[string]string{"auth": "bearer"},
			url: "https://a/v1beta/models/m%2F1:generateContent", auth: sdk.Auth{Kind: sdk.AuthBearer},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, "m/1", tt.endpoint, tt.stream)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: tt.auth, Codec: "gemini"}
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
		{name: "what Gemini does not have", base: "https://a", endpoint: sdk.Rerank, unsupported: true, err: "rpc error: code = Unimplemented desc = has no rerank"},
		{name: "a list that is not there", base: "https://a", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(gemini): channel "c": the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(gemini): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", base: "https://a", settings: map[string]string{"auth": "x"}, endpoint: sdk.Chat, err: `adapter(gemini): channel "c": auth = "x" is unknown; there are header, query, bearer and none`},
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
