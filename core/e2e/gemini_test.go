package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// candidates is what a client of Gemini's reads of an answer, or of one event.
type candidates struct {
	Candidates []struct {
		Content struct {
			Role  string
			Parts []struct {
				Text         string
				Thought      bool
				Signature    string `json:"thoughtSignature"`
				FunctionCall *struct {
					ID, Name string
					Args     json.RawMessage
				}
			}
		}
		FinishReason string
	}
	Usage struct {
		Prompt int `json:"promptTokenCount"`
		Total  int `json:"totalTokenCount"`
	} `json:"usageMetadata"`
	Error *struct {
		Code            int
		Message, Status string
	}
}

// generated is an answer of Gemini's, put together.
type generated struct {
	text, thought, finish, calls, fault string
	counted                             bool
}

func (g *generated) add(t *testing.T, raw []byte) {
	t.Helper()
	var c candidates
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if g.finish != "" || g.fault != "" {
		t.Errorf("after the end comes %s", raw)
	}
	if c.Error != nil {
		g.fault = fmt.Sprintf("%d %s", c.Error.Code, c.Error.Status)
	}
	for _, one := range c.Candidates {
		for _, p := range one.Content.Parts {
			switch {
			case p.FunctionCall != nil:
				g.calls += p.FunctionCall.Name + string(p.FunctionCall.Args)
			case p.Thought:
				g.thought += p.Text
			default:
				g.text += p.Text
			}
		}
		g.finish += one.FinishReason
	}
	g.counted = g.counted || c.Usage.Prompt > 0 && c.Usage.Total > c.Usage.Prompt
}

func (r *router) gemini(t *testing.T, path, body string, header ...string) (*http.Response, []byte) {
	t.Helper()
	base := strings.TrimSuffix(r.URL, "/v1")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, b, err := do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func (r *router) generated(t *testing.T, model, body string) (g generated) {
	t.Helper()
	resp, b := r.gemini(t, "/v1beta/models/"+model+":generateContent", body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, b)
	}
	g.add(t, b)
	return g
}

// generatedStream asks for a stream: of events, or as one array.
func (r *router) generatedStream(t *testing.T, model, body string, events bool) (g generated) {
	t.Helper()
	path := "/v1beta/models/" + model + ":streamGenerateContent"
	if events {
		path += "?alt=sse"
	}
	resp, b := r.gemini(t, path, body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, b)
	}
	if !events {
		var all []json.RawMessage
		if kind := resp.Header.Get("Content-Type"); json.Unmarshal(b, &all) != nil || !strings.HasPrefix(kind, "application/json") {
			t.Fatalf("no array but %s: %s", kind, b)
		}
		for _, one := range all {
			g.add(t, one)
		}
		return g
	}
	for frame := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")), "\n\n") {
		if data, ok := strings.CutPrefix(frame, "data: "); ok {
			g.add(t, []byte(data))
		} else if !strings.HasPrefix(frame, ":") {
			t.Fatalf("a broken event: %q in %s", frame, b)
		}
	}
	return g
}

const hello = `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`

// Where client and provider both speak Gemini's format, the bytes pass as they are;
// the key that the client has is the router's.
func TestGeminiToGeminiIsUntouched(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel))
	r := startRouter(t, listen+`key "tests" { secret = "sk-tests-0123456789" }`+geminiChannel(w))
	body := `{ "contents":[{"parts":[{"text":"Hi \u00e9"}]}],  "generationConfig":{"temperature":0.5,"mediaResolution":"MEDIA_RESOLUTION_LOW"}}`
	for _, tc := range []struct{ name, path, header string }{
		{"a key in the header", "/v1beta/models/gemini-3-flash:generateContent", "x-goog-api-key"},
		{"a key in the query", "/v1/models/gemini-3-flash:streamGenerateContent?alt=sse&key=sk-tests-0123456789", ""},
		{"an alias", "/v1beta/models/fast:generateContent", "x-goog-api-key"},
	} {
		var header []string
		if tc.header != "" {
			header = []string{tc.header, "sk-tests-0123456789"}
		}
		resp, b := r.gemini(t, tc.path, body, header...)
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "said") {
			t.Fatalf("%s: %s %s", tc.name, resp.Status, b)
		}
		seen := w.Requests()
		last := seen[len(seen)-1]
		if string(last.Body) != body || last.Header.Get("X-Goog-Api-Key") != formatsKey || strings.Contains(last.Path, "sk-tests") {
			t.Errorf("%s: the provider got %s %s with %v", tc.name, last.Path, last.Body, last.Header)
		}
	}
	if strings.Contains(r.log.String(), "sk-tests-0123456789") {
		t.Error("a key is in the log")
	}
	for _, path := range []string{"/v1beta/models/gemini-3-flash:generateContent", "/v1beta/models/gemini-3-flash:generateContent?key=wrong"} {
		resp, b := r.gemini(t, path, body)
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(b), `"status":"UNAUTHENTICATED"`) {
			t.Errorf("%s: %s %s", path, resp.Status, b)
		}
	}
}

// geminiChannel is a channel in Gemini's format, with an alias and more.
func geminiChannel(w *wall.Wall, more ...string) string {
	return formatChannel("gemini", "gemini", w, append(more, `aliases = { fast = "gemini-3-flash" }`)...)
}

// What Gemini's clients ask for beside answers.
func TestGeminiClientsCountAndList(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel, wall.ChatModel))
	r := startRouter(t, listen+geminiChannel(w, `models = ["gemini-3-flash"]`)+formatChannel("openai", "gpt", w, `models = ["gpt-4o-mini"]`))
	for _, tc := range []struct {
		model, warning string
	}{{wall.GeminiModel, ""}, {"fast", ""}, {wall.ChatModel, "estimated"}} {
		resp, b := r.gemini(t, "/v1beta/models/"+tc.model+":countTokens", `{"generateContentRequest":{"model":"models/`+tc.model+`",`+hello[1:]+`}`)
		var said struct{ TotalTokens int }
		if resp.StatusCode != http.StatusOK || json.Unmarshal(b, &said) != nil || said.TotalTokens == 0 || !strings.Contains(resp.Header.Get("Warning"), tc.warning) {
			t.Errorf("%s: %s %s, warning %q", tc.model, resp.Status, b, resp.Header.Get("Warning"))
		}
	}
	resp, b := r.gemini(t, "/v1beta/models/fast:batchEmbedContents", `{"requests":[{"model":"models/fast","content":{"parts":[{"text":"a"}]}}]}`)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(b), `"embeddings"`) {
		t.Errorf("embeddings: %s %s", resp.Status, b)
	}
	get := func(path string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(r.URL, "/v1")+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_, b, err := do(req)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if list := get("/v1beta/models?pageSize=50"); !strings.Contains(list, `"name":"models/gpt-4o-mini"`) || !strings.Contains(list, `"supportedGenerationMethods"`) {
		t.Errorf("the list is %s", list)
	}
	if one := get("/v1beta/models/gpt-4o-mini"); !strings.HasPrefix(one, `{"name":"models/gpt-4o-mini"`) {
		t.Errorf("one is %s", one)
	}
	if none := get("/v1beta/models/none"); !strings.Contains(none, `"status":"NOT_FOUND"`) {
		t.Errorf("none is %s", none)
	}
}

// Gemini's list names the models of a channel that names none.
func TestGeminiChannelsListTheirModels(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel))
	r := startRouter(t, listen+geminiChannel(w))
	wait(t, "the models of the channel are known", func() bool { return r.ask(t.Context(), wall.GeminiModel, false, "Hello") == nil })
}

// Embeddings of OpenAI's clients at Gemini.
func TestEmbeddingsReachGemini(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel))
	r := startRouter(t, listen+geminiChannel(w, `models = ["gemini-3-flash"]`))
	for _, format := range []string{"float", "base64"} {
		_, b, err := r.post(t.Context(), "/embeddings", []byte(`{"model":"fast","input":["one","two"],"dimensions":8,"encoding_format":"`+format+`"}`))
		var a struct {
			Data  []struct{ Embedding any }
			Usage struct {
				Total int `json:"total_tokens"`
			}
		}
		if err != nil || json.Unmarshal(b, &a) != nil || len(a.Data) != 2 || a.Usage.Total == 0 {
			t.Fatalf("%v %s", err, b)
		}
		if _, packed := a.Data[1].Embedding.(string); packed != (format == "base64") {
			t.Errorf("%s: %s", format, b)
		}
	}
}

// Embeddings of Gemini's clients, in a batch and by themselves, at Gemini and at
// OpenAI.
func TestEmbeddingsOfGeminisClients(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel, wall.EmbeddingModel))
	r := startRouter(t, listen+geminiChannel(w, `models = ["gemini-3-flash"]`)+formatChannel("openai", "gpt", w, `models = ["text-embedding-3-small"]`))
	for _, model := range []string{wall.GeminiModel, "fast", wall.EmbeddingModel} {
		resp, b := r.gemini(t, "/v1beta/models/"+model+":batchEmbedContents", `{"requests":[{"model":"models/`+model+`","content":{"parts":[{"text":"a"}]},"outputDimensionality":4}]}`)
		var all struct{ Embeddings []struct{ Values []float64 } }
		if json.Unmarshal(b, &all) != nil || len(all.Embeddings) != 1 || len(all.Embeddings[0].Values) != 4 {
			t.Errorf("%s: %s %s", model, resp.Status, b)
		}
		resp, b = r.gemini(t, "/v1beta/models/"+model+":embedContent", `{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING","outputDimensionality":4}`)
		var one struct{ Embedding struct{ Values []float64 } }
		if json.Unmarshal(b, &one) != nil || len(one.Embedding.Values) != 4 {
			t.Errorf("%s by itself: %s %s", model, resp.Status, b)
		}
	}
}

// A stream of Gemini's client that breaks off at one channel goes on at the other,
// in both framings.
func TestGeminiClientsAreRescued(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ first, second string }{{"gemini", "openai"}, {"anthropic", "gemini"}, {"gemini", "gemini"}} {
		t.Run(tc.first+" to "+tc.second, func(t *testing.T) {
			t.Parallel()
			options := []wall.Option{wall.Key(formatsKey), wall.Models("m"), wall.Answer(sixty), wall.Pace(time.Millisecond)}
			bad := wall.Start(t, append(options, wall.Faults(wall.ResetAfter(3+40).ForModel("m")))...)
			r := startRouter(t, mixed(bad, wall.Start(t, options...), tc.first, tc.second, rescuing("verify")))
			wait(t, "a stream was cut and rescued", func() bool {
				for _, events := range []bool{true, false} {
					if g := r.generatedStream(t, "m", hello, events); g.text != sixty || g.finish != "STOP" || g.fault != "" {
						t.Fatalf("events %v: %+v", events, g)
					}
				}
				return r.metric("smartrouter_rescues_total", `result="rescued"`) > 0
			})
		})
	}
}

// A stream that breaks off ends with an error in Gemini's form, in both framings.
func TestAStreamOfGeminisEndsWithItsError(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models("m"), wall.Answer(sixty), wall.Faults(wall.CloseAfter(3+10).ForModel("m")))
	r := startRouter(t, mixed(w, w, "openai", "openai", listen))
	for _, events := range []bool{true, false} {
		if g := r.generatedStream(t, "m", hello, events); g.fault != "502 UNAVAILABLE" || g.text == "" || g.finish != "" {
			t.Errorf("events %v: %+v", events, g)
		}
	}
}

// An answer is kept in Gemini's format, and given both whole and as events. An
// array is asked for anew.
func TestAnswersInGeminisFormatAreCached(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models("m"), wall.Answer("An answer to keep."))
	r := startRouter(t, mixed(w, w, "openai", "gemini", answersPipeline(`ttl = "10m"`)+listen))
	for _, tc := range []struct{ name, method, cache string }{
		{"first", "generateContent", "miss"}, {"again", "generateContent", "hit"}, {"as events", "streamGenerateContent?alt=sse", "hit"},
		{"as an array", "streamGenerateContent", "miss"}, {"as an array again", "streamGenerateContent", "miss"},
	} {
		resp, b := r.gemini(t, "/v1beta/models/m:"+tc.method, hello)
		if got := resp.Header.Get("X-Cache"); got != tc.cache || !strings.Contains(string(b), "keep") || !strings.Contains(string(b), `"STOP"`) {
			t.Errorf("%s: x-cache %q: %s", tc.name, got, b)
		}
	}
	if g := r.generatedStream(t, "m", hello, true); g.text != "An answer to keep." || g.finish != "STOP" || !g.counted {
		t.Errorf("as events it is %+v", g)
	}
}

// Calls and their signatures come back by whatever way they went: Gemini refuses
// them without.
func TestSignedCallsComeBackToGemini(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(wall.GeminiModel))
	r := startRouter(t, listen+geminiChannel(w, `models = ["gemini-3-flash"]`))
	tool := `{"name":"weather","description":"d","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}`
	head := `{"model":"gemini-3-flash","max_tokens":1000,"thinking":{"type":"adaptive"},"tools":[` + tool + `],"messages":[{"role":"user","content":"weather?"}`
	resp, b, err := r.post(t.Context(), "/messages", []byte(head+`]}`), "anthropic-version", wall.FirstVersion)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Content    json.RawMessage
		StopReason string `json:"stop_reason"`
	}
	if json.Unmarshal(b, &m) != nil || m.StopReason != "tool_use" || !strings.Contains(string(m.Content), `"signature":"gemini:`) {
		t.Fatalf("%s: %s", resp.Status, b)
	}
	var blocks []struct{ Type, ID string }
	if err := json.Unmarshal(m.Content, &blocks); err != nil {
		t.Fatal(err)
	}
	id := blocks[len(blocks)-1].ID
	again := head + `,{"role":"assistant","content":` + string(m.Content) + `},{"role":"user","content":[{"type":"tool_result","tool_use_id":"` + id + `","content":"sunny"}]}]}`
	if _, b, err = r.post(t.Context(), "/messages", []byte(again), "anthropic-version", wall.FirstVersion); err != nil || !strings.Contains(string(b), "sunny") {
		t.Fatalf("%v %s", err, b)
	}
	seen := w.Requests()
	if last := string(seen[len(seen)-1].Body); strings.Contains(last, "skip_thought_signature_validator") {
		t.Errorf("the signature is lost: %s", last)
	}
}
