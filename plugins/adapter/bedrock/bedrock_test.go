package bedrock

import (
	"encoding/json"
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/adaptertest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	bearer := sdk.Auth{Kind: sdk.AuthBearer}
	const host = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
	adaptertest.Prepares(t, New, "bedrock", []adaptertest.Case{
		{Name: "the region's host", Region: "us-east-1", Model: "m", URL: host + "m/converse", Auth: bearer},
		{
			Name: "a stream", Region: "us-east-1", Model: "m", Stream: true, URL: host + "m/converse-stream", Auth: bearer,
			Headers: []sdk.Header{{Name: "Accept", Value: "application/vnd.amazon.eventstream"}},
		},
		{
			Name: "an id with a colon", Region: "us-east-1", Model: "anthropic.claude-3-haiku-20240307-v1:0",
			URL: host + "anthropic.claude-3-haiku-20240307-v1%3A0/converse", Auth: bearer,
		},
		{
			Name: "an ARN", Region: "us-east-1", Model: "arn:aws:bedrock:us-east-1:1:inference-profile/a",
			URL: host + "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa/converse", Auth: bearer,
		},
		{
			Name: "keys of AWS, and a region for it alone", Region: "europe", Settings: map[string]string{"region": "eu-west-1", "auth": "sigv4"},
			Model: "m", URL: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse",
			Auth: sdk.Auth{Kind: sdk.AuthSigV4, Service: "bedrock", Region: "eu-west-1"},
		},
		{Name: "China", Region: "cn-north-1", Model: "m", URL: "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse", Auth: bearer},
		{
			Name: "another host", Base: "https://vpce-1.example/x", Settings: map[string]string{"auth": "none"}, Model: "m",
			URL: "https://vpce-1.example/x/model/m/converse", Auth: sdk.Auth{Kind: sdk.AuthNone},
		},
		{
			Name: "a guardrail, a latency and a header", Model: "m", URL: host + "m/converse", Auth: bearer,
			Region: "us-east-1", Settings: map[string]string{"guardrail": "g1", "latency": "optimized", "header.X-Team": "t"},
			Headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
			Edits: []sdk.Edit{
				{Op: sdk.EditSet, Field: "guardrailConfig", Value: json.RawMessage(`{"guardrailIdentifier":"g1","guardrailVersion":"DRAFT"}`)},
				{Op: sdk.EditSet, Field: "performanceConfig", Value: json.RawMessage(`{"latency":"optimized"}`)},
			},
		},
	})
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	adaptertest.Refuses(t, New, []adaptertest.Refusal{
		{Name: "what Converse does not have", Region: "us-east-1", Endpoint: sdk.Embeddings, Unsupported: true, Err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{Name: "no region", Endpoint: sdk.Chat, Err: `adapter(bedrock): channel "c": region "" is none of AWS, such as us-east-1`},
		{Name: "a region that leads elsewhere", Region: "a.example/", Endpoint: sdk.Chat, Err: `adapter(bedrock): channel "c": region "a.example/" is none of AWS, such as us-east-1`},
		{Name: "a signature for no region", Base: "https://a", Settings: map[string]string{"auth": "sigv4"}, Endpoint: sdk.Chat, Err: `adapter(bedrock): channel "c": a signature needs the region that it is for`},
		{Name: "another scheme", Base: "file:///etc/passwd", Endpoint: sdk.Chat, Err: `adapter(bedrock): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{Name: "unknown auth", Region: "us-east-1", Settings: map[string]string{"auth": "query"}, Endpoint: sdk.Chat, Err: `adapter(bedrock): channel "c": auth = "query" is unknown; there are bearer, sigv4 and none`},
	})
}
