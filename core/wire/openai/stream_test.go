package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestClassifyChunks(t *testing.T) {
	t.Parallel()
	choice := func(delta, finish string) string {
		return `{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}]}`
	}
	for _, tc := range []struct {
		name string
		data string
		want wire.Class
	}{
		{name: "text", data: choice(`{"content":"hi"}`, "null"), want: wire.Text},
		{name: "role and empty text", data: choice(`{"role":"assistant","content":"","refusal":null}`, "null")},
		{name: "role and null text", data: choice(`{"role":"assistant","content":null}`, "null")},
		{name: "role and first text", data: choice(`{"role":"assistant","content":"\""}`, "null"), want: wire.Text},
		{name: "reasoning of DeepSeek", data: choice(`{"content":null,"reasoning_content":"hm"}`, "null"), want: wire.Reasoning},
		{name: "reasoning of vLLM", data: choice(`{"reasoning":"hm"}`, "null"), want: wire.Reasoning},
		{name: "reasoning and its details, both empty", data: choice(`{"reasoning":"","reasoning_details":[ ]}`, "null")},
		{name: "refusal", data: choice(`{"refusal":"no"}`, "null"), want: wire.Refusal},
		{name: "tool call", data: choice(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}`, "null"), want: wire.ToolCall},
		{name: "no tool call", data: choice(`{"tool_calls":[]}`, "null")},
		{name: "old function call", data: choice(`{"function_call":{"arguments":"{"}}`, "null"), want: wire.ToolCall},
		{name: "audio", data: choice(`{"audio":{"data":"AAAA"}}`, "null"), want: wire.Media},
		{name: "content of parts", data: choice(`{"content":[{"type":"thinking"}]}`, "null"), want: wire.Text},
		{name: "finish", data: choice(`{}`, `"stop"`), want: wire.Finished},
		{name: "finish with a last word", data: choice(`{"content":"."}`, `"length"`), want: wire.Text | wire.Finished},
		{name: "finish, empty", data: choice(`{}`, `""`)},
		{name: "text that looks like a finish", data: choice(`{"content":"\"finish_reason\":\"stop\",\"error\":{}"}`, "null"), want: wire.Text},
		{name: "text of keys only", data: choice(`{"content":"finish_reason"}`, "null"), want: wire.Text},
		{name: "text that ends in a backslash", data: choice(`{"content":"\\"}`, `null`), want: wire.Text},
		{name: "arguments that look like a chunk", data: choice(`{"tool_calls":[{"finish_reason":"stop","content":"x"}]}`, "null"), want: wire.ToolCall},
		{name: "escaped key", data: choice(`{"c\u006fntent":"x"}`, "null"), want: wire.Text},
		{name: "white space", data: " { \"choices\" : [ { \"delta\" : { \"content\" : \"x\" } , \"finish_reason\" : null } ] } ", want: wire.Text},
		{name: "second choice", data: `{"choices":[{"delta":{}},{"delta":{"content":"x"}}]}`, want: wire.Text},
		{name: "usage alone", data: `{"choices":[],"usage":{"prompt_tokens":1}}`, want: wire.HasUsage | wire.UsageOnly},
		{name: "usage before choices", data: `{"usage":{"prompt_tokens":1},"choices":[]}`, want: wire.HasUsage | wire.UsageOnly},
		{name: "usage with the finish", data: `{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{}}`, want: wire.HasUsage | wire.Finished},
		{name: "usage beside an empty delta", data: `{"choices":[{"delta":{}}],"usage":{"x":1}}`, want: wire.HasUsage},
		{name: "usage of null", data: `{"choices":[],"usage":null}`},
		{name: "Azure's filter results", data: `{"choices":[],"prompt_filter_results":[{}]}`},
		{name: "error", data: `{"error":{"message":"x"}}`, want: wire.Failed},
		{name: "error of a string", data: `{"error":"x"}`, want: wire.Failed},
		{name: "error of null", data: `{"error":null,"choices":[]}`},
		{name: "OpenRouter's error", data: `{"error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}`, want: wire.Failed},
		{name: "vLLM's error", data: `{"object":"error","message":"x"}`, want: wire.Failed},
		{name: "done", data: `[DONE]`, want: wire.Done},
		{name: "no JSON", data: `hello`},
		{name: "cut off in a text", data: `{"choices":[{"delta":{"content":"hel`, want: wire.Text},
		{name: "cut off before it says anything", data: `{"choices":[{"delta":{"content"`},
		{name: "choices of null", data: `{"choices":null,"usage":{}}`, want: wire.HasUsage},
		{name: "choices of strings", data: `{"choices":["x"]}`},
		{name: "delta of a string", data: `{"choices":[{"delta":"x","finish_reason":"stop"}]}`, want: wire.Finished},
		{name: "completions", data: `{"choices":[{"text":"hi","finish_reason":null}]}`, want: wire.Text},
		{name: "completions, empty", data: `{"choices":[{"text":"","finish_reason":"stop"}]}`, want: wire.Finished},
	} {
		if got := openai.Classify(sdk.Chat, &sse.Event{Data: []byte(tc.data)}); got != tc.want {
			t.Errorf("%s: %b, want %b", tc.name, got, tc.want)
		}
	}
	if got := openai.Classify(sdk.Chat, &sse.Event{}); got != 0 {
		t.Errorf("a comment is %b", got)
	}
	if got := openai.Classify(sdk.Chat, &sse.Event{Type: []byte("error"), Data: []byte("overloaded")}); got != wire.Failed {
		t.Errorf("an event named error is %b", got)
	}
}

func TestClassifyTyped(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		typ  string
		data string
		want wire.Class
	}{
		{name: "created", data: `{"type":"response.created","response":{"error":null,"usage":null,"status":"in_progress"}}`},
		{name: "message begins", data: `{"type":"response.output_item.added","item":{"type":"message","content":[]}}`},
		{name: "part begins", data: `{"type":"response.content_part.added","part":{"type":"output_text","text":""}}`},
		{name: "text", data: `{"type":"response.output_text.delta","sequence_number":4,"delta":"hi","obfuscation":"xx"}`, want: wire.Text},
		{name: "text, type last", data: `{"delta":"hi","type":"response.output_text.delta"}`, want: wire.Text},
		{name: "text, typed by the event field", typ: "response.output_text.delta", data: `{"delta":"hi"}`, want: wire.Text},
		{name: "empty text", data: `{"type":"response.output_text.delta","delta":""}`},
		{name: "text that looks like an end", data: `{"type":"response.output_text.delta","delta":"\"type\":\"response.completed\""}`, want: wire.Text},
		{name: "whole text", data: `{"type":"response.output_text.done","text":"hi"}`, want: wire.Text},
		{name: "refusal", data: `{"type":"response.refusal.delta","delta":"no"}`, want: wire.Refusal},
		{name: "reasoning", data: `{"type":"response.reasoning_text.delta","delta":"hm"}`, want: wire.Reasoning},
		{name: "summary", data: `{"type":"response.reasoning_summary_text.delta","delta":"hm"}`, want: wire.Reasoning},
		{name: "summary begins", data: `{"type":"response.reasoning_summary_part.added","part":{}}`},
		{name: "call begins", data: `{"type":"response.output_item.added","item":{"id":"f","type":"function_call","name":"x"}}`, want: wire.ToolCall},
		{name: "arguments", data: `{"type":"response.function_call_arguments.delta","delta":"{"}`, want: wire.ToolCall},
		{name: "code", data: `{"type":"response.code_interpreter_call_code.delta","delta":"1"}`, want: wire.ToolCall},
		{name: "audio", data: `{"type":"response.audio.delta","delta":"AAAA"}`, want: wire.Media},
		{name: "partial image", data: `{"type":"response.image_generation_call.partial_image","partial_image_b64":"AA"}`, want: wire.Media},
		{name: "search in progress", data: `{"type":"response.web_search_call.searching"}`},
		{name: "completed", data: `{"type":"response.completed","response":{"output":[{"usage":1}],"usage":{"input_tokens":1}}}`, want: wire.Finished | wire.HasUsage},
		{name: "incomplete", data: `{"type":"response.incomplete","response":{"usage":null}}`, want: wire.Finished},
		{name: "failed", data: `{"type":"response.failed","response":{"error":{"code":"server_error"}}}`, want: wire.Failed},
		{name: "error", typ: "error", data: `{"type":"error","code":null,"message":"x","param":null}`, want: wire.Failed},
		{name: "error in an error key", data: `{"error":{"message":"x"}}`, want: wire.Failed},
		{name: "unknown", data: `{"type":"response.something.new","x":1}`},
		{name: "transcript", data: `{"type":"transcript.text.delta","delta":"hi"}`, want: wire.Text},
		{name: "transcript ends", data: `{"type":"transcript.text.done","text":"hi","usage":{"type":"tokens"}}`, want: wire.Finished | wire.HasUsage},
		{name: "image", data: `{"type":"image_generation.completed","b64_json":"AA","usage":{}}`, want: wire.Media | wire.Finished | wire.HasUsage},
		{name: "no object", data: `[1]`},
	} {
		if got := openai.Classify(sdk.Responses, &sse.Event{Type: []byte(tc.typ), Data: []byte(tc.data)}); got != tc.want {
			t.Errorf("%s: %b, want %b", tc.name, got, tc.want)
		}
	}
}

const chatStream = ": ping\n\n" +
	`data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\r\n\r\n" +
	`data: {"choices":[{"delta":{"content":"größe"},"finish_reason":null}]}` + "\n\n" +
	`data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
	`data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}` + "\n\n" +
	"data: [DONE]\n\n"

// TestStreamSplitAnywhere feeds a stream cut at every byte: the events, their
// classes and the bytes must be the same each time.
func TestStreamSplitAnywhere(t *testing.T) {
	t.Parallel()
	want := []wire.Class{0, 0, wire.Text, wire.Finished, wire.HasUsage | wire.UsageOnly, wire.Done}
	for at := range len(chatStream) + 1 {
		var s sse.Splitter
		var e sse.Event
		var p wire.Progress
		var got []wire.Class
		var raw strings.Builder
		var usage wire.Usage
		for _, piece := range []string{chatStream[:at], chatStream[at:]} {
			s.Feed([]byte(piece))
			for s.Next(&e) {
				c := openai.Classify(sdk.Chat, &e)
				if p.Add(c) != (len(got) == 2) {
					t.Fatalf("split at %d: event %d commits or does not", at, len(got))
				}
				got = append(got, c)
				raw.Write(e.Raw)
				if c.Is(wire.HasUsage) {
					usage = openai.ReadUsage(&e)
				}
			}
		}
		if len(got) != len(want) || raw.String() != chatStream || p.Truncated() || usage.Total != 11 {
			t.Fatalf("split at %d: %v, truncated %v, usage %+v", at, got, p.Truncated(), usage)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("split at %d: event %d is %b, want %b", at, i, got[i], want[i])
			}
		}
	}
}

// FuzzClassify: any bytes, no panic; and of a well-formed chunk what
// encoding/json sees in it.
func FuzzClassify(f *testing.F) {
	for line := range strings.SplitSeq(chatStream, "\n") {
		f.Add([]byte(strings.TrimPrefix(line, "data: ")))
	}
	f.Add([]byte(`{"type":"response.completed","response":{"usage":{}},"item":{"type":"x_call"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := sse.Event{Data: data}
		openai.Classify(sdk.Responses, &e)
		openai.ReadUsage(&e)
		got := openai.Classify(sdk.Chat, &e)
		var std struct {
			Choices []struct {
				Delta struct {
					Content json.RawMessage `json:"content"`
				} `json:"delta"`
				FinishReason *string `json:"finish_reason"`
			} `json:"choices"`
		}
		if !plainKeys(data) || json.Unmarshal(data, &std) != nil {
			return // no object, a key twice, or fields of other types
		}
		text, finished := false, false
		for _, c := range std.Choices {
			text = text || len(c.Delta.Content) > 2 && c.Delta.Content[0] == '"'
			finished = finished || c.FinishReason != nil && *c.FinishReason != "" && *c.FinishReason != "error"
		}
		if text && !got.Is(wire.Text) || finished && !got.Is(wire.Finished) {
			t.Fatalf("%q is %b: text %v, finished %v", data, got, text, finished)
		}
	})
}

// plainKeys tells whether data spells the keys that count once and in the
// usual way. Of others encoding/json takes the last, whatever its case.
func plainKeys(data []byte) bool {
	text := string(data)
	low := strings.ToLower(text)
	for _, odd := range []string{`\u`, "\u017f", "\u212a"} {
		if strings.Contains(text, odd) {
			return false
		}
	}
	for _, k := range []string{"choices", "delta", "content", "finish_reason"} {
		if strings.Count(low, k) > 1 || strings.Contains(low, k) != strings.Contains(text, k) {
			return false
		}
	}
	return true
}

func BenchmarkClassify(b *testing.B) {
	for _, bc := range []struct {
		name     string
		endpoint sdk.Endpoint
		data     string
	}{
		{name: "chat", endpoint: sdk.Chat, data: `{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}`},
		{name: "responses", endpoint: sdk.Responses, data: `{"type":"response.output_text.delta","item_id":"msg_123","output_index":0,"content_index":0,"delta":" word","sequence_number":7,"logprobs":[],"obfuscation":"abcdefgh"}`},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			e := sse.Event{Data: []byte(bc.data)}
			for b.Loop() {
				if openai.Classify(bc.endpoint, &e) != wire.Text {
					b.Fatal("not a text")
				}
			}
		})
	}
}
