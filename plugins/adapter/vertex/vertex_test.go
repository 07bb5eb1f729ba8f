package vertex

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	version := sdk.Edit{Op: sdk.EditSet, Field: "anthropic_version", Value: json.RawMessage(`"vertex-2023-10-16"`)}
	claude := []sdk.Edit{version, {Op: sdk.EditDelete, Field: "model"}}
	gemini := []sdk.Edit{{Op: sdk.EditDelete, Field: "serviceTier"}}
	for _, tt := range []struct {
		name     string
		base     string
		model    string
		settings map[string]string
		endpoint sdk.Endpoint
		stream   bool
		want     sdk.Prepared
	}{
		{
			name: "Gemini, anywhere", model: "gemini-3-flash", endpoint: sdk.Chat, settings: map[string]string{"project": "p"},
			want: sdk.Prepared{URL: "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google/models/gemini-3-flash:generateContent", Codec: "gemini", Edits: gemini},
		},
		{
			name: "Gemini streamed in a region", model: "gemini-3-flash", endpoint: sdk.Chat, stream: true, settings: map[string]string{"project": "p", "location": "europe-west4"},
			want: sdk.Prepared{URL: "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-3-flash:streamGenerateContent?alt=sse", Codec: "gemini", Edits: gemini},
		},
		{
			name: "Gemini counts, in one of several regions", model: "gemini-3-flash", endpoint: sdk.CountTokens, settings: map[string]string{"project": "p", "location": "eu"},
			want: sdk.Prepared{URL: "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google/models/gemini-3-flash:countTokens", Codec: "gemini", Edits: gemini},
		},
		{
			name: "express mode", model: "gemini-3-flash", endpoint: sdk.Chat,
			want: sdk.Prepared{
				URL: "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-3-flash:generateContent", Codec: "gemini", Edits: gemini,
				Auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "x-goog-api-key"},
			},
		},
		{
			name: "Claude", model: "claude-sonnet-5@20260101", endpoint: sdk.Chat, settings: map[string]string{"project": "p", "location": "us-east5"},
			want: sdk.Prepared{URL: "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-5@20260101:rawPredict", Codec: "anthropic", Edits: claude},
		},
		{
			name: "Claude streamed, at an address of one's own", base: "http://127.0.0.1:1", model: "claude-sonnet-5", endpoint: sdk.Chat, stream: true, settings: map[string]string{"project": "p"},
			want: sdk.Prepared{URL: "http://127.0.0.1:1/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-5:streamRawPredict", Codec: "anthropic", Edits: claude},
		},
		{
			name: "Claude counts", model: "claude-sonnet-5", endpoint: sdk.CountTokens, settings: map[string]string{"project": "p"},
			want: sdk.Prepared{URL: "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict", Codec: "anthropic", Edits: []sdk.Edit{version}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := sdk.Channel{Name: "c", Provider: "vertex", BaseURL: tt.base, Settings: tt.settings}
			got, err := New().Adapter.Prepare(context.Background(), c, tt.model, tt.endpoint, tt.stream)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Auth.Kind == "" {
				tt.want.Auth.Kind = sdk.AuthGoogle
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
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
		{name: "what Vertex does not have", settings: map[string]string{"project": "p"}, endpoint: sdk.Models, unsupported: true, err: "rpc error: code = Unimplemented desc = has no models"},
		{name: "an unknown publisher", settings: map[string]string{"project": "p", "publisher": "x"}, endpoint: sdk.Chat, unsupported: true, err: "rpc error: code = Unimplemented desc = has no chat"},
		{name: "Claude without a project", settings: map[string]string{"publisher": "anthropic"}, endpoint: sdk.Chat, err: `adapter(vertex): channel "c": which project? add settings = { project = "..." }`},
		{name: "another scheme", base: "file:///etc/passwd", settings: map[string]string{"project": "p"}, endpoint: sdk.Chat, err: `adapter(vertex): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "a location that is none", settings: map[string]string{"project": "p", "location": "evil.example/"}, endpoint: sdk.Chat, err: `adapter(vertex): channel "c": location "evil.example/" is none of Google's`},
		{name: "unknown auth", settings: map[string]string{"project": "p", "auth": "query"}, endpoint: sdk.Chat, err: `adapter(vertex): channel "c": auth = "query" is unknown; there are google, bearer, header and none`},
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
