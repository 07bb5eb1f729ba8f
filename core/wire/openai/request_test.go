package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const chatBody = `{"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"Say \"hi\"."}],` +
	`"temperature":0.2,"max_tokens":64,"stream":true,"stream_options":{"include_usage":true},"model":"gpt-4o-mini","user":"u-1"}`

func TestReadRequest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint
		body     string
		want     wire.Request // Prefix and ranges are tested on their own
	}{
		{name: "chat", endpoint: sdk.Chat, body: chatBody,
			want: wire.Request{Model: "gpt-4o-mini", Stream: true, Usage: true, N: 1, MaxTokens: 64, User: "u-1", Tokens: 7}},
		{name: "tools, schema, n", endpoint: sdk.Chat,
			body: `{"model":"m","messages":[],"n":3,"tools":[{"type":"function"}],"response_format":{"json_schema":{"type":"x"},"type":"json_schema"},"max_tokens":5,"max_completion_tokens":7}`,
			want: wire.Request{Model: "m", N: 3, Tools: true, JSON: true, MaxTokens: 7, Tokens: 6}},
		{name: "old functions, empty tools, text format", endpoint: sdk.Chat,
			body: `{"model":"m","functions":[{}],"tools":[ ],"response_format":{"type":"text"},"stream":false}`,
			want: wire.Request{Model: "m", N: 1, Tools: true, Tokens: 2}},
		{name: "image part, base64 not counted", endpoint: sdk.Chat,
			body: `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"12345678"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("A", 9000) + `"}}]}]}`,
			want: wire.Request{Model: "m", N: 1, Images: true, Tokens: 3}},
		{name: "text that speaks of image_url", endpoint: sdk.Chat,
			body: `{"model":"m","messages":[{"role":"user","content":"\"image_url\":"},{"role":"user","content":"image_url"},{"role":"user","content":[{"type":"text","text":"input_image"}]}]}`,
			want: wire.Request{Model: "m", N: 1, Tokens: 9}},
		{name: "tool that speaks of image_url", endpoint: sdk.Chat,
			body: `{"model":"m","tools":[{"properties":{"image_url":{"type":"string"}}}],"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"image_url\":1}"}}]}]}`,
			want: wire.Request{Model: "m", N: 1, Tools: true, Tokens: 24}},
		{name: "responses with a string", endpoint: sdk.Responses,
			body: `{"model":"m","instructions":"1234","input":"12345678","max_output_tokens":9,"text":{"format":{"type":"json_object"}}}`,
			want: wire.Request{Model: "m", N: 1, JSON: true, MaxTokens: 9, Tokens: 3}},
		{name: "responses with an image in a tool's output", endpoint: sdk.Responses,
			body: `{"model":"m","input":[{"type":"function_call_output","output":[{"type":"input_image","file_id":"f"}]}]}`,
			want: wire.Request{Model: "m", N: 1, Images: true}},
		{name: "responses of a stored prompt", endpoint: sdk.Responses, body: `{"prompt":{"id":"pmpt_1"}}`, want: wire.Request{N: 1}},
		{name: "responses that follow one", endpoint: sdk.Responses, body: `{"model":"m","input":"1234","previous_response_id":"resp_\u0031","store":false}`,
			want: wire.Request{Model: "m", N: 1, Tokens: 1, Previous: "resp_1", Unstored: true}},
		{name: "responses that follow none", endpoint: sdk.Responses, body: `{"model":"m","previous_response_id":null,"store":null}`, want: wire.Request{Model: "m", N: 1}},
		{name: "chat keeps nothing to follow", endpoint: sdk.Chat, body: `{"model":"m","previous_response_id":"resp_1","store":false}`, want: wire.Request{Model: "m", N: 1}},
		{name: "completions", endpoint: sdk.Completions, body: `{"model":"m","prompt":"12345"}`, want: wire.Request{Model: "m", N: 1, Tokens: 2}},
		{name: "embeddings of tokens", endpoint: sdk.Embeddings, body: `{"model":"m","input":[[1,2],[3,-4,5]]}`, want: wire.Request{Model: "m", N: 1, Tokens: 5}},
		{name: "rerank", endpoint: sdk.Rerank, body: `{"model":"m","query":"1234","documents":["1234",{"text":"12"}]}`, want: wire.Request{Model: "m", N: 1, Tokens: 3}},
		{name: "moderation of an image, no model", endpoint: sdk.Moderations, body: `{"model":null,"input":[{"type":"image_url","image_url":{"url":"u"}}]}`, want: wire.Request{N: 1, Images: true}},
		{name: "fallbacks and escapes", endpoint: sdk.Chat, body: `{"mod\u0065l":"g\u0070t","fallbacks":["a","\u0062"]}`, want: wire.Request{Model: "gpt", N: 1, Fallbacks: []string{"a", "b"}}},
		{name: "fallbacks of null", endpoint: sdk.Chat, body: `{"model":"m","fallbacks":null,"stream":null,"n":null,"user":null}`, want: wire.Request{Model: "m", N: 1}},
		{name: "fields of wrong types are the provider's", endpoint: sdk.Chat, body: `{"model":"m","messages":7,"n":"x","user":4,"stream_options":[],"max_tokens":-1,"text":0}`, want: wire.Request{Model: "m", N: 1, Tokens: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := openai.ReadRequest(tc.endpoint, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.ModelAt.Present() {
				if name, ok := rawjson.Unquote(got.ModelAt.Of([]byte(tc.body))); !ok || name != tc.want.Model {
					t.Errorf("the model's range holds %q", name)
				}
			}
			got.Prefix, got.ModelAt, got.FallbacksAt = 0, rawjson.Range{}, rawjson.Range{}
			got.StreamOptions, got.TemperatureAt = rawjson.Range{}, rawjson.Range{}
			tc.want.Endpoint = tc.endpoint
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body, param, text string
	}{
		{name: "no JSON", body: `model=m`, text: "invalid JSON at byte 0: want a JSON object, found 'm'"},
		{name: "two models", body: `{"model":"a","model":"b"}`, text: `invalid JSON at byte 13: duplicate key "model"`},
		{name: "no model", body: `{}`, param: "model", text: "you must say which model is to answer"},
		{name: "empty model", body: `{"model":""}`, param: "model", text: "must be a string that is not empty"},
		{name: "model of a number", body: `{"model":4}`, param: "model", text: "must be a string that is not empty"},
		{name: "stream of a string", body: `{"model":"m","stream":"true"}`, param: "stream", text: "must be true or false"},
		{name: "fallbacks of a string", body: `{"model":"m","fallbacks":"a"}`, param: "fallbacks", text: "must be an array of model names"},
		{name: "fallbacks of numbers", body: `{"model":"m","fallbacks":[1]}`, param: "fallbacks", text: "must be an array of model names"},
		{name: "too many fallbacks", body: `{"model":"m","fallbacks":["a"` + strings.Repeat(`,"a"`, 16) + `]}`, param: "fallbacks", text: "has 17 models, at most 16 may be named"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.ReadRequest(sdk.Chat, []byte(tc.body))
			var e *wire.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != "invalid_request_error" || e.Param != tc.param || e.Message != tc.text {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	prefix := func(endpoint sdk.Endpoint, body string) uint64 {
		t.Helper()
		r, err := openai.ReadRequest(endpoint, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return r.Prefix
	}
	long := strings.Repeat("You are helpful. ", 1000)
	chat := func(extra string, messages ...string) string {
		return `{"model":"m",` + extra + `"messages":[{"role":"system","content":"` + long + `"},` + strings.Join(messages, ",") + `]}`
	}
	user := func(text string) string { return `{"role":"user","content":"` + text + `"}` }
	first := prefix(sdk.Chat, chat("", user("one")))
	for _, tc := range []struct {
		name string
		body string
		same bool
	}{
		{name: "the next turn", body: chat("", user("one"), `{"role":"assistant","content":"1"}`, user("two")), same: true},
		{name: "another temperature", body: chat(`"temperature":1,`, user("one")), same: true},
		{name: "another talk", body: chat("", user("two"))},
		{name: "other tools", body: chat(`"tools":[{"type":"function"}],`, user("one"))},
	} {
		if got := prefix(sdk.Chat, tc.body); (got == first) != tc.same || got == 0 {
			t.Errorf("%s: %x and %x, want the same: %v", tc.name, got, first, tc.same)
		}
	}
	keyed := prefix(sdk.Chat, chat(`"prompt_cache_key":"k",`, user("one")))
	if other := prefix(sdk.Chat, chat(`"prompt_cache_key":"k",`, user("two"))); keyed != other || keyed == first {
		t.Errorf("a prompt_cache_key alone must count: %x, %x", keyed, other)
	}
	if a, b := prefix(sdk.Responses, `{"instructions":"a","input":"x"}`), prefix(sdk.Responses, `{"instructions":"b","input":"x"}`); a == b || a == 0 {
		t.Errorf("instructions must count: %x, %x", a, b)
	}
	if p := prefix(sdk.Embeddings, `{"model":"m","input":"x"}`); p != 0 {
		t.Errorf("an embedding has prefix %x", p)
	}
	if p := prefix(sdk.Chat, `{"model":"m"}`); p != 0 {
		t.Errorf("nothing has prefix %x", p)
	}
	// Routers of different builds must agree: a change of this figure moves
	// every talk to another channel.
	if p := prefix(sdk.Chat, chatBody); p != 0x7f1eec9709e6084d {
		t.Errorf("prefix of the sample is %#x", p)
	}
}

func TestOutgoing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		endpoint sdk.Endpoint
		body     string
		model    string
		usage    bool
		want     string
	}{
		{name: "nothing to change", endpoint: sdk.Chat, body: `{"model":"a", "x":1}`, model: "a", want: `{"model":"a", "x":1}`},
		{name: "model and fallbacks", endpoint: sdk.Chat, body: `{"fallbacks":["b"],"model":"a"}`, model: `b"2`, want: `{"model":"b\"2"}`},
		{name: "model left out", endpoint: sdk.Moderations, body: `{"input":"x"}`, model: "omni", want: `{"input":"x","model":"omni"}`},
		{name: "usage", endpoint: sdk.Chat, body: `{"model":"a","stream":true}`, model: "a", usage: true, want: `{"model":"a","stream":true,"stream_options":{"include_usage":true}}`},
		{name: "usage beside other options", endpoint: sdk.Chat, body: `{"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"a","stream":true}`, model: "a", usage: true,
			want: `{"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"a","stream":true}`},
		{name: "usage for null", endpoint: sdk.Completions, body: `{"model":"a","stream":true,"stream_options":null}`, model: "a", usage: true, want: `{"model":"a","stream":true,"stream_options":{"include_usage":true}}`},
		{name: "usage asked for already", endpoint: sdk.Chat, body: chatBody, model: "gpt-4o-mini", usage: true, want: chatBody},
		{name: "no usage without a stream", endpoint: sdk.Chat, body: `{"model":"a"}`, model: "a", usage: true, want: `{"model":"a"}`},
		{name: "responses always have it", endpoint: sdk.Responses, body: `{"model":"a","stream":true}`, model: "a", usage: true, want: `{"model":"a","stream":true}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := openai.ReadRequest(tc.endpoint, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			edits := openai.Outgoing(nil, []byte(tc.body), &r, tc.model, tc.usage)
			got, err := rawjson.Splice(nil, []byte(tc.body), edits)
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

var endpoints = []sdk.Endpoint{sdk.Chat, sdk.Completions, sdk.Embeddings, sdk.Responses, sdk.ImageGeneration, sdk.Speech, sdk.Moderations, sdk.Rerank}

// FuzzRequest: any bytes, no panic; what is accepted says what encoding/json
// says, and stays well formed when it is made ready to be sent on.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(chatBody), byte(0))
	f.Add([]byte(`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}],"fallbacks":["a"]}`), byte(3))
	f.Add([]byte(`{"model":"m","stream":true,"stream_options":{"a":1},"prompt":[1,2]}`), byte(1))
	f.Fuzz(func(t *testing.T, body []byte, e byte) {
		r, err := openai.ReadRequest(endpoints[int(e)%len(endpoints)], body)
		if err != nil {
			return
		}
		var std map[string]any
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("%q accepted: %v", body, err)
		}
		if model, _ := std["model"].(string); model != r.Model {
			t.Fatalf("%q: model %q, want %q", body, r.Model, model)
		}
		if stream, _ := std["stream"].(bool); stream != r.Stream {
			t.Fatalf("%q: stream %v", body, r.Stream)
		}
		out, err := rawjson.Splice(nil, body, openai.Outgoing(nil, body, &r, "other", true))
		if err != nil {
			t.Fatal(err)
		}
		var sent map[string]any
		if err := json.Unmarshal(out, &sent); err != nil || sent["model"] != "other" || sent["fallbacks"] != nil {
			t.Fatalf("%q is sent on as %q: %v", body, out, err)
		}
		delete(std, "fallbacks")
		delete(sent, "stream_options")
		delete(std, "stream_options")
		std["model"] = "other"
		if !reflect.DeepEqual(std, sent) {
			t.Fatalf("%q is sent on as %q", body, out)
		}
	})
}

func bench(size int) []byte {
	text := strings.Repeat(`The quick brown fox said: \"jump over the lazy dog\", and it did.\n`, 1+size/66)
	b := fmt.Sprintf(`{"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"%s"}],`+
		`"temperature":0.7,"max_tokens":256,"stop":["\n\n"],"stream":true,"model":"gpt-4o-mini"}`, text[:max(0, size-220)/66*66])
	return []byte(b)
}

func BenchmarkReadRequest(b *testing.B) {
	for _, size := range []int{900, 256 << 10} {
		body := bench(size)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := openai.ReadRequest(sdk.Chat, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOutgoing(b *testing.B) {
	body := bench(900)
	r, err := openai.ReadRequest(sdk.Chat, body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	dst := make([]byte, 0, 4096)
	edits := make([]rawjson.Edit, 0, 4)
	for b.Loop() {
		edits = openai.Outgoing(edits[:0], body, &r, "llama-3.3-70b", true)
		if dst, err = rawjson.Splice(dst[:0], body, edits); err != nil {
			b.Fatal(err)
		}
	}
	if !bytes.Contains(dst, []byte("llama")) {
		b.Fatalf("%s", dst)
	}
}
