package openai_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// stream makes events of data.
func stream(t testing.TB, data ...string) []sse.Event {
	t.Helper()
	var b strings.Builder
	for _, d := range data {
		b.WriteString("data: " + d + "\n\n")
	}
	return events(t, b.String())
}

func TestResume(t *testing.T) {
	t.Parallel()
	// A chunk of the first or second stream with one choice, index 0.
	one := func(id, rest string) string { return `{"id":"` + id + `","choices":[{"index":0,` + rest + `}]}` }
	a := func(delta string) string { return one("A", `"delta":{`+delta+`}`) }
	b := func(delta string) string { return one("B", `"delta":{`+delta+`}`) }
	call := func(rest string) string { return `"tool_calls":[{"index":0,` + rest + `}]` }
	for _, tc := range []struct {
		name          string
		endpoint      sdk.Endpoint // chat
		limit         int
		first, second []string
		want          []string // the data that the client gets of the second
		err           string   // of Event, or else of End
		behind        bool     // it has not caught up
	}{
		{
			name:   "chunk ends in the middle of the known text",
			first:  []string{a(`"role":"assistant","content":""`), a(`"content":"Hello"`)},
			second: []string{b(`"role":"assistant","content":""`), b(`"content":"Hel"`), b(`"content":"lo"`), b(`"content":"!"`)},
			want:   []string{a(`"content":"!"`)},
		},
		{
			name:   "chunk reaches over the end of the known text",
			first:  []string{a(`"content":"Hel"`)},
			second: []string{b(`"role":"assistant","content":"Hello"`), b(`"content":"!"`)},
			want:   []string{a(`"role":"assistant","content":"lo"`), a(`"content":"!"`)},
		},
		{
			name:   "role is not repeated",
			first:  []string{a(`"role":"assistant"`), a(`"content":"Hel"`)},
			second: []string{b(`"role":"assistant","content":"Hello"`), b(`"role":"assistant","content":"!"`)},
			want:   []string{a(`"content":"lo"`), a(`"content":"!"`)},
		},
		{
			name:   "character in bytes and in escapes",
			first:  []string{a(`"content":"a\ud83d\ude00"`)},
			second: []string{b(`"content":"a"`), b(`"content":"😀😀\n"`)},
			want:   []string{a(`"content":"😀\n"`)},
		},
		{
			name:   "character that begins with the same bytes",
			first:  []string{a(`"content":"x😀"`)},
			second: []string{b(`"content":"x😁"`)},
			err:    "openai: the second stream differs from the first: choice 0, content, byte 4",
			behind: true,
		},
		{
			name:   "second stream tears a character in two",
			first:  []string{a(`"content":"x😀"`)},
			second: []string{b(`"content":"x\ud83d"`), b(`"content":"\ude00"`)},
			err:    "openai: the second stream has content that cannot be compared with the first: choice 0, content, byte 0",
			behind: true,
		},
		{
			name:   "text before reasoning, reasoning before text",
			first:  []string{a(`"reasoning":"Hm"`), a(`"content":"Hel"`)},
			second: []string{b(`"content":"Hello"`), b(`"reasoning":"Hm."`)},
			want:   []string{a(`"content":"lo"`), a(`"reasoning":"."`)},
		},
		{
			name:   "text and reasoning in one chunk",
			first:  []string{a(`"reasoning_content":"Hm"`), a(`"content":"Hel"`)},
			second: []string{b(`"reasoning_content":"Hm","content":"Hello"`)},
			want:   []string{a(`"content":"lo"`)},
		},
		{
			name:   "reasoning under another name is missing",
			first:  []string{a(`"reasoning_content":"Hm"`), a(`"content":"Hel"`)},
			second: []string{b(`"reasoning":"Hm"`), b(`"content":"Hello"`), "[DONE]"},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, reasoning_content, byte 0",
			behind: true,
		},
		{
			name:   "refusal",
			first:  []string{a(`"refusal":"I can"`)},
			second: []string{b(`"refusal":"I can't"`)},
			want:   []string{a(`"refusal":"'t"`)},
		},
		{
			name:   "answer where there was a refusal",
			first:  []string{a(`"refusal":"I can"`)},
			second: []string{b(`"content":"Sure"`), one("B", `"delta":{},"finish_reason":"stop"`)},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, refusal, byte 0",
			behind: true,
		},
		{
			name:   "text ends early",
			first:  []string{a(`"content":"Hello"`)},
			second: []string{b(`"content":"Hell"`), one("B", `"delta":{},"finish_reason":"stop"`)},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, content, byte 4",
			behind: true,
		},
		{
			name:   "stream ends early",
			first:  []string{a(`"content":"Hello"`)},
			second: []string{b(`"content":"Hell"`)},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, content, byte 4",
			behind: true,
		},
		{
			name:   "tool call keeps its id",
			first:  []string{a(call(`"id":"x","type":"function","function":{"name":"get","arguments":""}`)), a(call(`"function":{"arguments":"{\"a"}`))},
			second: []string{b(call(`"id":"y","type":"function","function":{"name":"get","arguments":"{\"a\":1"}`)), b(call(`"id":"y","function":{"arguments":"}"}`))},
			want:   []string{a(call(`"function":{"arguments":"\":1"}`)), a(call(`"function":{"arguments":"}"}`))},
		},
		{
			name:   "second tool call begins",
			first:  []string{a(call(`"id":"x","function":{"name":"get","arguments":"{}"}`))},
			second: []string{b(`"tool_calls":[{"index":0,"id":"y","function":{"name":"get","arguments":"{}"}},{"index":1,"id":"z","function":{"name":"put","arguments":"{"}}]`)},
			want:   []string{a(`"tool_calls":[{"index":1,"id":"z","function":{"name":"put","arguments":"{"}}]`)},
		},
		{
			name:   "second tool call begins with the id of the first",
			first:  []string{a(call(`"id":"call_1","function":{"name":"get","arguments":"{}"}`))},
			second: []string{b(call(`"id":"call_0","function":{"name":"get","arguments":"{}"}`)), b(`"tool_calls":[{"index":1,"id":"call_1","function":{"name":"put"}}]`)},
			err:    "openai: the second stream differs from the first: choice 0, tool call 1, id, byte 0",
			behind: true,
		},
		{
			name:   "two calls under one index",
			first:  []string{a(call(`"id":"x","function":{"name":"get","arguments":"{"}`))},
			second: []string{b(call(`"id":"y","function":{"name":"get"}`)), b(call(`"id":"z","function":{"arguments":"{}"}`))},
			err:    "openai: the second stream differs from the first: choice 0, tool call 0, id, byte 0",
			behind: true,
		},
		{
			name:   "name in pieces",
			first:  []string{a(call(`"id":"x","function":{"name":"se"}`)), a(call(`"function":{"name":"arch","arguments":"{"}`))},
			second: []string{b(call(`"id":"y","function":{"name":"search"}`)), b(call(`"function":{"arguments":"{}"}`))},
			want:   []string{a(call(`"function":{"arguments":"}"}`))},
		},
		{
			name:   "name that begins like the known one",
			first:  []string{a(call(`"id":"x","function":{"name":"search"}`))},
			second: []string{b(call(`"id":"y","function":{"name":"search_web"}`))},
			err:    "openai: the second stream differs from the first: choice 0, tool call 0, name, byte 6",
			behind: true,
		},
		{
			name:   "name that goes on later",
			first:  []string{a(call(`"id":"x","function":{"name":"search"}`))},
			second: []string{b(call(`"id":"y","function":{"name":"search"}`)), b(call(`"function":{"name":"_web"}`))},
			err:    "openai: the second stream differs from the first: choice 0, tool call 0, name, byte 6",
			behind: true,
		},
		{
			name:   "tool call is not made",
			first:  []string{a(call(`"id":"x","function":{"name":"get"}`))},
			second: []string{b(`"content":"I would"`), one("B", `"delta":{},"finish_reason":"stop"`)},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, tool call 0, name, byte 0",
			behind: true,
		},
		{
			name:   "id comes only with the second stream",
			first:  []string{a(call(`"function":{"name":"get"}`))},
			second: []string{b(call(`"id":"y","function":{"name":"get","arguments":"{"}`))},
			want:   []string{a(call(`"id":"y","function":{"arguments":"{"}`))},
		},
		{
			name:   "name comes only with the second stream",
			first:  []string{a(call(`"id":"x","function":{}`)), a(`"content":"ab"`)},
			second: []string{b(call(`"id":"y","type":"function","function":{"name":"get"}`)), b(`"content":"ab"`)},
			want:   []string{a(call(`"function":{"name":"get"}`))},
		},
		{
			name:   "finish is known",
			first:  []string{`{"id":"A","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"},{"index":1,"delta":{"content":"y"}}]}`},
			second: []string{`{"id":"B","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"},{"index":1,"delta":{"content":"yz"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}}`},
			want:   []string{`{"id":"A","choices":[{"index":1,"delta":{"content":"z"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}}`},
		},
		{
			name:   "another finish",
			first:  []string{one("A", `"delta":{"content":"x"},"finish_reason":"stop"`)},
			second: []string{one("B", `"delta":{"content":"x"},"finish_reason":"length"`)},
			err:    "openai: the second stream differs from the first: choice 0, finish_reason, byte 0",
			behind: true,
		},
		{
			name:   "finish is missing",
			first:  []string{one("A", `"delta":{"content":"x"},"finish_reason":"stop"`)},
			second: []string{b(`"content":"x"`), "[DONE]"},
			err:    "openai: the second stream ends before it has repeated the first: choice 0, finish_reason, byte 0",
			behind: true,
		},
		{
			name:   "goes on where the first had ended",
			first:  []string{one("A", `"delta":{"content":"x"},"finish_reason":"stop"`)},
			second: []string{b(`"content":"x"`), b(`"content":"y"`)},
			err:    "openai: the second stream goes on where the first had ended: choice 0, finish_reason, byte 0",
			behind: true,
		},
		{
			name:   "finish and usage after everything is known",
			first:  []string{one("A", `"delta":{"content":"x"},"finish_reason":"stop"`)},
			second: []string{b(`"content":"x"`), `{"id":"B","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`, "[DONE]"},
			want:   []string{`{"id":"A","choices":[],"usage":{"prompt_tokens":1}}`, "[DONE]"},
		},
		{
			name:   "choice ahead is held until the other has caught up",
			first:  []string{`{"id":"A","choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`},
			second: []string{b(`"content":"a1"`), b(`"content":"2"`), `{"id":"B","choices":[{"index":1,"delta":{"content":"b"}}]}`, b(`"content":"3"`)},
			want:   []string{a(`"content":"1"`), a(`"content":"2"`), a(`"content":"3"`)},
		},
		{
			name:   "held pieces are given up with the stream",
			first:  []string{`{"id":"A","choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`},
			second: []string{b(`"content":"a1"`), `{"id":"B","choices":[{"index":1,"delta":{"content":"c"}}]}`},
			err:    "openai: the second stream differs from the first: choice 1, content, byte 0",
			behind: true,
		},
		{
			name:   "too much to hold",
			limit:  600,
			first:  []string{`{"id":"A","choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`},
			second: []string{b(`"content":"a` + strings.Repeat("x", 600) + `"`)},
			err:    "openai: the second stream says too much else before it has repeated the first",
			behind: true,
		},
		{
			name:   "head of the first stream: what it had and what it had not",
			first:  []string{`{"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{}]}`, `{"id":"A","created":1,"model":"m","service_tier":null,"choices":[{"index":0,"delta":{"content":"x"}}]}`},
			second: []string{`{"system_fingerprint":"fp","id":"B","created":2,"model":"n","service_tier":"flex","choices":[{"index":0,"delta":{"content":"xy"}}],"obfuscation":"zz"}`, `{"choices":[],"usage":{"prompt_tokens":1}}`},
			want:   []string{`{"id":"A","created":1,"model":"m","service_tier":null,"choices":[{"index":0,"delta":{"content":"y"}}],"obfuscation":"zz"}`, `{"choices":[],"usage":{"prompt_tokens":1},"id":"A","created":1,"model":"m","service_tier":null}`},
		},
		{
			name:   "what is not understood passes once nothing is left to differ",
			first:  []string{a(`"content":"x"`)},
			second: []string{b(`"content":"xy"`), b(`"annotations":[{"url":"u"}]`), b(``)},
			want:   []string{a(`"content":"y"`), a(`"annotations":[{"url":"u"}]`), a(``)},
		},
		{
			name:   "what is not understood can't be compared",
			first:  []string{a(`"content":"x"`)},
			second: []string{b(`"reasoning_details":[{"data":"gAAA"}]`), b(`"content":"xy"`)},
			err:    "openai: the second stream has content that cannot be compared with the first",
			behind: true,
		},
		{
			name:   "second stream fails too",
			first:  []string{a(`"content":"xy"`)},
			second: []string{b(`"content":"x"`), `{"error":{"message":"no"}}`},
			err:    "openai: the second stream fails before it has repeated the first",
			behind: true,
		},
		{
			name:   "second stream fails later",
			first:  []string{a(`"content":"x"`)},
			second: []string{b(`"content":"xy"`), `{"error":{"message":"no"}}`},
			want:   []string{a(`"content":"y"`), `{"error":{"message":"no"}}`},
		},
		{
			name:   "chunk with more choices than there are",
			first:  []string{a(`"content":"x"`)},
			second: []string{b(`"content":"xy"`), `{"choices":[{}` + strings.Repeat(",{}", 1024) + `]}`},
			want:   []string{a(`"content":"y"`)},
			err:    "openai: the second stream has content that cannot be compared with the first",
			behind: true,
		},
		{
			name:   "torn chunk",
			first:  []string{a(`"content":"x"`)},
			second: []string{b(`"content":"xy"`), `{"id":"B","choices":[{"index":0,"delta":{"content":"z`},
			want:   []string{a(`"content":"y"`)},
			err:    "openai: the second stream has an event that is no JSON object",
			behind: true,
		},
		{
			name:   "no content yet",
			first:  []string{a(`"role":"assistant","content":""`)},
			second: []string{b(`"role":"assistant","content":""`), b(`"content":"x"`)},
			want:   []string{a(`"content":"x"`)},
		},
		{
			name:     "completions",
			endpoint: sdk.Completions,
			first:    []string{one("A", `"text":"Hel"`)},
			second:   []string{one("B", `"text":"He"`), one("B", `"text":"llo","logprobs":null`), one("B", `"text":"","finish_reason":"stop"`), "[DONE]"},
			want:     []string{one("A", `"text":"lo","logprobs":null`), one("A", `"text":"","finish_reason":"stop"`), "[DONE]"},
		},
		{
			name:     "completions, finish with the known text",
			endpoint: sdk.Completions,
			first:    []string{one("A", `"text":"Hel"`)},
			second:   []string{one("B", `"text":"Hel","finish_reason":"stop"`)},
			want:     []string{one("A", `"text":"","finish_reason":"stop"`)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.endpoint == "" {
				tc.endpoint = sdk.Chat
			}
			transcript := openai.Transcript{Endpoint: tc.endpoint, Limit: tc.limit}
			for _, e := range stream(t, tc.first...) {
				transcript.Add(&e)
			}
			resume, err := openai.Verify(&transcript)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, e := range stream(t, tc.second...) {
				if got, err = resume.Event(got, &e); err != nil {
					break
				}
			}
			if err == nil {
				err = resume.End()
			}
			var want string
			for _, data := range tc.want {
				want += "data: " + data + "\n\n"
			}
			if string(got) != want {
				t.Errorf("the client gets\n%s, want\n%s", got, want)
			}
			if text := fmt.Sprint(err); err == nil && tc.err != "" || err != nil && text != tc.err {
				t.Errorf("error %q, want %q", text, tc.err)
			}
			if resume.CaughtUp() == tc.behind {
				t.Errorf("caught up: %v", !tc.behind)
			}
		})
	}
}

// TestResumePassesComments: they keep the connection alive and hold no content.
func TestResumePassesComments(t *testing.T) {
	t.Parallel()
	transcript := openai.Transcript{Endpoint: sdk.Chat}
	for _, e := range events(t, ": ping\n\ndata:\n\n"+`data: {"choices":[{"delta":{"content":"ab"}}]}`+"\n\n") {
		transcript.Add(&e)
	}
	resume, err := openai.Verify(&transcript)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	second := ": one\n\n" + `data: {"choices":[{"delta":{"content":"a"}}],` + "\ndata: " + `"usage":{"prompt_tokens":5}}` + "\n\ndata:\n\n: two\n\n"
	for _, e := range events(t, second) {
		if got, err = resume.Event(got, &e); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != ": one\n\n: two\n\n" || resume.CaughtUp() {
		t.Errorf("%q, caught up %v", got, resume.CaughtUp())
	}
	if u := resume.Usage(); u.Input != 5 {
		t.Errorf("usage of a swallowed event: %+v", u)
	}
}

// TestResumePassesAnErrorByName: also one that is no object, but not before
// all is repeated.
func TestResumePassesAnErrorByName(t *testing.T) {
	t.Parallel()
	const failure = "event: error\ndata: overloaded\n\n"
	for _, tc := range []struct{ name, second, want, err string }{
		{name: "early", second: `data: {"choices":[{"delta":{"content":"a"}}]}`, err: openai.FailsToo},
		{name: "late", second: `data: {"choices":[{"delta":{"content":"ab"}}]}`, want: failure},
	} {
		transcript := openai.Transcript{Endpoint: sdk.Chat}
		for _, e := range stream(t, `{"choices":[{"delta":{"content":"ab"}}]}`) {
			transcript.Add(&e)
		}
		resume, err := openai.Verify(&transcript)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, e := range events(t, tc.second+"\n\n"+failure) {
			got, err = resume.Event(got, &e)
		}
		var mismatch *openai.Mismatch
		if string(got) != tc.want || errors.As(err, &mismatch) != (tc.err != "") || tc.err != "" && mismatch.Why != tc.err {
			t.Errorf("%s: %q, %v, want %q, %q", tc.name, got, err, tc.want, tc.err)
		}
		if (transcript.Err() != nil) != (tc.want != "") {
			t.Errorf("%s: the transcript says %v", tc.name, transcript.Err())
		}
	}
}

// TestResumeAnother: a stream that differs leaves the transcript as it was.
func TestResumeAnother(t *testing.T) {
	t.Parallel()
	transcript := openai.Transcript{Endpoint: sdk.Chat}
	for _, e := range stream(t, `{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}],"usage":{"prompt_tokens":5}}`) {
		transcript.Add(&e)
	}
	var got []byte
	for _, data := range []string{
		`{"choices":[{"index":0,"delta":{"content":"a1"}},{"index":1,"delta":{"content":"c"}}]}`,
		`{"choices":[{"index":0,"delta":{"content":"a2"}},{"index":1,"delta":{"content":"b"}}],"usage":{"prompt_tokens":7}}`,
		`{"choices":[{"index":0,"delta":{"content":"a23"}},{"index":1,"delta":{"content":"b"}}]}`,
	} {
		resume, err := openai.Verify(&transcript)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range stream(t, data) {
			got, err = resume.Event(got, &e)
		}
		if (err != nil) != strings.Contains(data, "c\"}") {
			t.Errorf("%s: %v", data, err)
		}
	}
	want := `data: {"choices":[{"index":0,"delta":{"content":"2"}}],"usage":{"prompt_tokens":7}}` + "\n\n" +
		`data: {"choices":[{"index":0,"delta":{"content":"3"}}]}` + "\n\n"
	if string(got) != want {
		t.Errorf("the client gets\n%s, want\n%s", got, want)
	}
	if u := transcript.Usage(); u.Input != 5 {
		t.Errorf("the first stream's usage is %+v", u)
	}
}
