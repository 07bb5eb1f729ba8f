package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// open starts a demo without pauses, unless change says otherwise.
func open(t *testing.T, dir string, change func(*demo)) *demo {
	t.Helper()
	d := newDemo()
	d.Delay = 0
	if change != nil {
		change(d)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), sdk.Setup{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// prepare asks as the router does.
func prepare(t *testing.T, d *demo, e sdk.Endpoint) sdk.Prepared {
	t.Helper()
	p, err := d.Prepare(context.Background(), sdk.Channel{Name: "demo"}, "demo", e, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// client is OpenAI's own, which checks the wire format for us.
func client(t *testing.T, d *demo) openai.Client {
	t.Helper()
	p := prepare(t, d, sdk.Models)
	return openai.NewClient(
		option.WithBaseURL(strings.TrimSuffix(p.URL, "/models")),
		option.WithAPIKey(strings.TrimPrefix(p.Auth.Value, "Bearer ")),
		option.WithMaxRetries(0),
	)
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir(), nil)
	p := prepare(t, d, sdk.Chat)
	if !strings.HasPrefix(p.URL, "http://127.0.0.1:") || !strings.HasSuffix(p.URL, "/v1/chat/completions") {
		t.Errorf("URL %s", p.URL)
	}
	if p.Auth.Kind != sdk.AuthMinted || len(p.Auth.Value) < len("Bearer ")+tokenLength || p.Codec != "openai" {
		t.Errorf("prepared %+v", p)
	}
	if _, err := d.Prepare(context.Background(), sdk.Channel{}, "m", sdk.Speech, false); !sdk.IsUnsupported(err) {
		t.Errorf("speech: %v", err)
	}
}

func TestChatWithOpenAIsClient(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	params := openai.ChatCompletionNewParams{
		Model: "demo",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("Be short."),
			openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("How do  I\nstart?")}),
		},
		N: openai.Int(2),
	}
	whole, err := c.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	text := whole.Choices[0].Message.Content
	if !strings.Contains(text, `You said: "How do I start?"`) || !strings.Contains(text, "demo provider") || !strings.Contains(text, `channel "openai"`) {
		t.Errorf("answer %q", text)
	}
	if len(whole.Choices) != 2 || whole.Choices[1].FinishReason != "stop" || whole.Model != "demo" || !strings.HasPrefix(whole.ID, "chatcmpl-") {
		t.Errorf("answer %+v", whole)
	}
	if u := whole.Usage; u.PromptTokens != 6 || u.CompletionTokens != int64(2*len(wordsOf(text))) || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("usage %+v", u)
	}

	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := c.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	chunks := 0
	for stream.Next() {
		chunks++
		if !acc.AddChunk(stream.Current()) {
			t.Fatalf("chunk %d does not fit: %s", chunks, stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if len(acc.Choices) != 2 || acc.Choices[1].Message.Content != text || acc.Choices[0].FinishReason != "stop" || acc.Usage.TotalTokens != whole.Usage.TotalTokens {
		t.Errorf("streamed %+v", acc.ChatCompletion)
	}
	if want := 2*(len(wordsOf(text))+2) + 1; chunks != want {
		t.Errorf("%d chunks, want %d: one a word", chunks, want)
	}
}

func TestChatLimitsAndForms(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	ask := func(change func(*openai.ChatCompletionNewParams)) openai.ChatCompletionChoice {
		t.Helper()
		p := openai.ChatCompletionNewParams{Model: "demo-fast", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")}}
		change(&p)
		got, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return got.Choices[0]
	}
	for _, limit := range []func(*openai.ChatCompletionNewParams){
		func(p *openai.ChatCompletionNewParams) { p.MaxTokens = openai.Int(2) },
		func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(2) },
	} {
		if got := ask(limit); got.FinishReason != "length" || got.Message.Content != "You said: " {
			t.Errorf("limited: %s %q", got.FinishReason, got.Message.Content)
		}
	}
	got := ask(func(p *openai.ChatCompletionNewParams) {
		p.ResponseFormat.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
	})
	var parsed struct {
		Demo    bool
		YouSaid string `json:"you_said"`
	}
	if err := json.Unmarshal([]byte(got.Message.Content), &parsed); err != nil || !parsed.Demo || parsed.YouSaid != "hi" {
		t.Errorf("JSON answer %q: %v", got.Message.Content, err)
	}
}

func TestResponsesWithOpenAIsClient(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	params := responses.ResponseNewParams{
		Model: "demo", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello there")},
		Metadata: shared.Metadata{"a": "b"},
	}
	whole, err := c.Responses.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	text := whole.OutputText()
	if !strings.Contains(text, `"hello there"`) || whole.Status != "completed" || whole.Metadata["a"] != "b" || whole.Usage.InputTokens != 2 {
		t.Errorf("answer %s", whole.RawJSON())
	}

	stream := c.Responses.NewStreaming(t.Context(), params)
	var deltas strings.Builder
	var kinds []string
	for n := int64(0); stream.Next(); n++ {
		e := stream.Current()
		if e.SequenceNumber != n {
			t.Errorf("event %d has number %d", n, e.SequenceNumber)
		}
		if e.Type == "response.output_text.delta" {
			deltas.WriteString(e.Delta)
			continue
		}
		kinds = append(kinds, e.Type)
		if e.Type == "response.completed" && e.Response.OutputText() != text {
			t.Errorf("last event has %q", e.Response.OutputText())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	want := "response.created response.in_progress response.output_item.added response.content_part.added " +
		"response.output_text.done response.content_part.done response.output_item.done response.completed"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events %s", got)
	}
	if deltas.String() != text {
		t.Errorf("deltas make %q", deltas.String())
	}

	params.MaxOutputTokens = openai.Int(1)
	cut, err := c.Responses.New(t.Context(), params)
	if err != nil || cut.Status != "incomplete" || cut.IncompleteDetails.Reason != "max_output_tokens" || cut.OutputText() != "You " {
		t.Errorf("cut answer %v: %v", cut, err)
	}
}

func TestCompletionsWithOpenAIsClient(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	params := openai.CompletionNewParams{Model: "demo", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"one", "two"}}}
	whole, err := c.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Choices) != 2 || !strings.Contains(whole.Choices[1].Text, `"two"`) || whole.Usage.PromptTokens != 2 {
		t.Errorf("answer %s", whole.RawJSON())
	}
	stream := c.Completions.NewStreaming(t.Context(), params)
	texts := make([]string, 2)
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			texts[choice.Index] += choice.Text
		}
	}
	if err := stream.Err(); err != nil || texts[0] != whole.Choices[0].Text || texts[1] != whole.Choices[1].Text {
		t.Errorf("streamed %q: %v", texts, err)
	}
}

func TestEmbeddingsWithOpenAIsClient(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	embed := func(change func(*openai.EmbeddingNewParams), texts ...string) [][]float64 {
		t.Helper()
		p := openai.EmbeddingNewParams{Model: "demo-embed", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}}
		if change != nil {
			change(&p)
		}
		got, err := c.Embeddings.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var vs [][]float64
		for _, d := range got.Data {
			vs = append(vs, d.Embedding)
		}
		return vs
	}
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	vs := embed(nil, "The cat sat on the mat.", "the cat sat on a mat", "quarterly revenue grew", "")
	if len(vs) != 4 || len(vs[0]) != defaultDimensions {
		t.Fatalf("%d vectors of %d", len(vs), len(vs[0]))
	}
	for i, v := range vs {
		if math.Abs(dot(v, v)-1) > 1e-6 {
			t.Errorf("vector %d has the length %v", i, math.Sqrt(dot(v, v)))
		}
	}
	if near, far := dot(vs[0], vs[1]), dot(vs[0], vs[2]); near < 0.6 || far > 0.4 {
		t.Errorf("near %v, far %v", near, far)
	}
	again := embed(func(p *openai.EmbeddingNewParams) { p.Dimensions = openai.Int(8) }, "x y", "x y")
	if len(again[0]) != 8 || dot(again[0], again[1]) < 1-1e-6 {
		t.Errorf("the same text has %v", again)
	}

	p := openai.EmbeddingNewParams{
		Model: "demo-embed", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("a")},
		EncodingFormat: "base64", Dimensions: openai.Int(2),
	}
	var raw struct{ Data []struct{ Embedding string } }
	if _, err := c.Embeddings.New(t.Context(), p, option.WithResponseBodyInto(&raw)); err != nil || len(raw.Data[0].Embedding) != 12 {
		t.Errorf("base64 %+v: %v", raw, err)
	}
	for _, tokens := range []openai.EmbeddingNewParamsInputUnion{{OfArrayOfTokens: []int64{1, 2}}, {OfArrayOfTokenArrays: [][]int64{{1, 2}}}} {
		got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "demo-embed", Input: tokens})
		if err != nil || len(got.Data) != 1 || got.Usage.PromptTokens != 2 {
			t.Errorf("tokens: %v, %v", got, err)
		}
	}
}

func TestModelsAreListed(t *testing.T) {
	t.Parallel()
	c := client(t, open(t, t.TempDir(), nil))
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) != len(models) || page.Data[0].ID != "demo" {
		t.Errorf("models %v: %v", page, err)
	}
	one, err := c.Models.Get(t.Context(), "demo-large")
	if err != nil || one.ID != "demo-large" {
		t.Errorf("model %v: %v", one, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir(), nil)
	auth := prepare(t, d, sdk.Chat).Auth.Value
	tests := []struct {
		name   string
		method string
		path   string
		auth   string
		body   string
		status int
		code   string
	}{
		{name: "no token", method: "GET", path: "/v1/models", status: 401, code: "invalid_api_key"},
		{name: "another token", method: "GET", path: "/v1/models", auth: auth + "x", status: 401, code: "invalid_api_key"},
		{name: "no such path", method: "GET", path: "/v1/files", auth: auth, status: 404},
		{name: "no such model", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{"model":"gpt-4o","messages":[{}]}`, status: 404, code: "model_not_found"},
		{name: "no such model to get", method: "GET", path: "/v1/models/x", auth: auth, status: 404, code: "model_not_found"},
		{name: "no JSON", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{`, status: 400},
		{name: "odd content", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{"model":"demo","messages":[{"content":7}]}`, status: 400},
		{name: "no messages", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{"model":"demo"}`, status: 400},
		{name: "no prompt", method: "POST", path: "/v1/completions", auth: auth, body: `{"model":"demo"}`, status: 400},
		{name: "no input", method: "POST", path: "/v1/responses", auth: auth, body: `{"model":"demo"}`, status: 400},
		{name: "text from a model for vectors", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{"model":"demo-embed","messages":[{}]}`, status: 400},
		{name: "vectors from a model for text", method: "POST", path: "/v1/embeddings", auth: auth, body: `{"model":"demo","input":"x"}`, status: 400},
		{name: "no vectors", method: "POST", path: "/v1/embeddings", auth: auth, body: `{"model":"demo-embed","input":[]}`, status: 400},
		{name: "vectors of objects", method: "POST", path: "/v1/embeddings", auth: auth, body: `{"model":"demo-embed","input":[{}]}`, status: 400},
		{name: "too many dimensions", method: "POST", path: "/v1/embeddings", auth: auth, body: `{"model":"demo-embed","input":"x","dimensions":5000}`, status: 400},
		{name: "the prober's made-up model", method: "POST", path: "/v1/chat/completions", auth: auth, body: `{"model":"test-speed-health-check-dummy","max_tokens":1}`, status: 404, code: "model_not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+d.home.address+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", tt.auth)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body struct {
				Error struct{ Message, Type, Code string }
			}
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || body.Error.Code != tt.code || body.Error.Message == "" || body.Error.Type == "" {
				t.Errorf("got %d %+v, want %d %s", resp.StatusCode, body.Error, tt.status, tt.code)
			}
		})
	}
}

// A client that leaves in the middle of a stream ends it.
func TestStreamEndsWithItsClient(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir(), func(d *demo) { d.Delay = time.Millisecond })
	p := prepare(t, d, sdk.Chat)
	ended := make(chan struct{})
	guarded := d.http.Handler
	d.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		guarded.ServeHTTP(w, r)
	})
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, strings.NewReader(`{"model":"demo","stream":true,"messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", p.Auth.Value)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	leave()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the stream goes on without its client")
	}
}

// What the router has prepared holds over a restart of the plugin. Not beside
// other tests, which could get the port between the two processes.
func TestHomeOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	before := prepare(t, first, sdk.Chat)
	if info, err := os.Stat(filepath.Join(dir, "home.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token's file: %v, %v", info, err)
	}

	// Beside it, as during a reload: another port, the same token.
	second := open(t, dir, nil)
	beside := prepare(t, second, sdk.Chat)
	if beside.URL == before.URL || beside.Auth != before.Auth {
		t.Errorf("beside: %+v, before: %+v", beside, before)
	}
	first.Close()
	second.Close()

	after := prepare(t, open(t, dir, nil), sdk.Chat)
	if after.URL != beside.URL || after.Auth != beside.Auth {
		t.Errorf("after a restart %+v, before it %+v", after, beside)
	}

	for _, content := range []string{"{", `{"address":"10.0.0.1:1","token":"short"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "home.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p := prepare(t, open(t, dir, nil), sdk.Chat)
		if !strings.HasPrefix(p.URL, "http://127.0.0.1:") || len(p.Auth.Value) < len("Bearer ")+tokenLength {
			t.Errorf("after the file %q: %+v", content, p)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:80": true, "0.0.0.0:80": false, "localhost:80": false, "8.8.8.8:0": false, "127.0.0.1": false,
	} {
		d := newDemo()
		d.Address = address
		if err := d.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestWordsJoinToTheText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "a": 1, " a b\n\nc ": 4, "  ": 1, "ä—é x": 2} {
		words := wordsOf(text)
		if strings.Join(words, "") != text || len(words) != want {
			t.Errorf("%q -> %q", text, words)
		}
	}
}

func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		`{"model":"demo","messages":[{"role":"user","content":"x"}],"stream":true}`, `{"model":"demo","prompt":["a"],"input":"x"}`,
		`{"model":"demo-embed","input":[[1,2]],"encoding_format":"base64"}`, `{"model":"demo","input":[{"role":"user","content":[{"text":"x"}]}]}`,
	} {
		f.Add([]byte(s))
	}
	s := newServer("t", 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range paths {
			r, err := http.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer t")
			w := &sink{header: make(http.Header)}
			s.Handler.ServeHTTP(w, r)
			if w.status == 0 || w.status >= 500 {
				t.Errorf("%s answered %d", path, w.status)
			}
		}
	})
}

// sink is a ResponseWriter with the deadlines and the flush that a stream needs.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header              { return s.header }
func (s *sink) Write(b []byte) (int, error)      { return len(b), nil }
func (s *sink) WriteHeader(status int)           { s.status = status }
func (s *sink) Flush()                           {}
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
