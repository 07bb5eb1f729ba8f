package ollama

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
		edits    []sdk.Edit
	}{
		{name: "chat", base: "http://127.0.0.1:11434", endpoint: sdk.Chat, url: "http://127.0.0.1:11434/api/chat", auth: sdk.AuthBearer},
		{name: "the base URL of its imitation", base: "http://a/v1/", endpoint: sdk.Embeddings, url: "http://a/api/embed", auth: sdk.AuthBearer},
		{name: "below a path", base: "https://a/ollama/api", endpoint: sdk.Models, url: "https://a/ollama/api/tags", auth: sdk.AuthBearer},
		{
			name: "settings", base: "http://a", endpoint: sdk.Chat, settings: map[string]string{"auth": "none", "keep_alive": "30m", "header.X-Team": "t"},
			url: "http://a/api/chat", auth: sdk.AuthNone, headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
			edits: []sdk.Edit{{Op: sdk.EditDefault, Field: "keep_alive", Value: []byte(`"30m"`)}},
		},
		{
			name: "kept for ever", base: "http://a", endpoint: sdk.Embeddings, settings: map[string]string{"keep_alive": "-1"},
			url: "http://a/api/embed", auth: sdk.AuthBearer, edits: []sdk.Edit{{Op: sdk.EditDefault, Field: "keep_alive", Value: []byte("-1")}},
		},
		{name: "a list keeps nothing", base: "http://a", endpoint: sdk.Models, settings: map[string]string{"keep_alive": "1h"}, url: "http://a/api/tags", auth: sdk.AuthBearer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Name: "c", Provider: "p", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, "m", tt.endpoint, false)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: sdk.Auth{Kind: tt.auth}, Edits: tt.edits, Codec: "ollama"}
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
		{name: "what Ollama does not have", base: "http://a", endpoint: sdk.Rerank, unsupported: true, err: "rpc error: code = Unimplemented desc = has no rerank"},
		{name: "a list that is not to be asked for", base: "http://a", settings: map[string]string{"no_models": "true"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "no address", endpoint: sdk.Chat, err: `adapter(ollama): channel "c": the provider "p" has no address of its own: set base_url`},
		{name: "another scheme", base: "file:///etc/passwd", endpoint: sdk.Chat, err: `adapter(ollama): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", base: "http://a", settings: map[string]string{"auth": "query"}, endpoint: sdk.Chat, err: `adapter(ollama): channel "c": auth = "query" is unknown; there are bearer and none`},
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
