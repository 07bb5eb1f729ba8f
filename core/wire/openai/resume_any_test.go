package openai_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

var (
	firstHead  = head{id: "first", model: "m-1", fingerprint: "fp-1", created: 111}
	secondHead = head{id: "second", model: "m-2", fingerprint: "fp-2", created: 222}
	thirdHead  = head{id: "third", model: "m-3", fingerprint: "fp-3", created: 333}
)

// client puts together what it gets and looks at every chunk of it.
type client struct {
	answer answer
	done   bool
	usage  wire.Usage
}

func (c *client) get(t testing.TB, stream []byte) {
	t.Helper()
	for _, e := range events(t, string(stream)) {
		switch {
		case e.Data == nil:
		case string(e.Data) == "[DONE]":
			c.done = true
		default:
			chunk, err := c.answer.add(e.Data)
			if err != nil {
				t.Fatalf("the client gets %q: %v", e.Data, err)
			}
			if chunk.ID == nil || *chunk.ID != firstHead.id || chunk.Model == nil || *chunk.Model != firstHead.model ||
				chunk.Created == nil || *chunk.Created != firstHead.created ||
				chunk.Fingerprint == nil || *chunk.Fingerprint != firstHead.fingerprint {
				t.Fatalf("not of the first stream: %s", e.Data)
			}
			if openai.Classify(sdk.Chat, &e).Is(wire.HasUsage) {
				c.usage = openai.ReadUsage(&e)
			}
		}
	}
}

// TestResumeAnyAnswerCutAnywhere: whatever the answer, however it is cut into
// chunks, wherever the streams break off, the client has the answer once.
func TestResumeAnyAnswerCutAnywhere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		endpoint := []sdk.Endpoint{sdk.Chat, sdk.Chat, sdk.Completions}[seed%3]
		said := randomAnswer(r, endpoint)
		transcript := openai.Transcript{Endpoint: endpoint}
		c := client{answer: answer{}}

		first := randomStream(t, r, endpoint, said, firstHead)
		if first[0].Data == nil { // with a comment alone no stream has begun
			first = first[1:]
		}
		for _, e := range first[:1+r.IntN(len(first)-2)] { // never the terminator
			transcript.Add(&e)
			c.get(t, e.Raw)
		}
		if err := transcript.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		heads := []head{secondHead, thirdHead}
		for n, h := range heads {
			if transcript.Err() != nil {
				t.Fatalf("seed %d: %v", seed, transcript.Err())
			}
			resume, err := openai.Verify(&transcript)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			stream := randomStream(t, r, endpoint, said, h)
			if n < len(heads)-1 {
				stream = stream[:r.IntN(len(stream)-1)] // this one breaks off too
			}
			for _, e := range stream {
				out, err := resume.Event(nil, &e)
				if err != nil {
					t.Fatalf("seed %d, stream %d: %v", seed, n+2, err)
				}
				if !resume.CaughtUp() && e.Data != nil && len(out) > 0 {
					t.Fatalf("seed %d, stream %d: %q before all is repeated", seed, n+2, out)
				}
				c.get(t, out)
			}
			if n == len(heads)-1 {
				if err := resume.End(); err != nil || !resume.CaughtUp() {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
		ids := map[string]string{}
		for name, id := range c.answer {
			if strings.HasSuffix(name, "/id") {
				ids[name] = id
			}
		}
		want := whole(said, firstHead, endpoint)
		for name, id := range ids { // a call that began later has its own id
			if call := want[name]; id != call && id != strings.Replace(call, "first", "second", 1) && id != strings.Replace(call, "first", "third", 1) {
				t.Fatalf("seed %d: %s is %q", seed, name, id)
			}
			want[name] = id
		}
		if !maps.Equal(c.answer, want) || !c.done || c.usage.Total != 7 {
			t.Fatalf("seed %d: done %v, usage %+v\n%q, want\n%q", seed, c.done, c.usage, c.answer, want)
		}
	}
}

// TestResumeFindsADifference: of a second answer that differs in one character
// the client gets nothing if it has that character, and else all of it.
func TestResumeFindsADifference(t *testing.T) {
	t.Parallel()
	found, passed := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		said := randomAnswer(r, sdk.Chat)
		transcript := openai.Transcript{Endpoint: sdk.Chat}
		c := client{answer: answer{}}
		first := randomStream(t, r, sdk.Chat, said, firstHead)
		if first[0].Data == nil {
			first = first[1:]
		}
		for _, e := range first[:1+r.IntN(len(first)-2)] {
			transcript.Add(&e)
			c.get(t, e.Raw)
		}
		before := maps.Clone(c.answer)

		i := r.IntN(len(said))
		if len(said[i]) == 0 {
			continue
		}
		s := &said[i][r.IntN(len(said[i]))]
		text, name := &s.rest, fmt.Sprintf("%d/%s", i, s.key)
		if s.isCall {
			name = fmt.Sprintf("%d/call %d/arguments", i, s.call)
			if *text == "" || r.IntN(4) == 0 {
				text, name = &s.name, fmt.Sprintf("%d/call %d/name", i, s.call)
			}
		}
		runes := []rune(*text)
		at := r.IntN(len(runes))
		switch r.IntN(3) {
		case 0: // ends there
			runes = runes[:at]
		case 1: // another character
			runes[at] = 'ß'
		default: // one more
			runes = slices.Insert(runes, at, 'ß')
		}
		if name[len(name)-1] == 'e' && len(runes) == 0 { // a call must have a name
			continue
		}
		if *text == string(runes) {
			continue
		}
		*text = string(runes)
		offset := 0 // of the first byte that differs
		for offset < min(len(*text), len(before[name])) && (*text)[offset] == before[name][offset] {
			offset++
		}
		known := offset < len(before[name])
		if strings.HasSuffix(name, "/name") && before[name] != "" {
			known = *text != before[name]
		}

		resume, err := openai.Verify(&transcript)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, e := range randomStream(t, r, sdk.Chat, said, secondHead) {
			var out []byte
			if out, err = resume.Event(nil, &e); err != nil {
				if len(out) > 0 {
					t.Fatalf("seed %d: %q beside %v", seed, out, err)
				}
				break
			}
			c.get(t, out)
		}
		var mismatch *openai.Mismatch
		switch {
		case known:
			found++
			if !errors.As(err, &mismatch) || !maps.Equal(c.answer, before) {
				t.Fatalf("seed %d: %v\nthe client had\n%q, has\n%q", seed, err, before, c.answer)
			}
			if !strings.HasSuffix(name, "/"+mismatch.Part) || int(mismatch.Choice) != i || mismatch.Offset != offset {
				t.Fatalf("seed %d: %v, want it at %s, byte %d", seed, err, name, offset)
			}
			if resume.CaughtUp() || !errors.Is(resume.End(), mismatch) {
				t.Fatalf("seed %d: it forgets %v", seed, mismatch)
			}
		case before[fmt.Sprintf("%d/finish", i)] != "":
			if !errors.As(err, &mismatch) || !maps.Equal(c.answer, before) {
				t.Fatalf("seed %d: a finished choice goes on: %v", seed, err)
			}
		default:
			passed++
			if err != nil || c.answer[name] != *text {
				t.Fatalf("seed %d: %v, %s is %q, want %q", seed, err, name, c.answer[name], *text)
			}
		}
	}
	if found < 100 || passed < 100 {
		t.Errorf("%d differences found, %d passed: the test tests little", found, passed)
	}
}

// FuzzResume: any two streams, no panic; and what reaches the client is well
// formed and makes its answer the second stream's.
func FuzzResume(f *testing.F) {
	// Short ones: the fuzzer spends its time on making long inputs shorter.
	for _, seed := range []struct{ first, second string }{
		{`{"id":"A","choices":[{"delta":{"content":"a"}}]}`, `{"id":"B","choices":[{"delta":{"content":"ab\ud83d\ude00"},"finish_reason":"stop"}]}`},
		{`{"choices":[{"index":0,"delta":{"reasoning":"a"}},{"index":1,"delta":{"refusal":"b"}}]}`, `{"choices":[{"index":1,"delta":{"refusal":"bc"}},{"index":0,"delta":{"reasoning":"ad"}}]}`},
		{`{"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]}}]}`,
			`{"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"y","type":"function","function":{"name":"f","arguments":"{}"}},{"index":1}]}}],"usage":{}}`},
	} {
		f.Add([]byte("data: "+seed.first+"\n\n"), []byte("data: "+seed.second+"\n\n"))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		transcript := openai.Transcript{Endpoint: sdk.Chat, Limit: 4 << 10}
		has, all := answer{}, answer{}
		var s sse.Splitter
		var e sse.Event
		plain := true // encoding/json reads it as we do
		for s.Feed(first); s.Next(&e); {
			class := openai.Classify(sdk.Chat, &e)
			if class.Is(wire.Done | wire.Failed) {
				return
			}
			transcript.Add(&e)
			if e.Data != nil {
				_, err := has.add(e.Data)
				plain = plain && err == nil && plainChunk(e.Data)
			}
		}
		resume, err := openai.Verify(&transcript)
		if err != nil {
			return
		}
		s = sse.Splitter{}
		for s.Feed(second); s.Next(&e); {
			caught := resume.CaughtUp()
			out, err := resume.Event(nil, &e)
			if err != nil {
				return
			}
			if openai.Classify(sdk.Chat, &e).Is(wire.Done | wire.Failed) {
				return
			}
			if e.Data == nil {
				continue
			}
			if len(out) > 0 && !resume.CaughtUp() {
				t.Fatalf("%q before all is repeated", out)
			}
			if len(bytes.TrimSpace(e.Data)) == 0 {
				continue
			}
			if _, err := all.add(e.Data); err != nil || !plainChunk(e.Data) {
				plain = false
			}
			for _, sent := range events(t, string(out)) {
				if _, err := has.add(sent.Data); err != nil && plain {
					t.Fatalf("the client gets %q: %v", sent.Data, err)
				}
			}
			if caught && len(out) > 0 && openai.Classify(sdk.Chat, &e).Content() && !openai.Classify(sdk.Chat, &sse.Event{Data: out[len("data: "):]}).Content() {
				t.Fatalf("%q became %q", e.Data, out)
			}
		}
		if !plain || !resume.CaughtUp() {
			return
		}
		for name, text := range all {
			_, what, _ := strings.Cut(name, "/")
			switch {
			case what == "role", what == "finish", strings.HasSuffix(what, "/id"), strings.HasSuffix(what, "/type"):
			case has[name] != text:
				t.Fatalf("%s is %q, want %q", name, has[name], text)
			}
		}
	})
}

// plainChunk tells whether data spells its keys in the usual way. Of others
// encoding/json takes the last, whatever its case.
func plainChunk(data []byte) bool {
	text := string(data)
	low := strings.ToLower(text)
	if strings.Contains(text, `\u00`) || strings.Contains(text, "\u017f") || strings.Contains(text, "\u212a") {
		return false
	}
	for _, k := range []string{"choices", "delta", "index", "content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function", "name", "arguments", "id", "text"} {
		if strings.Count(low, `"`+k+`"`) != strings.Count(text, `"`+k+`"`) {
			return false
		}
	}
	return true
}
