package openai

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const textChunk = `{"id":"c","choices":[{"index":0,"delta":{"content":"TEXT"},"finish_reason":null}],"usage":null}`

func eventOf(data string) *sse.Event { return &sse.Event{Data: []byte(data)} }

// TestAgainKnowsTextAlone: what it takes for a chunk with text is one, whatever
// stands in its place.
func TestAgainKnowsTextAlone(t *testing.T) {
	t.Parallel()
	var a Again
	learn := eventOf(textChunk)
	if a.Is(learn) {
		t.Error("knows before it has learned")
	}
	a.Learn(learn, Classify(sdk.Chat, learn))
	with := func(text string) string { return strings.Replace(textChunk, "TEXT", text, 1) }
	for _, tc := range []struct {
		name, data string
		want       bool
	}{
		{name: "the same", data: textChunk, want: true},
		{name: "another text", data: with("word"), want: true},
		{name: "escapes", data: with(`a \"quote\" \u00e9 \\`), want: true},
		{name: "no text", data: with("")},
		{name: "a bad escape", data: with(`\x`)},
		{name: "a control character", data: with("a\nb")},
		{name: "an open escape at the end", data: with(`word\`)},
		{name: "a text that closes itself", data: with(`a"},"finish_reason":"stop"}],"x":[{"delta":{"content":"b`)},
		{name: "the end", data: strings.Replace(textChunk, "null", `"stop"`, 1)},
		{name: "another id", data: strings.Replace(textChunk, `"c"`, `"d"`, 1)},
		{name: "usage", data: strings.Replace(textChunk, `"usage":null`, `"usage":{"total_tokens":1}`, 1)},
		{name: "only the beginning", data: textChunk[:60]},
		{name: "only the end", data: textChunk[40:]},
	} {
		if got := a.Is(eventOf(tc.data)); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
	if a.Is(&sse.Event{Type: []byte("error"), Data: []byte(textChunk)}) {
		t.Error("an event with a type")
	}
}

// TestAgainLearnsChunksWithText, and not for ever.
func TestAgainLearnsChunksWithText(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"choices":[{"delta":{"role":"assistant","content":""}}]}`, `{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"delta":{"reasoning":"a"}}]}`, `{"choices":[{"text":"a"}]}`, `{"choices":[]}`, `[DONE]`, `{}`,
		`{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}`, `{"choices":[{"delta":{}},{"delta":{"content":"a"}}]}`,
	} {
		var a Again
		e := eventOf(data)
		a.Learn(e, Classify(sdk.Chat, e))
		if a.learned != 0 || a.Is(e) {
			t.Errorf("learned %s", data)
		}
	}
	var a Again
	for i := range 2 * maxLearned {
		e := eventOf(strings.Replace(textChunk, `"c"`, `"`+strings.Repeat("c", i+1)+`"`, 1))
		a.Learn(e, Classify(sdk.Chat, e))
		if got := a.Is(e); got != (i < maxLearned) {
			t.Errorf("chunk %d: %t", i, got)
		}
	}
}

// FuzzAgain: whatever is known again is well-formed and means the same.
func FuzzAgain(f *testing.F) {
	f.Add([]byte("word"))
	f.Add([]byte(`"},"finish_reason":"stop"}],"x":[{"delta":{"content":"b`))
	learn := eventOf(textChunk)
	class := Classify(sdk.Chat, learn)
	f.Fuzz(func(t *testing.T, text []byte) {
		var a Again
		a.Learn(learn, class)
		e := eventOf(strings.Replace(textChunk, "TEXT", string(text), 1))
		if a.Is(e) && (!rawjson.Valid(e.Data) || Classify(sdk.Chat, e) != class) {
			t.Errorf("%q", e.Data)
		}
	})
}
