package vertex

import (
	"encoding/json"
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	google := sdk.Auth{Kind: sdk.AuthGoogle}
	version := sdk.Edit{Op: sdk.EditSet, Field: "anthropic_version", Value: json.RawMessage(`"vertex-2023-10-16"`)}
	claude := []sdk.Edit{version, {Op: sdk.EditDelete, Field: "model"}}
	gemini := []sdk.Edit{{Op: sdk.EditDelete, Field: "serviceTier"}}
	adaptertest.Prepares(t, New, "", []adaptertest.Case{
		{
			Name: "Gemini, anywhere", Model: "gemini-3-flash", Endpoint: sdk.Chat, Settings: map[string]string{"project": "p"},
			URL: "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google/models/gemini-3-flash:generateContent", Codec: "gemini", Edits: gemini, Auth: google,
		},
		{
			Name: "Gemini streamed in a region", Model: "gemini-3-flash", Endpoint: sdk.Chat, Stream: true, Settings: map[string]string{"project": "p", "location": "europe-west4"},
			URL: "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-3-flash:streamGenerateContent?alt=sse", Codec: "gemini", Edits: gemini, Auth: google,
		},
		{
			Name: "Gemini counts, in one of several regions", Model: "gemini-3-flash", Endpoint: sdk.CountTokens, Settings: map[string]string{"project": "p", "location": "eu"},
			URL: "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google/models/gemini-3-flash:countTokens", Codec: "gemini", Edits: gemini, Auth: google,
		},
		{
			Name: "express mode", Model: "gemini-3-flash", Endpoint: sdk.Chat,
			URL: "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-3-flash:generateContent", Codec: "gemini", Edits: gemini,
			Auth: sdk.Auth{Kind: sdk.AuthHeader, Name: "x-goog-api-key"},
		},
		{
			Name: "Claude", Model: "claude-sonnet-5@20260101", Endpoint: sdk.Chat, Settings: map[string]string{"project": "p", "location": "us-east5"},
			URL: "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-5@20260101:rawPredict", Codec: "anthropic", Edits: claude, Auth: google,
		},
		{
			Name: "Claude streamed, at an address of one's own", Base: "http://127.0.0.1:1", Model: "claude-sonnet-5", Endpoint: sdk.Chat, Stream: true, Settings: map[string]string{"project": "p"},
			URL: "http://127.0.0.1:1/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-5:streamRawPredict", Codec: "anthropic", Edits: claude, Auth: google,
		},
		{
			Name: "Claude counts", Model: "claude-sonnet-5", Endpoint: sdk.CountTokens, Settings: map[string]string{"project": "p"},
			URL: "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict", Codec: "anthropic", Edits: []sdk.Edit{version}, Auth: google,
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Vertex does not have", Settings: map[string]string{"project": "p"}, Endpoint: sdk.Models, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no models"},
		{Name: "an unknown publisher", Settings: map[string]string{"project": "p", "publisher": "x"}, Endpoint: sdk.Chat, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no chat"},
		{Name: "Claude without a project", Settings: map[string]string{"publisher": "anthropic"}, Endpoint: sdk.Chat, Err: `adapter(vertex): channel "c": which project? add settings = { project = "..." }`},
		{Name: "another scheme", Base: "file:///etc/passwd", Settings: map[string]string{"project": "p"}, Endpoint: sdk.Chat, Err: `adapter(vertex): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "a location that is none", Settings: map[string]string{"project": "p", "location": "evil.example/"}, Endpoint: sdk.Chat, Err: `adapter(vertex): channel "c": location "evil.example/" is none of Google's`},
		{Name: "unknown auth", Settings: map[string]string{"project": "p", "auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(vertex): channel "c": auth = "query" is unknown; there are google, bearer, header and none`},
	})
}
