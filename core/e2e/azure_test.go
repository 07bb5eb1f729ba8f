package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// azureChannel is a channel at the resource of a wall.
func azureChannel(name string, w *wall.Wall, rest ...string) string {
	return fmt.Sprintf(`
channel %q {
  provider = provider.azure-openai
  base_url = %q
  api_key  = %q
  %s
}
`, name, strings.TrimSuffix(w.URL(), "/v1"), formatsKey, strings.Join(rest, "\n  "))
}

// atAzure is a router with channels at one resource: by each of Azure's APIs, by a
// token, and one with a model that has no deployment.
func atAzure(t *testing.T, w *wall.Wall) *router {
	t.Helper()
	const dated = `settings = { api_version = "2024-10-21" }`
	return startRouter(t, listen+
		azureChannel("v1", w, `models = ["latest", "embedding"]`, `aliases = { latest = "my-gpt", embedding = "my-embedding" }`)+
		azureChannel("dated", w, dated, `models = ["older", "older-embedding", "picture", "sound"]`,
			`aliases = { older = "my-gpt", older-embedding = "my-embedding", picture = "my-image", sound = "my-sound" }`)+
		azureChannel("entra", w, `settings = { api_version = "2024-10-21", auth = "bearer" }`, `models = ["by-token"]`, `aliases = { by-token = "my-gpt" }`)+
		azureChannel("undeployed", w, dated, `models = ["gone"]`))
}

func azureWall(t *testing.T) *wall.Wall {
	return wall.Start(t, wall.Key(formatsKey), wall.Models("my-gpt", "my-embedding", "my-image", "my-sound"))
}

// Clients of each format reach both of Azure's APIs, whose first event names nothing.
func TestEachFormatReachesAzure(t *testing.T) {
	t.Parallel()
	r := atAzure(t, azureWall(t))
	for name, client := range reach {
		for _, model := range []string{"latest", "older", "by-token"} {
			t.Run(name+" to "+model, func(t *testing.T) {
				t.Parallel()
				for _, stream := range []bool{false, true} {
					if said := client(t, r, model, stream); said != "You said: Hello" {
						t.Errorf("streamed %v it says %q", stream, said)
					}
				}
			})
		}
	}
}

// What Azure says beside OpenAI's fields reaches a client of OpenAI's untouched.
func TestAzuresFilterResultsPass(t *testing.T) {
	t.Parallel()
	r := atAzure(t, azureWall(t))
	_, b, err := r.post(t.Context(), "/chat/completions", chatBody("older", true, "Hello"))
	if first, _, _ := strings.Cut(string(b), "\n\n"); err != nil || !strings.Contains(first, `"choices":[]`) || !strings.Contains(first, `"prompt_filter_results":[{`) {
		t.Errorf("%v: the first event is %s", err, first)
	}
	// A translated stream takes its names from the first event that has any.
	_, b, err = r.post(t.Context(), "/messages", []byte(`{"model":"older","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`), "anthropic-version", wall.FirstVersion)
	if err != nil || !strings.Contains(string(b), `"model":"my-gpt"`) || strings.Contains(string(b), `"id":"msg_"`) {
		t.Errorf("%v: %s", err, b)
	}
}

func TestAzuresErrorsAreWhatTheyMean(t *testing.T) {
	t.Parallel()
	r := atAzure(t, azureWall(t))
	for _, stream := range []bool{false, true} {
		resp, b, err := r.post(t.Context(), "/chat/completions", chatBody("older", stream, wall.Filtered))
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), `"code":"content_filter"`) {
			t.Errorf("%v %s: %s", err, resp.Status, b)
		}
	}
	resp, b, err := r.post(t.Context(), "/chat/completions", chatBody("gone", false, "Hello"))
	if err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(b), "deployment") {
		t.Errorf("%v %s: %s", err, resp.Status, b)
	}
}

// The endpoints beside chat are at Azure's addresses too.
func TestAzuresOtherEndpoints(t *testing.T) {
	t.Parallel()
	w := azureWall(t)
	r := atAzure(t, w)
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	for _, model := range []string{"embedding", "older-embedding"} {
		a, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")}})
		if err != nil || len(a.Data) != 1 {
			t.Errorf("%s: %v", model, err)
		}
	}
	stream := client.Chat.Completions.NewStreaming(t.Context(), openai.ChatCompletionNewParams{
		Model: "older", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
	})
	var whole openai.ChatCompletionAccumulator
	for stream.Next() {
		whole.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil || len(whole.Choices) != 1 || whole.Choices[0].Message.Content != "You said: Hello" {
		t.Errorf("chat: %v, %+v", err, whole.Choices)
	}
	if a, err := client.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "picture", Prompt: "a cat"}); err != nil || len(a.Data) != 1 {
		t.Errorf("images: %v", err)
	}
	if a, err := client.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: "sound", File: strings.NewReader("RIFF")}); err != nil || a.Text == "" {
		t.Errorf("transcriptions: %v", err)
	}
	if a, err := client.Responses.New(t.Context(), responses.ResponseNewParams{Model: "latest", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello")}}); err != nil || a.OutputText() != "You said: Hello" {
		t.Errorf("responses: %v", err)
	}
	paths := map[string]bool{}
	for _, seen := range w.Requests() {
		paths[seen.Path] = true
	}
	for _, path := range []string{
		"/openai/v1/embeddings", "/openai/deployments/my-embedding/embeddings", "/openai/deployments/my-image/images/generations",
		"/openai/deployments/my-sound/audio/transcriptions", "/openai/v1/responses",
	} {
		if !paths[path] {
			t.Errorf("nothing was asked at %s of %v", path, paths)
		}
	}
}
