package openai_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const chatAnswer = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"hi \"usage\":{}"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":4}}}`

func TestReadResponse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint
		body     string
		want     wire.Response
	}{
		{name: "chat", endpoint: sdk.Chat, body: chatAnswer, want: wire.Response{ID: "chatcmpl-1", Model: "gpt-4o-mini-2024-07-18",
			Finish: []string{"stop"}, Usage: wire.Usage{Input: 19, Output: 10, Total: 29, Cached: 8, Reasoning: 4}}},
		{name: "two choices, DeepSeek's cache", endpoint: sdk.Chat, body: `{"choices":[{"finish_reason":"length"},{"finish_reason":"eos"},{"finish_reason":null},7],"usage":{"prompt_tokens":4,"prompt_cache_hit_tokens":3,"prompt_tokens_details":null}}`,
			want: wire.Response{Finish: []string{"length", "eos"}, Usage: wire.Usage{Input: 4, Total: 4, Cached: 3}}},
		// As new-api relays it, which fills in all fields that it knows.
		{name: "names of chat, and those of responses with nothing in them", endpoint: sdk.Chat, body: `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":4},"input_tokens":0,"output_tokens":0,"input_tokens_details":null,"output_tokens_details":{"":1}}}`,
			want: wire.Response{Usage: wire.Usage{Input: 9, Output: 5, Total: 14, Cached: 3, CacheWrite: 2, Reasoning: 4}}},
		{name: "embeddings", endpoint: sdk.Embeddings, body: `{"object":"list","data":[{"embedding":[0.1]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}`,
			want: wire.Response{Model: "e", Usage: wire.Usage{Input: 8, Total: 8}}},
		{name: "responses", endpoint: sdk.Responses, body: `{"id":"resp_1","model":"m","error":null,"status":"completed","usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":1},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":11}}`,
			want: wire.Response{ID: "resp_1", Model: "m", Finish: []string{"completed"}, Usage: wire.Usage{Input: 5, Output: 6, Total: 11, Cached: 1, Reasoning: 2}}},
		{name: "responses that failed", endpoint: sdk.Responses, body: `{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"oops"}}`,
			want: wire.Response{Error: &wire.Error{Code: "server_error", Message: "oops"}}},
		{name: "responses that failed without a word", endpoint: sdk.Responses, body: `{"status":"failed","error":null}`,
			want: wire.Response{Finish: []string{"failed"}, Error: &wire.Error{Type: "server_error", Message: "the response failed and does not say why"}}},
		{name: "error with a 200", endpoint: sdk.Chat, body: `{"error":{"message":"no","type":"t","code":429}}`, want: wire.Response{Error: &wire.Error{Message: "no", Type: "t", Code: "429"}}},
		{name: "vLLM's error with a 200", endpoint: sdk.Chat, body: `{"object":"error","message":"no"}`, want: wire.Response{Error: &wire.Error{Message: "no"}}},
		{name: "nothing known", endpoint: sdk.Moderations, body: `{"results":[],"usage":{"prompt_tokens":-1},"id":7}`, want: wire.Response{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ReadResponse(tc.endpoint, []byte(tc.body))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
	for _, body := range []string{"<html>", "", "[]", chatAnswer[:100], chatAnswer + "x"} {
		if _, err := openai.ReadResponse(sdk.Chat, []byte(body)); err == nil || !strings.HasPrefix(err.Error(), "answer of chat: invalid JSON") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

func TestReadID(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, data, want string }{
		{name: "whole", data: `{"object":"response","id":"resp_1","output":[{"id":"msg_1"}]}`, want: "resp_1"},
		{name: "cut off behind it", data: `{"object":"response","id":"resp_1","output":[{"id":"ms`, want: "resp_1"},
		{name: "cut off within it", data: `{"object":"response","id":"res`},
		{name: "cut off before it", data: `{"object":"response","output":[{"id":"ms`},
		{name: "first event", data: `{"type":"response.created","sequence_number":0,"response":{"object":"response","id":"resp_\u0031"}}`, want: "resp_1"},
		{name: "event about an item", data: `{"type":"response.output_item.added","item":{"id":"msg_1"}}`},
		{name: "no string", data: `{"id":7}`},
		{name: "no object", data: `[DONE]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := openai.ReadID([]byte(tc.data)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReadUsageOfEvents(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`,
		`{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}`,
	} {
		if got, want := openai.ReadUsage(&sse.Event{Data: []byte(data)}), (wire.Usage{Input: 3, Output: 4, Total: 7}); got != want {
			t.Errorf("%s: %+v", data, got)
		}
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(chatAnswer))
	f.Add([]byte(`{"error":{"message":{"detail":[1]}},"status":"failed"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := openai.ReadResponse(sdk.Responses, body)
		if id := openai.ReadID(body); len(id) > 3*len(body) { // U+FFFD is three bytes
			t.Fatalf("%q: the id %q", body, id)
		}
		r, err2 := openai.ReadResponse(sdk.Chat, body)
		if (err == nil) != (err2 == nil) || err == nil && !json.Valid(body) {
			t.Fatalf("%q: %v, %v", body, err, err2)
		}
		if r.Usage.Input < 0 || r.Usage.Output < 0 {
			t.Fatalf("%q: %+v", body, r.Usage)
		}
	})
}

func BenchmarkReadResponse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openai.ReadResponse(sdk.Chat, []byte(chatAnswer)); err != nil {
			b.Fatal(err)
		}
	}
}
