package gemini

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/core/wire/wiretest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// The shapes are those of https://ai.google.dev/api/generate-content and of
// @google/genai 2.32, dist/genai.d.ts.
func TestGolden(t *testing.T)                  { wiretest.Golden(t, Format) }
func TestStreamsMayBeCutAnywhere(t *testing.T) { wiretest.Cut(t, Format) }
func TestRulesAreWhatHappens(t *testing.T)     { wiretest.Rules(t, Format) }
func FuzzStream(f *testing.F)                  { wiretest.Fuzz(f, Format) }

const path = "/v1beta/models/gemini-3-flash:generateContent"

func ask(t testing.TB, body []byte) (*hub.Request, wire.Request) {
	t.Helper()
	r, err := facts(&hub.Ask{Endpoint: sdk.Chat, Path: path, Header: http.Header{}, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	q, err := request(body, &r)
	if err != nil {
		t.Fatal(err)
	}
	return q, r
}

// Some providers name a call with each of its pieces, and go on after its end.
func TestACallThatIsNamedAgain(t *testing.T) {
	t.Parallel()
	call := func(id, name, args, reason string) string {
		return `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"` + id + `","function":{"name":"` + name + `","arguments":"` + args + `"}}]},"finish_reason":` + reason + "}]}\n\n"
	}
	out := string(wiretest.Write(t, Format, []byte(call("a", "f", "{", "null")+call("a", "f", "}", `"tool_calls"`)+
		call("a", "f", " ", "null")+call("b", "g", "{}", "null")+"data: [DONE]\n\n")))
	if strings.Count(out, "functionCall") != 2 || !strings.Contains(out, `{"id":"a","name":"f","args":{}}`) || !strings.Contains(out, `{"id":"b","name":"g","args":{}}`) {
		t.Error(out)
	}
}

// input is a client's request of a golden file, without its path.
func input(t testing.TB, file string) []byte {
	_, body, _ := bytes.Cut(wiretest.Input(t, file), []byte("\n"))
	return body
}

// What comes in this format and leaves in it has lost nothing: parts, tools and
// fields that the hub has no word for go out as they came.
func TestARequestThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	in := input(t, "testdata/in/everything.txt")
	q, _ := ask(t, in)
	warnings, refused := Format.Check(q)
	if refused != nil || len(warnings) > 0 {
		t.Fatal(refused, warnings)
	}
	out, err := outgoing(nil, q, &warnings)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if !wiretest.SameJSON(t, in, out) {
		t.Errorf("got\n%s\nwant\n%s", out, in)
	}
}

func TestAnAnswerThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	in := wiretest.Input(t, "testdata/answer/everything.txt")
	r, err := readAnswer(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := appendAnswer(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if !wiretest.SameJSON(t, in, out) {
		t.Errorf("got\n%s\nwant\n%s", out, in)
	}
}

// A stream through reader and writer says what it said.
func TestAStreamThroughTheHubLosesNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"thought-text-calls", "grounded", "two-candidates", "blocked"} {
		in := append(wiretest.Input(t, "testdata/stream/"+file+".txt"), "\n\n"...)
		chunks, err := wiretest.Read(Format, in, len(in))
		if err != nil {
			t.Fatal(err)
		}
		again, err := wiretest.Read(Format, wiretest.Write(t, Format, append(bytes.Clone(chunks), "data: [DONE]\n\n"...)), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(chunks, again) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, again, chunks)
		}
	}
}

// A client that streams without alt=sse gets one array.
func TestAStreamMayBeAnArray(t *testing.T) {
	t.Parallel()
	in := append(wiretest.Input(t, "testdata/told/thought-text-calls.txt"), "\n\n"...)
	var split sse.Splitter
	var event sse.Event
	var elements [][]byte
	split.Feed(wiretest.Write(t, Format, in))
	for split.Next(&event) {
		if event.Data != nil {
			elements = append(elements, bytes.Clone(event.Data))
		}
	}
	whole := wiretest.Write(t, Array, in)
	if len(elements) == 0 || !wiretest.SameJSON(t, whole, append(append([]byte("["), bytes.Join(elements, []byte(","))...), ']')) {
		t.Errorf("got\n%s", whole)
	}
	e := &wire.Error{Status: 503, Message: "over"}
	const fault = `{"error":{"code":503,"message":"over","status":"UNAVAILABLE"}}`
	if got := Array.In.ErrorEvent(nil, e, 0); string(got) != "["+fault+"]\n" {
		t.Errorf("an error in its place is %q", got)
	}
	w := Array.In.Writer(&wire.Request{Stream: true})
	begun, err := w.Event(nil, &sse.Event{Data: []byte(`{"choices":[{"index":0,"delta":{"content":"a"}}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Fail(begun, e); !wiretest.SameJSON(t, got, []byte(`[{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}]},`+fault+`]`)) {
		t.Errorf("an error in its middle is %q", got)
	}
}

// A thought that another provider has signed goes to clients of Gemini's and
// back, to that provider, and never to Gemini.
func TestSignaturesOfOthersComeBack(t *testing.T) {
	t.Parallel()
	given, err := appendAnswer(nil, &hub.Response{Choices: []hub.Answer{{Parts: []hub.Part{
		{Kind: hub.ThoughtPart, Text: hub.Text("Hm."), Signature: hub.Text("c2ln")}, {Kind: hub.RedactedPart, Data: hub.Text("ZW5j")},
		{Kind: hub.CallPart, Call: hub.Call{ID: hub.Text("c1"), Name: hub.Text("f"), Signature: hub.Text("Y2FsbA==")}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	content := child(rawElement(child(given, "candidates")), "content")
	q, r := ask(t, []byte(`{"contents":[{"parts":[{"text":"a"}]},`+string(content)+`,{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"output":"x"}}}]}]}`))
	if !r.Mended {
		t.Error("it would go to Gemini as it came")
	}
	said := q.Messages[1].Parts
	if len(said) != 3 || string(said[0].Signature) != "c2ln" || string(said[1].Data) != "ZW5j" || string(said[2].Call.Signature) != "Y2FsbA==" {
		t.Errorf("came back as %+v", said)
	}
	out, err := outgoing(nil, q, new(hub.Warnings))
	if err != nil || bytes.Contains(out, strangeText) || bytes.Contains(out, []byte("Hm.")) || !bytes.Contains(out, []byte(unsigned)) {
		t.Errorf("%v: Gemini gets %s", err, out)
	}
}

func rawElement(array []byte) []byte { return array[1 : len(array)-1] }

func TestFacts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, path, body string
		endpoint         sdk.Endpoint
		want             wire.Request
		err              string
	}{
		{
			name: "a stream", path: "/v1/models/a/b:c:streamGenerateContent", endpoint: sdk.Chat,
			body: `{"contents":[{"parts":[{"text":"Hi"},{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}],"tools":[{}],"generation_config":{"max_output_tokens":9,"candidateCount":2,"responseMimeType":"application/json"},"fallbacks":["x"]}`,
			want: wire.Request{Model: "a/b:c", Stream: true, N: 2, MaxTokens: 9, Tools: true, Images: true, JSON: true, Fallbacks: []string{"x"}},
		},
		{
			name: "a count of a request", path: "/v1beta/models/m:countTokens", endpoint: sdk.CountTokens,
			body: `{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"` + strings.Repeat("word", 40) + `"}]}]}}`,
			want: wire.Request{Model: "m", N: 1},
		},
		{name: "no method", path: "/v1beta/models/m", body: `{"contents":[{}]}`, err: "the path names no model and method, such as models/gemini-3-flash:generateContent"},
		{name: "no contents", path: path, endpoint: sdk.Chat, body: `{"contents":[]}`, err: "* GenerateContentRequest.contents: contents is not specified"},
		{name: "no JSON", path: path, endpoint: sdk.Chat, body: `{`, err: "the body is no JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := facts(&hub.Ask{Endpoint: tc.endpoint, Path: tc.path, Body: []byte(tc.body)})
			if tc.err != "" {
				if err == nil || tc.name != "no JSON" && err.Error() != tc.err {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := tc.want
			if r.Model != w.Model || r.Stream != w.Stream || r.N != w.N || r.MaxTokens != w.MaxTokens || r.Tools != w.Tools ||
				r.Images != w.Images || r.JSON != w.JSON || len(r.Fallbacks) != len(w.Fallbacks) || r.Tokens == 0 || r.Tokens > 60 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want string }{
		{"a batch", `{"requests":[{"model":"models/a","content":{"parts":[]}}, {"content":{},"model" : "models/a"}]}`, `{"requests":[{"model":"models/b","content":{"parts":[]}}, {"content":{},"model" : "models/b"}]}`},
		{"a count", `{"generate_content_request":{"model":"models/a","contents":[]}}`, `{"generate_content_request":{"model":"models/b","contents":[]}}`},
		{"no model", `{"contents":[{"parts":[{"text":"model"}]}]}`, `{"contents":[{"parts":[{"text":"model"}]}]}`},
	} {
		if got := string(rename(nil, []byte(tc.body), "b")); got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	part := func(p string) string { return `{"candidates":[{"content":{"parts":[` + p + `]},"index":0}]}` }
	for _, tc := range []struct {
		name, data string
		want       wire.Class
	}{
		{"text", part(`{"text":"a"}`), wire.Text},
		{"nothing", part(`{"text":"","thoughtSignature":"a"}`), 0},
		{"a thought", part(`{"text":"a","thought":true}`), wire.Reasoning},
		{"a call", part(`{"functionCall":{"name":"f"},"thoughtSignature":"a"}`), wire.ToolCall},
		{"a picture", part(`{"inlineData":{"mimeType":"image/png","data":"a"}}`), wire.Media},
		{"the end", `{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}`, wire.Finished | wire.HasUsage},
		{"a refused prompt", `{"promptFeedback":{"blockReason":"SAFETY"}}`, wire.Finished},
		{"an error", `{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`, wire.Failed},
		{"no JSON", `[DONE]`, 0},
	} {
		if got := classify(sdk.Chat, &sse.Event{Data: []byte(tc.data)}); got != tc.want {
			t.Errorf("%s is %b, want %b", tc.name, got, tc.want)
		}
	}
}

// Codes are those of google/rpc/code.proto; the words of refusals those of
// https://ai.google.dev/gemini-api/docs/troubleshooting.
func TestErrors(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{
		400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 413: "INVALID_ARGUMENT",
		429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED", 529: "UNAVAILABLE",
	} {
		got := string(appendError(nil, &wire.Error{Status: status, Message: `no "way"`}))
		if !strings.Contains(got, `"status":"`+code+`"`) || !strings.Contains(got, `"message":"no \"way\""`) {
			t.Errorf("%d is %s", status, got)
		}
	}
	for _, tc := range []struct {
		name, message string
		status        int
		hint          wire.Hint
	}{
		{"a wrong key", "API key not valid. Please pass a valid API key.", 400, wire.BadKey},
		{"a long prompt", "The input token count (9) exceeds the maximum number of tokens allowed (8).", 400, wire.ContextTooLong},
		{"an unknown model", "models/x is not found for API version v1beta, or is not supported for generateContent.", 404, wire.ModelMissing},
		{"a rate", "You exceeded your current quota, please check your plan and billing details.", 429, wire.RateLimited},
		{"overload", "The model is overloaded. Please try again later.", 503, wire.Overloaded},
	} {
		f := failure(tc.status, http.Header{}, []byte(`{"error":{"code":1,"message":"`+tc.message+`","status":"`+codeOf(tc.status)+`"}}`))
		if f.Hint != tc.hint || f.Message != tc.message || f.Type == "" || strings.ToUpper(f.Type) == f.Type {
			t.Errorf("%s is %+v", tc.name, f)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"fast","input":["a\n","b"],"dimensions":3,"encoding_format":"base64","input_type":"search_query"}`)
	out, err := embed(nil, body, "gemini-embedding-001")
	if err != nil || !wiretest.SameJSON(t, out, []byte(`{"requests":[
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a\n"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":3},
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":3}]}`)) {
		t.Errorf("%v: %s", err, out)
	}
	answer := []byte(`{"embeddings":[{"values":[1,-0.5]},{"values":[0.25]}],"usageMetadata":{"promptTokenCount":4}}`)
	out, err = embedded(nil, answer, body)
	if err != nil || !wiretest.SameJSON(t, out, []byte(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="},
		{"object":"embedding","index":1,"embedding":"AACAPg=="}],"model":"fast","usage":{"prompt_tokens":4,"total_tokens":4}}`)) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = embedded(nil, answer, []byte(`{"model":"fast","input":["a","b"]}`)); err != nil || !bytes.Contains(out, []byte(`"embedding":[1,-0.5]`)) {
		t.Errorf("%v: %s", err, out)
	}
	if _, err = embed(nil, []byte(`{"input":[[1,2]]}`), "m"); err == nil {
		t.Error("tokens are taken for texts")
	}
	if out, err = embedded(nil, answer, []byte(`{"input":"a"}`)); err == nil {
		t.Errorf("two vectors for one text are %s", out)
	}
}

// Embeddings of Gemini's clients at other providers.
func TestEmbeddingsOfClients(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want string }{
		{
			"a batch", `{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8},{"content":{"parts":[{"text":"c"}]}}]}`,
			`{"model":"m","input":["ab","c"],"encoding_format":"float","dimensions":8,"input_type":"search_query"}`,
		},
		{"one", `{"content":{"parts":[{"text":"a"}]}}`, `{"model":"m","input":["a"],"encoding_format":"float"}`},
	} {
		out, err := embedOthers(nil, []byte(tc.body), "m", true)
		if err != nil || string(out) != tc.want {
			t.Errorf("%s: %v %s", tc.name, err, out)
		}
		if out, err = embedOthers(nil, []byte(tc.body), "m", false); err != nil || bytes.Contains(out, []byte("input_type")) {
			t.Errorf("%s at OpenAI: %v %s", tc.name, err, out)
		}
	}
	if out, err := embedOthers(nil, []byte(`{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}`), "m", true); err == nil {
		t.Errorf("an image is embedded as %s", out)
	}
	answer := []byte(`{"object":"list","data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[3]}],"usage":{"prompt_tokens":4,"total_tokens":4}}`)
	if out, err := embeddedAll(nil, answer); err != nil || string(out) != `{"embeddings":[{"values":[1,2]},{"values":[3]}],"usageMetadata":{"promptTokenCount":4}}` {
		t.Errorf("all: %v %s", err, out)
	}
	if out, err := embeddedOne(nil, answer); err != nil || string(out) != `{"embedding":{"values":[1,2]},"usageMetadata":{"promptTokenCount":4}}` {
		t.Errorf("one: %v %s", err, out)
	}
}

// 1 KB in and an answer out, as a request to a provider of another format costs it.
func BenchmarkRequestAndAnswer(b *testing.B) {
	body := []byte(`{"systemInstruction":{"parts":[{"text":"Be kind."}]},"contents":[{"role":"user","parts":[{"text":"` + strings.Repeat("word ", 170) + `"}]}]}`)
	r, err := facts(&hub.Ask{Endpoint: sdk.Chat, Path: path, Body: body})
	if err != nil {
		b.Fatal(err)
	}
	answer := wiretest.Input(b, "testdata/answer/thought-and-calls.txt")
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
	e := sse.Event{Data: []byte(`{"candidates":[{"content":{"parts":[{"text":" of the kind"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4,"totalTokenCount":8},"modelVersion":"gemini-3-flash","responseId":"abc"}`)}
	var r reader
	var w writer
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
