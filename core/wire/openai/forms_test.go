package openai_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	sdkclient "github.com/openai/openai-go/v3"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const usage = `{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}`

// wholeChat is a whole answer of one choice.
func wholeChat(message, finish string) string {
	return `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":` + message +
		`,"logprobs":null,"finish_reason":"` + finish + `"}],"usage":` + usage + `,"system_fingerprint":"fp"}`
}

// data of a stream's events, each of which must be one line.
func dataOf(t *testing.T, events []byte) []string {
	t.Helper()
	var split sse.Splitter
	var e sse.Event
	var out []string
	split.Feed(events)
	for split.Next(&e) {
		if lines := strings.Count(string(e.Raw), "\n"); lines != 2 || e.Data == nil {
			t.Fatalf("an event of %d lines: %s", lines, e.Raw)
		}
		out = append(out, string(e.Data))
	}
	if split.Flush(&e) {
		t.Fatalf("the stream ends within an event: %s", e.Raw)
	}
	return out
}

// What goes from a whole answer to a stream and back is the same to a client:
// the official accumulator puts together what the whole answer said.
func TestAWholeAnswerReplayed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`h\u00e9 \ud83d\ude00 \"q\" \\ é😀 `, 300)
	for _, tc := range []struct{ name, message, finish string }{
		{name: "text", message: `{"role":"assistant","content":"hello","refusal":null,"annotations":[]}`, finish: "stop"},
		{name: "no text", message: `{"role":"assistant","content":"","refusal":null}`, finish: "stop"},
		{name: "long text with escapes", message: `{"role":"assistant","content":"` + long + `","refusal":null}`, finish: "stop"},
		{name: "refusal", message: `{"role":"assistant","content":null,"refusal":"no"}`, finish: "stop"},
		{name: "reasoning", message: `{"role":"assistant","content":"4","reasoning_content":"2+2","refusal":null}`, finish: "stop"},
		{name: "calls", finish: "tool_calls", message: `{"role":"assistant","content":null,"refusal":null,"tool_calls":[` +
			`{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},` +
			`{"id":"b","type":"function","function":{"name":"g","arguments":""}}]}`},
		{name: "on many lines", message: "{\n\"role\":\"assistant\",\r\n\"content\":\"a\\nb\",\"refusal\":null\n}", finish: "stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			whole := wholeChat(tc.message, tc.finish)
			events, err := openai.Events(sdk.Chat, []byte(whole), true)
			if err != nil {
				t.Fatal(err)
			}
			all := dataOf(t, events)
			if last := all[len(all)-1]; last != "[DONE]" {
				t.Errorf("ends with %s", last)
			}
			if !strings.Contains(all[0], `"role":"assistant"`) || !strings.Contains(all[len(all)-2], usage) {
				t.Errorf("begins with %s\nends with %s", all[0], all[len(all)-2])
			}
			var accumulated sdkclient.ChatCompletionAccumulator
			for _, data := range all[:len(all)-1] {
				if len(data) > 4<<10 {
					t.Errorf("a chunk of %d bytes", len(data))
				}
				var chunk sdkclient.ChatCompletionChunk
				if err := json.Unmarshal([]byte(data), &chunk); err != nil || !accumulated.AddChunk(chunk) {
					t.Fatalf("%v: %s", err, data)
				}
			}
			var want sdkclient.ChatCompletion
			if err := json.Unmarshal([]byte(whole), &want); err != nil {
				t.Fatal(err)
			}
			got, wanted := accumulated.Choices[0], want.Choices[0]
			if got.Message.Content != wanted.Message.Content || got.Message.Refusal != wanted.Message.Refusal ||
				got.FinishReason != wanted.FinishReason || len(got.Message.ToolCalls) != len(wanted.Message.ToolCalls) ||
				accumulated.Usage.TotalTokens != want.Usage.TotalTokens || accumulated.ID != want.ID || accumulated.Created != want.Created {
				t.Errorf("got  %+v\nwant %+v", got, wanted)
			}
			if !openai.Sound(sdk.Chat, events, true, 1) || !openai.Sound(sdk.Chat, []byte(whole), false, 1) {
				t.Error("not sound")
			}

			back, err := openai.Whole(sdk.Chat, events)
			if err != nil {
				t.Fatal(err)
			}
			same(t, back, whole)
		})
	}
}

// same compares JSON, empty lists of annotations aside.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(want, `,"annotations":[]`, "")), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCompletionsReplayed(t *testing.T) {
	t.Parallel()
	whole := `{"id":"c1","object":"text_completion","created":7,"model":"m","choices":[` +
		`{"index":0,"text":"a","logprobs":null,"finish_reason":"stop"},{"index":1,"text":"b","logprobs":null,"finish_reason":"stop"}],"usage":` + usage + `}`
	events, err := openai.Events(sdk.Completions, []byte(whole), true)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(dataOf(t, events)); n != 6 {
		t.Errorf("%d events: %s", n, events)
	}
	back, err := openai.Whole(sdk.Completions, events)
	if err != nil {
		t.Fatal(err)
	}
	same(t, back, whole)
}

// What the answer has beside its choices goes on, once.
func TestReplayLosesNothing(t *testing.T) {
	t.Parallel()
	whole := `{"id":"c","citations":["u"],"choices":[{"index":0,"message":{"role":"assistant","content":"x","annotations":[{"type":"url_citation"}]},` +
		`"logprobs":{"content":[{"token":"x"}]},"content_filter_results":{"hate":1},"finish_reason":"stop"}]}`
	events, err := openai.Events(sdk.Chat, []byte(whole), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"citations":["u"]`, `"annotations":[{"type":"url_citation"}]`, `{"content":[{"token":"x"}]}`, `"content_filter_results":{"hate":1}`} {
		if n := strings.Count(string(events), part); n != 1 {
			t.Errorf("%s is there %d times:\n%s", part, n, events)
		}
	}
	if strings.Contains(string(events), "usage") {
		t.Error("nobody asked for the usage")
	}
}

const (
	chunkHead    = `data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[`
	roleEvent    = chunkHead + `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	contentEvent = chunkHead + `{"index":0,"delta":{"content":"x"},"finish_reason":null}]}` + "\n\n"
	stopEvent    = chunkHead + `{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usageEvent   = chunkHead + `],"usage":` + usage + "}\n\n"
	doneEvent    = "data: [DONE]\n\n"
)

func TestRefit(t *testing.T) {
	t.Parallel()
	plain, counted := roleEvent+contentEvent+stopEvent+doneEvent, roleEvent+contentEvent+stopEvent+usageEvent+doneEvent
	whole := wholeChat(`{"role":"assistant","content":"x"}`, "stop")
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint // chat
		body     string
		events   bool
		want     openai.Form
		is       string // "": it can't be
		has      string
	}{
		{name: "whole as it is", body: whole, is: whole},
		{name: "stream as it is", body: plain, events: true, want: openai.Form{Events: true}, is: plain},
		{name: "stream with its usage", body: counted, events: true, want: openai.Form{Events: true, Usage: true}, is: counted},
		{name: "stream without its usage", body: counted, events: true, want: openai.Form{Events: true}, is: plain},
		{name: "usage that is not there", body: plain, events: true, want: openai.Form{Events: true, Usage: true}},
		{name: "whole of a stream", body: counted, events: true, has: `"content":"x"`},
		{name: "whole of a stream without usage", body: plain, events: true},
		{name: "whole of a stream without an end", body: roleEvent + contentEvent + usageEvent + doneEvent, events: true},
		{name: "whole of a stream with log probabilities", body: strings.Replace(counted, `"delta":{"content":"x"}`, `"delta":{"content":"x"},"logprobs":{"content":[{"token":"x"}]}`, 1), events: true},
		{name: "whole of an error", body: roleEvent + "data: {\"error\":{\"message\":\"x\"}}\n\n", events: true},
		{name: "stream of a whole", body: whole, want: openai.Form{Events: true}, has: `"delta":{"content":"x"}`},
		{name: "stream of a whole without usage", body: strings.Replace(whole, usage, "null", 1), want: openai.Form{Events: true, Usage: true}},
		{name: "stream of audio", body: wholeChat(`{"role":"assistant","content":null,"audio":{"id":"a"}}`, "stop"), want: openai.Form{Events: true}},
		{name: "stream of content in parts", body: wholeChat(`{"role":"assistant","content":[{"type":"text"}]}`, "stop"), want: openai.Form{Events: true}},
		{name: "stream of no choices", body: `{"id":"x"}`, want: openai.Form{Events: true}},
		{name: "stream of a choice without an end", body: strings.Replace(whole, `"stop"`, "null", 1), want: openai.Form{Events: true}},
		{name: "embeddings", endpoint: sdk.Embeddings, body: `{"data":[]}`, is: `{"data":[]}`},
		{name: "stream of embeddings", endpoint: sdk.Embeddings, body: `{"data":[]}`, want: openai.Form{Events: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.endpoint == "" {
				tc.endpoint = sdk.Chat
			}
			got, err := openai.Refit(tc.endpoint, []byte(tc.body), tc.events, tc.want)
			if none := tc.is == "" && tc.has == ""; none != (err != nil) {
				t.Fatalf("%v: %s", err, got)
			}
			if err == nil && (tc.is != "" && string(got) != tc.is || !strings.Contains(string(got), tc.has)) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestSound(t *testing.T) {
	t.Parallel()
	finish := func(reason string) string { return wholeChat(`{"role":"assistant","content":"x"}`, reason) }
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint // chat
		body     string
		events   bool
		n        int // 1
		want     bool
	}{
		{name: "stop", body: finish("stop"), want: true},
		{name: "calls", body: finish("tool_calls"), want: true},
		{name: "cut off by a limit", body: finish("length")},
		{name: "filtered", body: finish("content_filter")},
		{name: "for a reason nobody knows", body: finish("weird")},
		{name: "without a reason", body: `{"choices":[{"message":{"content":"x"},"finish_reason":null}]}`},
		{name: "without choices", body: `{"choices":[]}`},
		{name: "fewer choices than wanted", body: finish("stop"), n: 2},
		{name: "two choices", body: `{"choices":[{"finish_reason":"stop"},{"finish_reason":"stop"}]}`, n: 2, want: true},
		{name: "one of two filtered", body: `{"choices":[{"finish_reason":"stop"},{"finish_reason":"content_filter"}]}`, n: 2},
		{name: "an error", body: `{"error":{"message":"x"}}`},
		{name: "no JSON", body: `hello`},
		{name: "a stream", body: roleEvent + contentEvent + stopEvent + doneEvent, events: true, want: true},
		{name: "a stream without its end", body: roleEvent + contentEvent + doneEvent, events: true},
		{name: "a stream that was cut off", body: roleEvent + strings.Replace(stopEvent, "stop", "length", 1) + doneEvent, events: true},
		{name: "a stream with an error", body: roleEvent + stopEvent + "data: {\"error\":{\"message\":\"x\"}}\n\n", events: true},
		{name: "a stream of fewer choices than wanted", body: roleEvent + stopEvent + doneEvent, events: true, n: 2},
		{name: "embeddings", endpoint: sdk.Embeddings, body: `{"data":[]}`, want: true},
		{name: "an error of embeddings", endpoint: sdk.Embeddings, body: `{"error":{"message":"x"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.endpoint == "" {
				tc.endpoint = sdk.Chat
			}
			if got := openai.Sound(tc.endpoint, []byte(tc.body), tc.events, max(1, tc.n)); got != tc.want {
				t.Errorf("sound: %t", got)
			}
		})
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	want := `{"model":"m","messages":[]}`
	for _, body := range []string{
		want,
		`{"model":"m","messages":[],"stream":true}`,
		`{"stream":false,"model":"m","stream_options":{"include_usage":true},"messages":[]}`,
	} {
		if got := openai.Content([]byte(body)); string(got) != want {
			t.Errorf("%s has the content %s", body, got)
		}
	}
	if got := openai.Content([]byte("--form")); got != nil {
		t.Errorf("a form has the content %s", got)
	}
}

func TestTemperature(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		endpoint   sdk.Endpoint
		want       float64
	}{
		{name: "said", body: `{"model":"m","temperature":0.25}`, endpoint: sdk.Chat, want: 0.25},
		{name: "nothing", body: `{"model":"m"}`, endpoint: sdk.Completions, want: 1},
		{name: "null", body: `{"model":"m","temperature":null}`, endpoint: sdk.Chat, want: 1},
		{name: "nonsense", body: `{"model":"m","temperature":"cold"}`, endpoint: sdk.Chat, want: 1},
		{name: "embeddings", body: `{"model":"m"}`, endpoint: sdk.Embeddings},
	} {
		r, err := openai.ReadRequest(tc.endpoint, []byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := openai.Temperature([]byte(tc.body), &r); got != tc.want {
			t.Errorf("%s: %g, want %g", tc.name, got, tc.want)
		}
	}
}

// Whatever is stored, a hit is well-formed: what is no answer is no hit.
func FuzzRefit(f *testing.F) {
	f.Add([]byte(wholeChat(`{"role":"assistant","content":"x\n\ud83d\ude00"}`, "stop")), true, false)
	f.Add([]byte(wholeChat(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}`, "tool_calls")), true, false)
	f.Add([]byte(roleEvent+contentEvent+stopEvent+usageEvent+doneEvent), true, true)
	f.Fuzz(func(t *testing.T, body []byte, usage, events bool) {
		if !events && !rawjson.Valid(body) {
			return // it would not have been stored
		}
		for _, e := range []sdk.Endpoint{sdk.Chat, sdk.Completions} {
			openai.Sound(e, body, events, 1)
			out, err := openai.Refit(e, body, events, openai.Form{Events: !events, Usage: usage})
			if err != nil {
				continue
			}
			if events {
				continue // its raw parts are as good as the events were
			}
			for _, data := range dataOf(t, out) {
				if data != "[DONE]" && !rawjson.Valid([]byte(data)) {
					t.Fatalf("%s becomes %s", body, data)
				}
			}
		}
	})
}
