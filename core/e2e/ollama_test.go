package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// ollamaRouter is a router with one channel, by Ollama's own API.
func ollamaRouter(t *testing.T, w *wall.Wall, more string) *router {
	t.Helper()
	return startRouter(t, listen+more+fmt.Sprintf(`
channel "llama" {
  provider = provider.ollama-native
  base_url = %q
  api_key  = %q
  settings = { keep_alive = "30m" }
}
`, w.URL(), formatsKey))
}

func ollamaWall(t *testing.T, options ...wall.Option) *wall.Wall {
	return wall.Start(t, append([]wall.Option{wall.Key(formatsKey), wall.Models(wall.OllamaModel)}, options...)...)
}

// lists waits until the router knows a model from its provider's list.
func (r *router) lists(t *testing.T, model string) {
	t.Helper()
	wait(t, "the model is listed", func() bool {
		resp, err := clients.Get(r.URL + "/models")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && strings.Contains(string(body), model)
	})
}

// The models are those that Ollama lists, and what Ollama alone has reaches it.
func TestOllamaIsAskedInItsOwnWords(t *testing.T) {
	t.Parallel()
	w := ollamaWall(t)
	r := ollamaRouter(t, w, "")
	r.lists(t, wall.OllamaModel)
	resp, b, err := r.post(t.Context(), "/chat/completions", []byte(`{"model":"llama3.2","messages":[{"role":"user","content":"Hello"}],"options":{"num_ctx":4096},"logprobs":true}`))
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "You said: Hello") || !strings.Contains(string(b), `"logprob":-0.25`) {
		t.Fatalf("%v %s", err, b)
	}
	seen := w.Requests()
	last := seen[len(seen)-1]
	var q struct {
		KeepAlive string `json:"keep_alive"`
		Options   struct {
			NumCtx int `json:"num_ctx"`
		}
	}
	if err := json.Unmarshal(last.Body, &q); err != nil || last.Path != "/api/chat" || q.KeepAlive != "30m" || q.Options.NumCtx != 4096 {
		t.Errorf("%s got %s", last.Path, last.Body)
	}
}

// Ollama takes no URLs: the router fetches the image, unless it is where a client
// may not reach.
func TestAnImageByURLReachesOllama(t *testing.T) {
	t.Parallel()
	pictures := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "image/png")
		rw.Write([]byte("\x89PNG\r\n\x1a\n"))
	}))
	t.Cleanup(pictures.Close)
	body := []byte(`{"model":"llama3.2","messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"` + pictures.URL + `/a.png"}}]}]}`)
	w := ollamaWall(t)
	for config, want := range map[string]struct {
		status int
		says   string
	}{
		`fetch { hosts = ["127.0.0.1"] }`: {http.StatusOK, "I see 1 image."},
		``:                                {http.StatusBadRequest, "not public"},
		`fetch { enabled = false }`:       {http.StatusBadRequest, "fetches nothing"},
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			r := ollamaRouter(t, w, config)
			r.lists(t, wall.OllamaModel)
			resp, b, err := r.post(t.Context(), "/chat/completions", body)
			if err != nil || resp.StatusCode != want.status || !strings.Contains(string(b), want.says) {
				t.Errorf("%v %d: %s", err, resp.StatusCode, b)
			}
		})
	}
}

func TestEmbeddingsReachOllama(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	ask := openai.EmbeddingNewParams{
		Model: wall.OllamaModel, Dimensions: openai.Int(4),
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	}
	answer, err := client.Embeddings.New(t.Context(), ask)
	if err != nil || len(answer.Data) != 2 || len(answer.Data[1].Embedding) != 4 || answer.Data[1].Index != 1 || answer.Usage.TotalTokens == 0 {
		t.Errorf("%v: %+v", err, answer)
	}
	ask.Input = openai.EmbeddingNewParamsInputUnion{OfArrayOfTokens: []int64{1, 2}}
	if _, err = client.Embeddings.New(t.Context(), ask); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("tokens: %v", err)
	}
}

// What breaks off at Ollama is ended for the client in its own format.
func TestAnErrorInTheMiddleOfOllamasStream(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t, wall.Answer(sixty), wall.Faults(wall.ErrorAfter(10).ForModel(wall.OllamaModel)))))
	s, err := r.open(t.Context(), wall.OllamaModel, "tell me", nil)
	if err != nil || s.text == "" || s.fault == "" {
		t.Errorf("%v: %+v", err, s)
	}
}
