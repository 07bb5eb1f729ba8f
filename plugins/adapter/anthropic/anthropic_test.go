package anthropic

import (
	"context"
	"reflect"
	"testing"

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
	for _, tt := range []struct {
		name     string
		base     string
		settings map[string]string
		endpoint sdk.Endpoint
		url      string
		auth     sdk.Auth
		headers  []sdk.Header
		edits    []sdk.Edit
	}{
		{name: "messages", base: "https://api.anthropic.com/v1", url: "https://api.anthropic.com/v1/messages", auth: key, headers: first},
		{name: "a host gets v1", base: "https://api.anthropic.com", url: "https://api.anthropic.com/v1/messages", auth: key, headers: first},
		{name: "counting", base: "https://a/v1", endpoint: sdk.CountTokens, url: "https://a/v1/messages/count_tokens", auth: key, headers: first},
		{name: "the list", base: "https://a/v1", endpoint: sdk.Models, url: "https://a/v1/models?limit=1000", auth: key, headers: first},
		{
			name: "the latest version", base: "https://a/v1", settings: map[string]string{"version": "2026-10-21"},
			url: "https://a/v1/messages", auth: sdk.Auth{Kind: sdk.AuthBearer}, headers: latest, edits: noSampling,
		},
		{
			name: "counting takes no temperature anyway", base: "https://a/v1", settings: map[string]string{"version": "2026-10-21"},
			endpoint: sdk.CountTokens, url: "https://a/v1/messages/count_tokens", auth: sdk.Auth{Kind: sdk.AuthBearer}, headers: latest,
		},
		{
			name: "betas and headers", base: "https://a/v1", settings: map[string]string{"beta": "x-2026-01-01", "header.X-Team": "t", "auth": "none"},
			url: "https://a/v1/messages", auth: sdk.Auth{Kind: sdk.AuthNone},
			headers: append(first[:1:1], sdk.Header{Name: "X-Team", Value: "t"}, sdk.Header{Name: "anthropic-beta", Value: "x-2026-01-01"}),
		},
	} {
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
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: tt.auth, Edits: tt.edits, Codec: "anthropic"}
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
		{name: "what Anthropic does not have", base: "https://a/v1", endpoint: sdk.Embeddings, unsupported: true, err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{name: "a list that is not there", base: "https://a/v1", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(anthropic): channel "c": the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(anthropic): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", base: "https://a", settings: map[string]string{"auth": "query"}, endpoint: sdk.Chat, err: `adapter(anthropic): channel "c": auth = "query" is unknown; there are bearer, header and none`},
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
