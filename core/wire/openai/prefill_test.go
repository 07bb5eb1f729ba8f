package openai_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestPrefill(t *testing.T) {
	t.Parallel()
	const body = `{"messages":[{"role":"user","content":"Hi"}],"model":"m"}`
	delta := func(fields string) string { return `{"choices":[{"index":0,"delta":{` + fields + `}}]}` }
	hel := []string{delta(`"role":"assistant","content":""`), delta(`"content":"Hel\n"`), `{"choices":[{"index":0,"delta":{},"finish_reason":""}]}`}
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint // chat
		first    []string
		body     string
		want     string
		err      string
	}{
		{name: "text", first: hel, body: body,
			want: `{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hel\n"}],"model":"m"}`},
		{name: "other bytes stay", first: hel, body: " {\"n\": 1 , \"messages\" : [ {\"role\":\"user\"} ] , \"x\":\"]\"} ",
			want: " {\"n\": 1 , \"messages\" : [ {\"role\":\"user\"} ,{\"role\":\"assistant\",\"content\":\"Hel\\n\"}] , \"x\":\"]\"} "},
		{name: "no messages yet", first: hel, body: `{"messages":[]}`, want: `{"messages":[{"role":"assistant","content":"Hel\n"}]}`},
		{name: "reasoning goes, text stays", first: []string{delta(`"reasoning":"hm"`), delta(`"content":"So"`)}, body: `{"messages":[],"n":null}`,
			want: `{"messages":[{"role":"assistant","content":"So"}],"n":null}`},

		{name: "reasoning only", first: []string{delta(`"reasoning":"hm"`)}, body: body, err: "openai: prefill: there is no text yet"},
		{name: "tool call", first: []string{delta(`"content":"x"`), delta(`"tool_calls":[{"index":0,"id":"c","function":{"name":"f"}}]`)}, body: body, err: "openai: prefill: the model is calling a tool"},
		{name: "refusal", first: []string{delta(`"refusal":"No"`)}, body: body, err: "openai: prefill: the model is refusing"},
		{name: "finish", first: []string{delta(`"content":"x"`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`}, body: body, err: "openai: prefill: the answer is whole"},
		{name: "nothing", body: body, err: "openai: prefill: there are several answers, or none"},
		{name: "two choices", first: []string{delta(`"content":"x"`), `{"choices":[{"index":1,"delta":{}}]}`}, body: body, err: "openai: prefill: there are several answers, or none"},
		{name: "two choices asked for", first: hel, body: `{"messages":[],"n":2}`, err: "openai: prefill: the request asks for several answers"},
		{name: "completions", endpoint: sdk.Completions, first: []string{`{"choices":[{"index":0,"text":"x"}]}`}, body: body, err: "openai: prefill: only chat has messages"},
		{name: "not rescuable", first: []string{delta(`"audio":{"data":"x"}`)}, body: body, err: "openai: the stream has content that no other stream would repeat"},
		{name: "prefilled by the client", first: hel, body: `{"messages":[{"role":"user"},{"content":"I","role":"assistant"}]}`, err: "openai: prefill: the client has begun the answer itself"},
		{name: "no list of messages", first: hel, body: `{"messages":"x"}`, err: "openai: prefill: the request has no messages"},
		{name: "no messages", first: hel, body: `{}`, err: "openai: prefill: the request has no messages"},
		{name: "no JSON", first: hel, body: `{"messages":[`, err: "openai: prefill: invalid JSON at byte 13: a value is missing at the end"},
	} {
		if tc.endpoint == "" {
			tc.endpoint = sdk.Chat
		}
		transcript := openai.Transcript{Endpoint: tc.endpoint}
		for _, e := range stream(t, tc.first...) {
			transcript.Add(&e)
		}
		got, err := openai.Prefill([]byte("~"), []byte(tc.body), &transcript)
		if text := fmt.Sprint(err); err == nil && tc.err != "" || err != nil && text != tc.err {
			t.Errorf("%s: %s, want %q", tc.name, text, tc.err)
		}
		if string(got) != "~"+tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestContinueAnyAnswerCutAnywhere: the text that the second stream is asked to
// go on with, and what it says, make the answer whole.
func TestContinueAnyAnswerCutAnywhere(t *testing.T) {
	t.Parallel()
	continued := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		said := [][]strand{{{key: "content", rest: "-" + randomText(r, 30)}}}
		transcript := openai.Transcript{Endpoint: sdk.Chat}
		c := client{answer: answer{}}
		first := randomStream(t, r, sdk.Chat, said, firstHead)
		for _, e := range first[:r.IntN(len(first)-1)] {
			transcript.Add(&e)
			c.get(t, e.Raw)
		}
		body, err := openai.Prefill(nil, []byte(`{"messages":[{"role":"user","content":"Hi"}]}`), &transcript)
		if err != nil {
			if c.answer["0/content"] != "" && c.answer["0/finish"] == "" {
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		continued++
		var request struct {
			Messages []struct{ Role, Content string } `json:"messages"`
		}
		if err := json.Unmarshal(body, &request); err != nil || len(request.Messages) != 2 ||
			request.Messages[1].Role != "assistant" || request.Messages[1].Content != c.answer["0/content"] {
			t.Fatalf("seed %d: %v: %s, the client has %q", seed, err, body, c.answer)
		}
		resume, err := openai.Continue(&transcript)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		rest := [][]strand{{{key: "content", rest: strings.TrimPrefix(said[0][0].rest, request.Messages[1].Content)}}}
		for _, e := range randomStream(t, r, sdk.Chat, rest, secondHead) {
			out, err := resume.Event(nil, &e)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			c.get(t, out)
		}
		if err := resume.End(); err != nil || !c.done || c.usage.Total != 7 || resume.Usage().Total != 7 || !maps.Equal(c.answer, whole(said, firstHead, sdk.Chat)) {
			t.Fatalf("seed %d: %v, done %v, usage %+v: %q, want %+v", seed, err, c.done, c.usage, c.answer, said)
		}
	}
	if continued < 100 {
		t.Errorf("only %d streams were continued: the test tests little", continued)
	}
}
