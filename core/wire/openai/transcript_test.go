package openai_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestTranscriptTellsWhatCannotBeRescued(t *testing.T) {
	t.Parallel()
	delta := func(fields string) string {
		return `{"id":"A","choices":[{"index":0,"delta":{` + fields + `},"finish_reason":null}]}`
	}
	const (
		odd    = "openai: the stream has content that no other stream would repeat"
		torn   = "openai: the stream has torn a character in two"
		failed = "openai: the client has been told of an error"
	)
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint // chat
		typ      string
		data     []string
		want     string
	}{
		{name: "nothing"},
		{name: "text, reasoning, calls", data: []string{delta(`"role":"assistant","content":"x"`), delta(`"content":null,"reasoning":"y"`), delta(`"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{"}}]`)}},
		{name: "fields that carry nothing", data: []string{delta(`"content":"x","function_call":null,"audio":{},"annotations":[],"reasoning_details":[ ],"new":""`), delta(``)}},
		{name: "metadata of Azure, OpenRouter and vLLM", data: []string{
			`{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}`,
			`{"provider":"X","choices":[{"index":0,"delta":{"content":"x"},"native_finish_reason":null,"stop_reason":null,"content_filter_results":{"hate":{"filtered":false}}}]}`}},
		{name: "empty logprobs", data: []string{`{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[],"refusal":null}}]}`}},
		{name: "nulls", data: []string{`{"choices":null,"usage":null,"error":null}`, `{"choices":[{"delta":null,"finish_reason":null,"logprobs":null}]}`, delta(`"tool_calls":null`)}},
		{name: "finish", data: []string{`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`}},

		{name: "responses", endpoint: sdk.Responses, want: "openai: streams of this endpoint are not rescued"},
		{name: "responses, later", endpoint: sdk.Responses, data: []string{delta(`"content":"x"`)}, want: "openai: streams of this endpoint are not rescued"},
		{name: "terminator", data: []string{delta(`"content":"x"`), "[DONE]"}, want: "openai: the client has been told of the end"},
		{name: "error", data: []string{`{"error":{"message":"x"}}`}, want: failed},
		{name: "event named error", typ: "error", data: []string{`{"message":"x"}`}, want: failed},
		{name: "finish that is an error", data: []string{`{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`}, want: failed},
		{name: "error of vLLM", data: []string{`{"object":"error","message":"x"}`}, want: failed},

		{name: "logprobs", data: []string{`{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":"x"}]}}]}`}, want: odd},
		{name: "tool that the provider ran", data: []string{delta(`"executed_tools":[{"type":"search"}]`)}, want: odd},
		{name: "annotations", data: []string{delta(`"content":"x","annotations":[{"type":"url_citation"}]`)}, want: odd},
		{name: "citations of Perplexity", data: []string{`{"citations":["https://x"],"choices":[]}`}, want: odd},
		{name: "signed reasoning", data: []string{delta(`"reasoning_details":[{"type":"reasoning.encrypted"}]`)}, want: odd},
		{name: "signed call", data: []string{delta(`"tool_calls":[{"index":0,"id":"c","extra_content":{"google":{}},"function":{"name":"f"}}]`)}, want: odd},
		{name: "call that is no function's", data: []string{delta(`"tool_calls":[{"index":0,"id":"c","type":"custom"}]`)}, want: odd},
		{name: "call without an index", data: []string{delta(`"tool_calls":[{"id":"c","function":{"name":"f"}}]`)}, want: odd},
		{name: "two calls under one index", data: []string{delta(`"tool_calls":[{"index":0,"id":"c","function":{"name":"f"}},{"index":0,"id":"d","function":{"name":"g"}}]`)}, want: odd},
		{name: "old function call", data: []string{delta(`"function_call":{"name":"f"}`)}, want: odd},
		{name: "audio", data: []string{delta(`"audio":{"data":"AAAA"}`)}, want: odd},
		{name: "content of parts", data: []string{delta(`"content":[{"type":"thinking"}]`)}, want: odd},
		{name: "a key twice", data: []string{delta(`"content":"x","content":null`)}, want: odd},
		{name: "arguments of an object", data: []string{delta(`"tool_calls":[{"index":0,"function":{"name":"f","arguments":{"a":1}}}]`)}, want: odd},
		{name: "whole message", data: []string{`{"choices":[{"index":0,"message":{"content":"x"}}]}`}, want: odd},
		{name: "text in chat", data: []string{`{"choices":[{"index":0,"text":"x"}]}`}, want: odd},
		{name: "delta in completions", endpoint: sdk.Completions, data: []string{delta(`"content":"x"`)}, want: odd},
		{name: "choices of strings", data: []string{`{"choices":["x"]}`}, want: odd},
		{name: "more choices than there are", data: []string{`{"choices":[{}` + strings.Repeat(",{}", 1024) + `]}`}, want: odd},
		{name: "more calls than there are", data: []string{delta(`"tool_calls":[{"index":0}` + strings.Repeat(`,{"index":0}`, 1024) + `]`)}, want: odd},
		{name: "calls of strings", data: []string{delta(`"tool_calls":["x"]`)}, want: odd},
		{name: "calls in an object", data: []string{delta(`"tool_calls":{"x":1}`)}, want: odd},
		{name: "function of a string", data: []string{delta(`"tool_calls":[{"index":0,"function":"x"}]`)}, want: odd},
		{name: "function with something new", data: []string{delta(`"tool_calls":[{"index":0,"function":{"name":"f","strict":true}}]`)}, want: odd},
		{name: "delta of a string", data: []string{`{"choices":[{"delta":"x"}]}`}, want: odd},
		{name: "choices in an object", data: []string{`{"choices":{"x":1}}`}, want: odd},
		{name: "no JSON", data: []string{"hello"}, want: odd},
		{name: "cut off", data: []string{`{"choices":[{"index":0,"delta":{"content":"hel`}, want: odd},

		{name: "half a character", data: []string{delta(`"content":"x\ud83d"`)}, want: torn},
		{name: "half a character, then calls", data: []string{delta(`"content":"x\ud83d","tool_calls":[{"index":0,"function":{"name":"f"}}]`)}, want: torn},
		{name: "no UTF-8", data: []string{delta("\"content\":\"x\xc3\"")}, want: torn},
	} {
		if tc.endpoint == "" {
			tc.endpoint = sdk.Chat
		}
		transcript := openai.Transcript{Endpoint: tc.endpoint}
		for _, data := range tc.data {
			transcript.Add(&sse.Event{Type: []byte(tc.typ), Data: []byte(data)})
		}
		transcript.Add(&sse.Event{Raw: []byte(": ping\n\n")})
		transcript.Add(&sse.Event{Data: []byte{}})
		err := transcript.Err()
		if text := fmt.Sprint(err); err == nil && tc.want != "" || err != nil && text != tc.want {
			t.Errorf("%s: %s, want %q", tc.name, text, tc.want)
		}
		if _, not := openai.Verify(&transcript); not != err {
			t.Errorf("%s: Verify says %v, want %v", tc.name, not, err)
		}
		if _, not := openai.Continue(&transcript); not != err {
			t.Errorf("%s: Continue says %v, want %v", tc.name, not, err)
		}
	}
}

// TestTranscriptIsBounded: by text, by raw values, and by many empty parts.
func TestTranscriptIsBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		data func(i int) string
		most int // events until it gives up
	}{
		{name: "text", data: func(int) string { return `{"choices":[{"delta":{"content":"0123456789"}}]}` }, most: 100},
		{name: "choices", data: func(i int) string { return fmt.Sprintf(`{"choices":[{"index":%d}]}`, i) }, most: 4},
		{name: "calls", data: func(i int) string {
			return fmt.Sprintf(`{"choices":[{"delta":{"tool_calls":[{"index":%d}]}}]}`, i)
		}, most: 8},
		{name: "id", data: func(int) string { return `{"id":"` + strings.Repeat("x", 1000) + `"}` }, most: 1},
		{name: "finish", data: func(int) string {
			return `{"choices":[{"finish_reason":"` + strings.Repeat("x", 1000) + `"}]}`
		}, most: 1},
	} {
		transcript := openai.Transcript{Endpoint: sdk.Chat, Limit: 1000}
		n := 0
		for ; transcript.Err() == nil && n < 1000; n++ {
			transcript.Add(&sse.Event{Data: []byte(tc.data(n))})
		}
		if err := fmt.Sprint(transcript.Err()); err != "openai: the stream is longer than its transcript may be" || n > tc.most {
			t.Errorf("%s: %s after %d events, want at most %d", tc.name, err, n, tc.most)
		}
	}
}

const textChunk = `{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}`
const callChunk = `{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\""}}]},"logprobs":null,"finish_reason":null}]}`

func BenchmarkTranscript(b *testing.B) {
	for _, bc := range []struct{ name, data string }{
		{name: "text", data: textChunk},
		{name: "call", data: callChunk},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			e := sse.Event{Data: []byte(bc.data)}
			t := openai.Transcript{Endpoint: sdk.Chat, Limit: 1 << 30}
			for n := 0; b.Loop(); n++ {
				if n == 2000 { // of an answer, so that its growth counts
					t, n = openai.Transcript{Endpoint: sdk.Chat, Limit: 1 << 30}, 0
				}
				t.Add(&e)
			}
			if t.Err() != nil {
				b.Fatal(t.Err())
			}
		})
	}
}

func BenchmarkResume(b *testing.B) {
	const answer = 2000 // events
	var t openai.Transcript
	e := sse.Event{Data: []byte(textChunk)}
	begin := func() {
		t = openai.Transcript{Endpoint: sdk.Chat}
		for range answer {
			t.Add(&e)
		}
	}
	b.Run("swallowed", func(b *testing.B) {
		b.ReportAllocs()
		begin()
		var r *openai.Resume
		var out []byte
		for n := answer; b.Loop(); n++ {
			var err error
			if n == answer {
				if r, err = openai.Verify(&t); err != nil {
					b.Fatal(err)
				}
				n = 0
			}
			if out, err = r.Event(out[:0], &e); err != nil || len(out) > 0 {
				b.Fatal(err)
			}
		}
	})
	b.Run("caught up", func(b *testing.B) {
		b.ReportAllocs()
		var r *openai.Resume
		var out []byte
		for n := answer; b.Loop(); n++ {
			var err error
			if n == answer {
				t = openai.Transcript{Endpoint: sdk.Chat}
				t.Add(&e)
				if r, err = openai.Verify(&t); err != nil {
					b.Fatal(err)
				}
				if _, err = r.Event(nil, &e); err != nil {
					b.Fatal(err)
				}
				n = 0
			}
			if out, err = r.Event(out[:0], &e); err != nil || len(out) == 0 {
				b.Fatal(err)
			}
		}
	})
}
