package bedrock

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	bearer := sdk.Auth{Kind: sdk.AuthBearer}
	const host = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
	for _, tt := range []struct {
		name    string
		channel sdk.Channel
		model   string
		stream  bool
		url     string
		auth    sdk.Auth
		headers []sdk.Header
		edits   []sdk.Edit
	}{
		{name: "the region's host", channel: sdk.Channel{Region: "us-east-1"}, model: "m", url: host + "m/converse", auth: bearer},
		{
			name: "a stream", channel: sdk.Channel{Region: "us-east-1"}, model: "m", stream: true, url: host + "m/converse-stream", auth: bearer,
			headers: []sdk.Header{{Name: "Accept", Value: "application/vnd.amazon.eventstream"}},
		},
		{
			name: "an id with a colon", channel: sdk.Channel{Region: "us-east-1"}, model: "anthropic.claude-3-haiku-20240307-v1:0",
			url: host + "anthropic.claude-3-haiku-20240307-v1%3A0/converse", auth: bearer,
		},
		{
			name: "an ARN", channel: sdk.Channel{Region: "us-east-1"}, model: "arn:aws:bedrock:us-east-1:1:inference-profile/a",
			url: host + "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa/converse", auth: bearer,
		},
		{
			name: "keys of AWS, and a region for it alone", channel: sdk.Channel{Region: "europe", Settings: map[string]string{"region": "eu-west-1", "auth": "sigv4"}},
			model: "m", url: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse",
			auth: sdk.Auth{Kind: sdk.AuthSigV4, Service: "bedrock", Region: "eu-west-1"},
		},
		{name: "China", channel: sdk.Channel{Region: "cn-north-1"}, model: "m", url: "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse", auth: bearer},
		{
			name: "another host", channel: sdk.Channel{BaseURL: "https://vpce-1.example/x", Settings: map[string]string{"auth": "none"}}, model: "m",
			url: "https://vpce-1.example/x/model/m/converse", auth: sdk.Auth{Kind: sdk.AuthNone},
		},
		{
			name: "a guardrail, a latency and a header", model: "m", url: host + "m/converse", auth: bearer,
			channel: sdk.Channel{Region: "us-east-1", Settings: map[string]string{"guardrail": "g1", "latency": "optimized", "header.X-Team": "t"}},
			headers: []sdk.Header{{Name: "X-Team", Value: "t"}},
			edits: []sdk.Edit{
				{Op: sdk.EditSet, Field: "guardrailConfig", Value: json.RawMessage(`{"guardrailIdentifier":"g1","guardrailVersion":"DRAFT"}`)},
				{Op: sdk.EditSet, Field: "performanceConfig", Value: json.RawMessage(`{"latency":"optimized"}`)},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := New().Adapter.Prepare(context.Background(), tt.channel, tt.model, sdk.Chat, tt.stream)
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Prepared{URL: tt.url, Headers: tt.headers, Auth: tt.auth, Edits: tt.edits, Codec: "bedrock"}
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
		channel     sdk.Channel
		endpoint    sdk.Endpoint
		unsupported bool
		err         string
	}{
		{name: "what Converse does not have", channel: sdk.Channel{Region: "us-east-1"}, endpoint: sdk.Embeddings, unsupported: true, err: "rpc error: code = Unimplemented desc = has no embeddings"},
		{name: "no region", endpoint: sdk.Chat, err: `adapter(bedrock): channel "c": region "" is none of AWS, such as us-east-1`},
		{name: "a region that leads elsewhere", channel: sdk.Channel{Region: "a.example/"}, endpoint: sdk.Chat, err: `adapter(bedrock): channel "c": region "a.example/" is none of AWS, such as us-east-1`},
		{name: "a signature for no region", channel: sdk.Channel{BaseURL: "https://a", Settings: map[string]string{"auth": "sigv4"}}, endpoint: sdk.Chat, err: `adapter(bedrock): channel "c": a signature needs the region that it is for`},
		{name: "another scheme", channel: sdk.Channel{BaseURL: "file:///etc/passwd"}, endpoint: sdk.Chat, err: `adapter(bedrock): channel "c": base_url "file:///etc/passwd" is no http or https address`},
		{name: "unknown auth", channel: sdk.Channel{Region: "us-east-1", Settings: map[string]string{"auth": "query"}}, endpoint: sdk.Chat, err: `adapter(bedrock): channel "c": auth = "query" is unknown; there are bearer, sigv4 and none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.channel.Name = "c"
			_, err := New().Adapter.Prepare(context.Background(), tt.channel, "m", tt.endpoint, false)
			if err == nil || err.Error() != tt.err || sdk.IsUnsupported(err) != tt.unsupported {
				t.Errorf("got  %v\nwant %s", err, tt.err)
			}
		})
	}
}
