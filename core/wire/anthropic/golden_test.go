package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The shapes are those of @anthropic-ai/sdk 1.12, resources/messages/messages.d.ts.
func TestGolden(t *testing.T)                    { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T)   { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)       { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                    { wiretest.Fuzz(f, Format) }
func read(t testing.TB, file string) (in []byte) { return wiretest.Input(t, file) }

// What comes in this format and leaves in it has lost nothing: blocks, tools and
// fields that the hub has no word for go out as they came.
func TestARequestThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	in := read(t, "testdata/in/everything.txt")
	ask := func(body []byte) []byte {
		r, err := facts(&hub.Ask{Endpoint: sdk.Chat, Header: http.Header{}, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		q, err := request(body, &r)
		if err != nil {
			t.Fatal(err)
		}
		warnings, refused := Format.Check(q)
		if refused != nil || len(warnings) > 0 {
			t.Fatal(refused, warnings)
		}
		out, err := outgoing(nil, q, &warnings)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		return out
	}
	if out := ask(in); !wiretest.SameJSON(t, in, out) {
		t.Errorf("got\n%s\nwant\n%s", out, in)
	}
}

func TestAnAnswerThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	in := read(t, "testdata/answer/thought-and-calls.txt")
	r, err := readAnswer(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := appendAnswer(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"type":"thinking","thinking":"Hm.","signature":"c2ln"}`, `{"type":"text","text":"I \u00e9 ask.","citations":null}`,
		`{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1},"caller":{"type":"direct"}}`, `"stop_reason":"tool_use"`,
		`"input_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}`,
	} {
		if !bytes.Contains(out, []byte(part)) {
			t.Errorf("no %s in %s", part, out)
		}
	}
}

// A stream through reader and writer says what it said, block by block.
func TestAStreamThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	in := append(read(t, "testdata/stream/thought-text-calls.txt"), "\n\n"...)
	chunks, err := wiretest.Read(Format, in, len(in))
	if err != nil {
		t.Fatal(err)
	}
	again, err := wiretest.Read(Format, wiretest.Write(t, Format, chunks), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(chunks, again) {
		t.Errorf("got\n%s\nwant\n%s", again, chunks)
	}
}

// Anthropic's own clients take a block for the last one, and its stop for its end.
func TestBlocksComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/told/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no streams", err)
	}
	for _, file := range files {
		begun, open := 0, false
		var split sse.Splitter
		split.Feed(wiretest.Write(t, Format, append(read(t, file), "\n\n"...)))
		for e := (sse.Event{}); split.Next(&e); {
			if e.Data == nil {
				continue
			}
			var said struct {
				Type  string
				Index int
			}
			if err := json.Unmarshal(e.Data, &said); err != nil {
				t.Fatal(err)
			}
			ok := true
			switch said.Type {
			case "content_block_start":
				ok, open = !open && said.Index == begun, true
				begun++
			case "content_block_delta":
				ok = open && said.Index == begun-1
			case "content_block_stop":
				ok, open = open && said.Index == begun-1, false
			case "error":
				open = false
			}
			if !ok {
				t.Errorf("%s: out of turn: %s", file, e.Data)
			}
		}
		if open {
			t.Errorf("%s: the last block has no end", file)
		}
	}
}

// A provider that makes a hundred calls and ends none costs no more memory than
// one event may.
func TestCallsThatWaitHaveALimit(t *testing.T) {
	t.Parallel()
	w := Format.In.Writer(&wire.Request{Stream: true})
	piece := strings.Repeat("a", 1<<20)
	var err error
	for i := 0; i <= sse.EventLimit>>20 && err == nil; i++ {
		data := fmt.Sprintf(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"id":"%d","function":{"name":"f","arguments":"{\"%s"}}]}}]}`, i, i, piece)
		_, err = w.Event(nil, &sse.Event{Data: []byte(data)})
	}
	if err == nil {
		t.Error("they have none")
	}
}

// Thoughts of other providers come back from clients, and are taken out.
func TestThoughtsOfOthersAreKnown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, block string
		strange     bool
	}{
		{"its own", `{"type":"thinking","thinking":"a","signature":"c2ln"}`, false},
		{"unsigned", `{"type":"thinking","thinking":"a","signature": ""}`, true},
		{"Gemini's", `{"type":"thinking","thinking":"a","signature":"gemini:c2ln"}`, true},
		{"none", `{"type":"text","text":"my \"signature\": a"}`, false},
	} {
		body := []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[` + tc.block + `,{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`)
		r, err := facts(&hub.Ask{Endpoint: sdk.Chat, Header: http.Header{}, Body: body})
		if err != nil || r.Mended != tc.strange {
			t.Errorf("%s: %v, %v", tc.name, r.Mended, err)
		}
		q, err := request(body, &r)
		if err != nil {
			t.Fatal(err)
		}
		out, err := outgoing(nil, q, new(hub.Warnings))
		if err != nil || bytes.Contains(out, []byte("thinking")) == (tc.strange || tc.name == "none") {
			t.Errorf("%s: %v %s", tc.name, err, out)
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data string
		want       wire.Class
	}{
		{"start", `{"type":"message_start","message":{"usage":{"input_tokens":1}}}`, wire.HasUsage},
		{"ping", `{"type":"ping"}`, 0},
		{"a text block", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, 0},
		{"a call", `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, wire.ToolCall},
		{"text", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`, wire.Text},
		{"nothing", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`, 0},
		{"a thought", `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}`, wire.Reasoning},
		{"a signature", `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"a"}}`, 0},
		{"input", `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}`, wire.ToolCall},
		{"the end", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}`, wire.Finished | wire.HasUsage},
		{"stop", `{"type":"message_stop"}`, wire.Done},
		{"error", `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, wire.Failed},
		{"no JSON", `[DONE]`, 0},
	} {
		if got := classify(sdk.Chat, &sse.Event{Data: []byte(tc.data)}); got != tc.want {
			t.Errorf("%s is %b, want %b", tc.name, got, tc.want)
		}
	}
}

// Statuses and types are those of https://platform.claude.com/docs/en/api/errors.
func TestErrors(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
		404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 422: "invalid_request_error",
		429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
	} {
		want := `{"type":"error","error":{"type":"` + kind + `","message":"no \"way\""}}`
		if got := appendError(nil, &wire.Error{Status: status, Message: `no "way"`}); string(got) != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
		if got := Format.Failure(status, http.Header{}, []byte(want)); got.Message != `no "way"` || got.Type != kind {
			t.Errorf("%d is read as %+v", status, got)
		}
	}
}

func TestHeadRaisesTheVersion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, client, ours, version, key, bearer string }{
		{"the same", "2023-06-01", "2023-06-01", "2023-06-01", "k", ""},
		{"newer", "2026-10-21", "2023-06-01", "2026-10-21", "", "Bearer k"},
		{"none", "", "2023-06-01", "2023-06-01", "k", ""},
	} {
		h := http.Header{"Anthropic-Version": {tc.ours}, "X-Api-Key": {"k"}}
		client := http.Header{}
		if tc.client != "" {
			client.Set("Anthropic-Version", tc.client)
		}
		head(h, client)
		if h.Get("Anthropic-Version") != tc.version || h.Get("X-Api-Key") != tc.key || h.Get("Authorization") != tc.bearer {
			t.Errorf("%s: %v", tc.name, h)
		}
	}
	h := http.Header{"Anthropic-Version": {"2026-10-21"}, "Authorization": {"Bearer k"}}
	if head(h, http.Header{"Anthropic-Version": {"2023-06-01"}}); h.Get("Anthropic-Version") != "2026-10-21" {
		t.Errorf("an older client lowers the channel's version: %v", h)
	}
}

func oneKB(b *testing.B) []byte {
	b.Helper()
	text := bytes.Repeat([]byte("word "), 170)
	return []byte(`{"model":"claude-sonnet-5","max_tokens":100,"system":"Be kind.","messages":[{"role":"user","content":"` + string(text) + `"}]}`)
}

// 1 KB in and an answer out, as a request to a provider of the other format costs it.
func BenchmarkRequestAndAnswer(b *testing.B) {
	body := oneKB(b)
	r, err := facts(&hub.Ask{Endpoint: sdk.Chat, Header: http.Header{}, Body: body})
	if err != nil {
		b.Fatal(err)
	}
	answer := read(b, "testdata/answer/thought-and-calls.txt")
	out, said := make([]byte, 0, 4<<10), make([]byte, 0, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		q, err := request(body, &r)
		if err != nil {
			b.Fatal(err)
		}
		warnings, refused := Format.Check(q)
		if refused != nil {
			b.Fatal(refused)
		}
		if out, err = outgoing(out[:0], q, &warnings); err != nil {
			b.Fatal(err)
		}
		a, err := readAnswer(answer)
		if err != nil {
			b.Fatal(err)
		}
		if said, err = appendAnswer(said[:0], a); err != nil {
			b.Fatal(err)
		}
	}
}

// A chunk of a provider's stream to the hub's, and from there to a client's.
func BenchmarkChunk(b *testing.B) {
	e := sse.Event{Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" of the kind"}}`)}
	r, w := reader{}, writer{started: true, blocks: blocks{open: []block{{kind: textBlock}}}}
	var events hub.Events
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		events.Reset()
		if err := r.Event(&events, &e); err != nil {
			b.Fatal(err)
		}
		for h := (sse.Event{}); events.Next(&h); {
			dst, _ = w.Event(dst[:0], &h)
		}
	}
}
