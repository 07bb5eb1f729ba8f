package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// message is what a client of Anthropic's reads of an answer.
type message struct {
	Type    string
	Role    string
	Content []struct {
		Type, Text, Thinking, Signature, ID, Name string
		Input                                     json.RawMessage
	}
	StopReason string `json:"stop_reason"`
	Usage      struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	}
	Error struct{ Type, Message string }
}

func (r *router) message(t *testing.T, body string, header ...string) (message, *http.Response) {
	t.Helper()
	resp, b, err := r.post(t.Context(), "/messages", []byte(body), append([]string{"anthropic-version", wall.LatestVersion}, header...)...)
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %v in %s", resp.Status, err, b)
	}
	return m, resp
}

func TestAnthropicClientReachesEachFormat(t *testing.T) {
	t.Parallel()
	w := formatsWall(t)
	r := startRouter(t, listen+formatChannels(w))
	for _, model := range []string{wall.ChatModel, wall.ClaudeModel, wall.BedrockModel, "claude-opus-5"} {
		t.Run(model, func(t *testing.T) {
			m, resp := r.message(t, `{"model":"`+model+`","max_tokens":100,"system":"be kind","messages":[{"role":"user","content":"Hello"}]}`)
			if resp.StatusCode != 200 || m.Type != "message" || len(m.Content) != 1 || m.Content[0].Text != "You said: Hello" || m.StopReason != "end_turn" || m.Usage.Input == 0 || m.Usage.Output == 0 {
				t.Errorf("%s: %+v", resp.Status, m)
			}
			_, b, err := r.post(t.Context(), "/messages", []byte(`{"model":"`+model+`","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`), "anthropic-version", wall.FirstVersion)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			for _, want := range []string{"event: message_start\n", "event: content_block_start\n", `"text":"You"`, `" Hello"`, `"stop_reason":"end_turn"`, "event: message_stop\n"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
		})
	}
}

func TestOpenAIClientReachesAnthropic(t *testing.T) {
	t.Parallel()
	w := formatsWall(t)
	r := startRouter(t, listen+formatChannels(w))
	for _, model := range []string{wall.ClaudeModel, "claude-opus-5"} {
		for _, stream := range []bool{false, true} {
			if err := r.ask(context.Background(), model, stream, "Hello"); err != nil {
				t.Errorf("%s, stream %v: %v", model, stream, err)
			}
		}
	}
}

func TestSameFormatIsUntouched(t *testing.T) {
	t.Parallel()
	w := formatsWall(t)
	r := startRouter(t, listen+formatChannels(w))
	body := `{"model" : "claude-sonnet-5",  "max_tokens":100,"messages":[{"role":"user","content":[{"type":"text","text":"Hi \u00e9","cache_control":{"type":"ephemeral"}}]}], "metadata":{"user_id":"u"}}`
	m, resp := r.message(t, body, "anthropic-beta", "some-beta-2026-01-01")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %+v", resp.Status, m)
	}
	seen := w.Requests()
	last := seen[len(seen)-1]
	if string(last.Body) != body {
		t.Errorf("the provider got %s", last.Body)
	}
	if v := last.Header.Get("Anthropic-Version"); v != wall.LatestVersion {
		t.Errorf("the provider got the version %q, and the client's is %q", v, wall.LatestVersion)
	}
	if v := last.Header.Get("Anthropic-Beta"); v != "some-beta-2026-01-01" {
		t.Errorf("the provider got the betas %q", v)
	}
}

// failingModels answer with an error status, at the channel in Anthropic's format.
func failingModels() (byStatus map[string]string, names []string, faults []wall.Fault) {
	byStatus = make(map[string]string)
	for _, status := range []int{400, 409, 422, 429} {
		name := fmt.Sprintf("failing-%d", status)
		byStatus[strconv.Itoa(status)], names = name, append(names, name)
		faults = append(faults, wall.Status(status).ForModel(name))
	}
	return byStatus, names, faults
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The official clients of each format, to each format.
func TestOfficialClientsReachOtherFormats(t *testing.T) {
	t.Parallel()
	byStatus, names, faults := failingModels()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models(append(names, formatModels...)...), wall.Faults(faults...))
	hcl := listen + `key "tests" { secret = "sk-tests" }` + formatChannels(w)
	for _, name := range names { // what makes one fail must not ban the others
		hcl += channel(name, w.URL(), formatsKey, "models = "+list([]string{name}))
	}
	r := startRouter(t, hcl)
	installNode(t, nodeClients)
	// What a target has besides: it signs its thoughts, it leaves a field out, it
	// gives several answers.
	type target struct {
		Model   string `json:"model"`
		Signs   bool   `json:"signs"`
		Drops   string `json:"drops"`
		Several bool   `json:"several"`
	}
	for file, targets := range map[string]any{
		"anthropic.test.mjs": map[string]string{
			"OpenAI": wall.ChatModel, "Anthropic " + wall.FirstVersion: wall.ClaudeModel, "Anthropic " + wall.LatestVersion: "claude-opus-5",
			"Ollama": wall.OllamaModel, "Bedrock": wall.BedrockModel, "Cohere": wall.CohereModel, "Azure OpenAI": "my-gpt", "Gemini": wall.GeminiModel,
		},
		"gemini.test.mjs": map[string]string{
			"OpenAI": wall.ChatModel, "Anthropic " + wall.FirstVersion: wall.ClaudeModel, "Anthropic " + wall.LatestVersion: "claude-opus-5",
			"Ollama": wall.OllamaModel, "Bedrock": wall.BedrockModel, "Cohere": wall.CohereModel, "Azure OpenAI": "my-gpt", "Gemini": wall.GeminiModel,
		},
		"openai-to-others.test.mjs": map[string]target{
			"Anthropic " + wall.FirstVersion:  {Model: wall.ClaudeModel, Signs: true, Drops: "seed"},
			"Anthropic " + wall.LatestVersion: {Model: "claude-opus-5", Signs: true, Drops: "seed"},
			"Bedrock":                         {Model: wall.BedrockModel, Signs: true, Drops: "seed"},
			"Ollama":                          {Model: wall.OllamaModel, Drops: "logit_bias"},
			"Cohere":                          {Model: wall.CohereModel, Drops: "logit_bias"},
			"Gemini":                          {Model: wall.GeminiModel, Drops: "logit_bias", Several: true},
		},
	} {
		t.Run(file, func(t *testing.T) {
			run(t, nodeClients, []string{"BASE_URL=" + r.URL, "API_KEY=sk-tests", "TARGETS=" + asJSON(t, targets), "FAILING=" + asJSON(t, byStatus)},
				"node", "--test", "--test-timeout=300000", "--test-reporter=spec", file)
		})
	}
}

// mixed are two channels of one model: the first in one format, the second in
// the other.
func mixed(first, second *wall.Wall, firstAdapter, secondAdapter, pipeline string) string {
	one := func(name string, w *wall.Wall, adapter string, priority int) string {
		return formatChannel(adapter, name, w, `models = ["m"]`, fmt.Sprintf("priority = %d", priority), fmt.Sprintf("tags = [%q]", name))
	}
	return pipeline + one("first", first, firstAdapter, 1) + one("second", second, secondAdapter, 2)
}

// told is a stream as a client of Anthropic's takes it: strictly.
type told struct {
	text     string
	stop     string
	fault    string
	finished bool
}

func readMessageStream(t *testing.T, stream []byte) told {
	t.Helper()
	var s told
	open := map[int]bool{}
	started := false
	for frame := range strings.SplitSeq(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		if strings.HasPrefix(frame, ":") {
			continue
		}
		kind, data, ok := strings.Cut(strings.TrimPrefix(frame, "event: "), "\ndata: ")
		var e struct {
			Type  string
			Index int
			Delta struct {
				Text       string
				StopReason string `json:"stop_reason"`
			}
			Error *struct{ Type, Message string }
		}
		if !ok || json.Unmarshal([]byte(data), &e) != nil || e.Type != kind {
			t.Fatalf("a broken event: %q in %s", frame, stream)
		}
		switch {
		case s.finished || s.fault != "":
			t.Fatalf("after the end comes %q in %s", frame, stream)
		case kind == "message_start":
			if started {
				t.Fatalf("a second start in %s", stream)
			}
			started = true
		case !started && kind != "error":
			t.Fatalf("%q before the start", frame)
		case kind == "content_block_start":
			if e.Index != len(open) {
				t.Fatalf("block %d is the %d. one in %s", e.Index, len(open), stream)
			}
			open[e.Index] = true
		case kind == "content_block_delta":
			if !open[e.Index] {
				t.Fatalf("a piece of the closed block %d in %s", e.Index, stream)
			}
			s.text += e.Delta.Text
		case kind == "content_block_stop":
			if !open[e.Index] {
				t.Fatalf("block %d is closed twice in %s", e.Index, stream)
			}
			open[e.Index] = false
		case kind == "message_delta":
			s.stop = e.Delta.StopReason
		case kind == "message_stop":
			s.finished = true
		case kind == "error":
			s.fault = e.Error.Type
		}
	}
	return s
}

func (r *router) messageStream(t *testing.T) (told, *http.Response) {
	t.Helper()
	body := `{"model":"m","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"tell me"}]}`
	resp, b, err := r.post(t.Context(), "/messages", []byte(body), "anthropic-version", wall.FirstVersion)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, b)
	}
	return readMessageStream(t, b), resp
}

// Before the first word, whatever goes wrong at a channel of one format is made
// good by one of the other.
func TestFailoverFromOneFormatToAnother(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		first, second string
		fault         wall.Fault
	}{
		{name: "overloaded Anthropic", first: "anthropic", second: "openai", fault: wall.Status(529)},
		{name: "Anthropic reset in its start", first: "anthropic", second: "openai", fault: wall.ResetAfter(2)},
		{name: "an error for a first event", first: "anthropic", second: "openai", fault: wall.ErrorAfter(0)},
		{name: "throttled Bedrock", first: "bedrock", second: "anthropic", fault: wall.Status(429)},
		{name: "Bedrock reset in its start", first: "bedrock", second: "openai", fault: wall.ResetAfter(1)},
		{name: "an exception for a first event", first: "bedrock", second: "openai", fault: wall.ErrorAfter(0)},
		{name: "an error for a first line", first: "ollama", second: "cohere", fault: wall.ErrorAfter(0)},
		{name: "Cohere reset behind its start", first: "cohere", second: "openai", fault: wall.ResetAfter(1)},
		{name: "overloaded Cohere", first: "cohere", second: "ollama", fault: wall.Status(503)},
		{name: "broken Anthropic", first: "anthropic", second: "bedrock", fault: wall.Status(500)},
		{name: "overloaded Gemini", first: "gemini", second: "anthropic", fault: wall.Status(503)},
		{name: "Gemini reset in its start", first: "gemini", second: "openai", fault: wall.ResetAfter(0)},
		{name: "Gemini's error for a first event", first: "gemini", second: "openai", fault: wall.ErrorAfter(0)},
		{name: "broken Anthropic, Gemini behind it", first: "anthropic", second: "gemini", fault: wall.Status(500)},
		{name: "broken OpenAI", first: "openai", second: "anthropic", fault: wall.Status(500)},
		{name: "OpenAI reset behind the role", first: "openai", second: "anthropic", fault: wall.ResetAfter(1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			options := []wall.Option{wall.Key(formatsKey), wall.Models("m"), wall.Answer(sixty)}
			bad := wall.Start(t, append(options, wall.Faults(tc.fault.ForModel("m")))...)
			good := wall.Start(t, options...)
			r := startRouter(t, mixed(bad, good, tc.first, tc.second, listen))
			s, resp := r.messageStream(t)
			if !s.finished || s.text != sixty || s.stop != "end_turn" {
				t.Errorf("a client of Anthropic's has %+v", s)
			}
			if c := resp.Header.Get("X-Smartrouter-Channel"); c != "second" {
				t.Errorf("the channel %s answered", c)
			}
			if c, err := r.open(t.Context(), "m", "tell me", nil); err != nil || c.text != sixty {
				t.Errorf("a client of OpenAI's has %+v, %v", c, err)
			}
		})
	}
}

// A stream that began in one format and broke off goes on in another, and the
// client sees one stream in its own.
func TestRescueAcrossFormats(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ first, second string }{
		{"anthropic", "openai"}, {"openai", "anthropic"}, {"anthropic", "anthropic"}, {"bedrock", "openai"}, {"anthropic", "bedrock"},
		{"gemini", "openai"}, {"openai", "gemini"}, {"gemini", "gemini"},
		{"ollama", "cohere"}, {"cohere", "anthropic"}, {"openai", "ollama"},
	} {
		t.Run(tc.first+" to "+tc.second, func(t *testing.T) {
			t.Parallel()
			options := []wall.Option{wall.Key(formatsKey), wall.Models("m"), wall.Answer(sixty), wall.Pace(time.Millisecond)}
			bad := wall.Start(t, append(options, wall.Faults(wall.ResetAfter(3+40).ForModel("m")))...)
			good := wall.Start(t, options...)
			r := startRouter(t, mixed(bad, good, tc.first, tc.second, rescuing("verify")))
			wait(t, "a stream was cut and rescued", func() bool {
				if s, _ := r.messageStream(t); !s.finished || s.text != sixty || s.stop != "end_turn" {
					t.Fatalf("a client of Anthropic's has %+v", s)
				}
				if s, err := r.open(t.Context(), "m", "tell me", nil); err != nil || s.text != sixty {
					t.Fatalf("a client of OpenAI's has %+v, %v", s, err)
				}
				return r.metric("smartrouter_rescues_total", `result="rescued"`) > 0
			})
		})
	}
}

// What breaks off and is not rescued ends with an error in the client's format.
func TestAStreamThatBreaksOffEndsWithAnErrorOfTheClientsFormat(t *testing.T) {
	t.Parallel()
	for _, adapter := range []string{"anthropic", "openai", "bedrock", "gemini"} {
		t.Run(adapter, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(formatsKey), wall.Models("m"), wall.Answer(sixty), wall.Faults(wall.CloseAfter(3+10).ForModel("m")))
			r := startRouter(t, mixed(w, w, adapter, adapter, listen))
			if s, _ := r.messageStream(t); s.finished || s.fault != "api_error" || s.text == "" {
				t.Errorf("a client of Anthropic's has %+v", s)
			}
			if s, err := r.open(t.Context(), "m", "tell me", nil); err != nil || s.fault == "" || s.text == "" {
				t.Errorf("a client of OpenAI's has %+v, %v", s, err)
			}
		})
	}
}

// An answer is kept in the client's format, and given both whole and streamed.
func TestAnswersInAnthropicsFormatAreCached(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(formatsKey), wall.Models("m"), wall.Answer("An answer to keep."))
	r := startRouter(t, mixed(w, w, "openai", "anthropic", answersPipeline(`ttl = "10m"`)+listen))
	body := `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`
	first, _ := r.message(t, body)
	again, resp := r.message(t, body)
	if resp.Header.Get("X-Cache") != "hit" || len(again.Content) != 1 || again.Content[0].Text != first.Content[0].Text {
		t.Errorf("x-cache %q: %+v", resp.Header.Get("X-Cache"), again)
	}
	resp, b, err := r.post(t.Context(), "/messages", []byte(strings.Replace(body, `"max_tokens"`, `"stream":true,"max_tokens"`, 1)), "anthropic-version", wall.FirstVersion)
	if err != nil {
		t.Fatal(err)
	}
	if s := readMessageStream(t, b); resp.Header.Get("X-Cache") != "hit" || s.text != "An answer to keep." || !s.finished {
		t.Errorf("x-cache %q: %+v", resp.Header.Get("X-Cache"), s)
	}
	chat, _, err := r.post(t.Context(), "/chat/completions", []byte(body))
	if err != nil || chat.Header.Get("X-Cache") != "miss" {
		t.Errorf("the same body in OpenAI's format is a %s, %v", chat.Header.Get("X-Cache"), err)
	}
}

// What the channel's version does not take is left out, and the client is told.
func TestTheLatestVersionTakesNoTemperature(t *testing.T) {
	t.Parallel()
	w := formatsWall(t)
	r := startRouter(t, listen+formatChannels(w))
	body := `{"model":"claude-opus-5","temperature":0.5,"top_k":3,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`
	for _, path := range []string{"/messages", "/chat/completions"} {
		resp, b, err := r.post(t.Context(), path, []byte(body), "anthropic-version", wall.FirstVersion)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %s", path, err, b)
		}
		if w := strings.Join(resp.Header.Values("Warning"), " "); !strings.Contains(w, "temperature") || !strings.Contains(w, "top_k") {
			t.Errorf("%s: warnings %q", path, w)
		}
	}
}

// A talk that had an answer of another format in it goes on at Anthropic, which
// refuses thoughts that it has not signed.
func TestATalkGoesOnAtAnthropic(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	m, resp := r.message(t, `{"model":"claude-sonnet-5","max_tokens":100,"messages":[{"role":"user","content":"Hello"},`+
		`{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":""},{"type":"text","text":"Hi."}]},{"role":"user","content":"And?"}]}`)
	if resp.StatusCode != http.StatusOK || len(m.Content) != 1 || m.Content[0].Text != "You said: And?" {
		t.Errorf("%s: %+v", resp.Status, m)
	}
}
