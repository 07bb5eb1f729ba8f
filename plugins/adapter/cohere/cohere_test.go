package cohere

import (
	"context"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		base     string
		settings map[string]string
		endpoint sdk.Endpoint
		url      string
		auth     sdk.AuthKind
		headers  []sdk.Header
	}{
		{name: "chat", base: "https://api.cohere.com", endpoint: sdk.Chat, url: "https://api.cohere.com/v2/chat", auth: sdk.AuthBearer},
		{name: "embeddings, with a version", base: "https://api.cohere.com/v2/", endpoint: sdk.Embeddings, url: "https://api.cohere.com/v2/embed", auth: sdk.AuthBearer},
		{name: "rerank, with the first version", base: "https://a/cohere/v1", endpoint: sdk.Rerank, url: "https://a/cohere/v2/rerank", auth: sdk.AuthBearer},
		{name: "the list", base: "https://a", endpoint: sdk.Models, url: "https://a/v1/models?page_size=1000", auth: sdk.AuthBearer},
		{
			name: "settings", base: "https://a", endpoint: sdk.Chat, settings: map[string]string{"auth": "none", "header.X-Client-Name": "t"},
			url: "https://a/v2/chat", auth: sdk.AuthNone, headers: []sdk.Header{{Name: "X-Client-Name", Value: "t"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, "m", tt.endpoint, false)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: sdk.Auth{Kind: tt.auth}, Codec: "cohere"}
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
		{name: "what Cohere does not have", base: "https://a", endpoint: sdk.Speech, unsupported: true, err: "rpc error: code = Unimplemented desc = has no audio/speech"},
		{name: "a list that is not to be asked for", base: "https://a", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(cohere): channel "c": the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(cohere): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", base: "https://a", settings: map[string]string{"auth": "query"}, endpoint: sdk.Chat, err: `adapter(cohere): channel "c": auth = "query" is unknown; there are bearer and none`},
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
