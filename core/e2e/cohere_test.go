package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

func TestEmbeddingsReachCohere(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	ask := openai.EmbeddingNewParams{
		Model: wall.CohereModel, Dimensions: openai.Int(4),
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	}
	answer, err := client.Embeddings.New(t.Context(), ask)
	if err != nil || len(answer.Data) != 2 || len(answer.Data[1].Embedding) != 4 || answer.Usage.TotalTokens == 0 || answer.Model != wall.CohereModel {
		t.Errorf("%v: %+v", err, answer)
	}
}

func TestRerankReachesCohere(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	resp, b, err := r.post(t.Context(), "/rerank", []byte(`{"model":"command-a-03-2025","query":"red","documents":["a blue car",{"text":"a red car"}],"top_n":1,"return_documents":true}`))
	var a struct {
		Model   string
		Results []struct {
			Index    int
			Document struct{ Text string }
		}
	}
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(b, &a) != nil || len(a.Results) != 1 || a.Results[0].Index != 1 || a.Results[0].Document.Text != "a red car" {
		t.Errorf("%v: %s", err, b)
	}
}

// What no provider of the model has is refused in clear words.
func TestAnEndpointThatCohereDoesNotHave(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	for path, body := range map[string]string{
		"/audio/speech":       `{"model":"command-a-03-2025","input":"x","voice":"v"}`,
		"/images/generations": `{"model":"command-a-03-2025","prompt":"x"}`,
	} {
		resp, b, err := r.post(t.Context(), path, []byte(body))
		if err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(b), "offers this endpoint") {
			t.Errorf("%s: %v %d %s", path, err, resp.StatusCode, b)
		}
	}
}

func TestAnErrorInTheMiddleOfCoheresStream(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t, wall.Answer(sixty), wall.Faults(wall.ErrorAfter(10).ForModel(wall.CohereModel)))))
	s, err := r.open(t.Context(), wall.CohereModel, "tell me", nil)
	if err != nil || s.text == "" || s.fault == "" {
		t.Errorf("%v: %+v", err, s)
	}
}
