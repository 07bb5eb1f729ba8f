// Package golang drives an OpenAI endpoint with the official Go client, as its users would.
//
//	golang.go     what is asked for, and of which models
//	chat.go       chat: whole, streamed, tools, JSON, vision, unknown fields
//	responses.go  the responses endpoint
//	endpoints.go  models, completions, embeddings, images, audio, moderation
//	errors.go     statuses and codes; a client that leaves
//
// It asks the same of an endpoint as the JavaScript programs beside it.
package golang

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/respjson"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"
)

// Models are the names that the tests ask for. Its JSON is the MODELS variable of the JavaScript programs.
type Models struct {
	Chat          string `json:"chat"`
	Completion    string `json:"completion"`
	Embedding     string `json:"embedding"`
	Image         string `json:"image"`
	Speech        string `json:"speech"`
	Transcription string `json:"transcription"`
	Moderation    string `json:"moderation"`
	Rerank        string `json:"rerank"`

	Silent   string         `json:"silent"`   // never answers
	Stalling string         `json:"stalling"` // stops after a few words
	Missing  string         `json:"missing"`  // is not served
	Failing  map[int]string `json:"failing"`  // by the status that it fails with
}

// patience is how long a test waits for what comes at once, or never.
const patience = time.Minute

// suite is one run against one endpoint, which must check keys.
type suite struct {
	base   string
	client openai.Client
	models Models
}

// Run makes subtests of t.
func Run(t *testing.T, baseURL, apiKey string, models Models) {
	s := &suite{base: baseURL, models: models}
	s.client = s.connect(apiKey)
	for _, group := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"chat", s.chat},
		{"tools", s.tools},
		{"json", s.json},
		{"responses", s.responses},
		{"endpoints", s.endpoints},
		{"errors", s.errors},
		{"abort", s.abort},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t)
		})
	}
}

func (s *suite) connect(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.base), option.WithAPIKey(key), option.WithMaxRetries(0))
}

// ask is a chat request of one user message.
func (s *suite) ask(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    s.models.Chat,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
	}
}

var weather = shared.FunctionDefinitionParam{
	Name: "get_weather",
	Parameters: shared.FunctionParameters{
		"type":       "object",
		"properties": map[string]any{"city": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer"}},
		"required":   []string{"city", "days"}, "additionalProperties": false,
	},
}

var clock = shared.FunctionDefinitionParam{
	Name: "get_time",
	Parameters: shared.FunctionParameters{
		"type": "object", "properties": map[string]any{"zone": map[string]any{"type": "string", "enum": []string{"utc", "local"}}},
		"required": []string{"zone"}, "additionalProperties": false,
	},
}

var city = map[string]any{
	"type":       "object",
	"properties": map[string]any{"name": map[string]any{"type": "string"}, "people": map[string]any{"type": "integer"}},
	"required":   []string{"name", "people"}, "additionalProperties": false,
}

// isCity checks an answer that has to fit the schema above.
func isCity(t *testing.T, text string) {
	t.Helper()
	var got struct {
		Name   *string
		People *int
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Name == nil || got.People == nil {
		t.Errorf("no city: %q %v", text, err)
	}
}

// limited is the context of one test.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// collect reads a stream to its end.
func collect[T any](t *testing.T, stream *ssestream.Stream[T]) []T {
	t.Helper()
	defer stream.Close()
	var all []T
	for stream.Next() {
		all = append(all, stream.Current())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// unknown is a request field that no specification has; echoed is what came back of it.
var unknown = option.WithJSONSet("x_unknown", json.RawMessage(echo))

const echo = `{"deep":[1,null,"a"]}`

func echoed(t *testing.T, extra map[string]respjson.Field) {
	t.Helper()
	if got, want := extra["x_echo"].Raw(), `{"x_unknown":`+echo+`}`; got != want {
		t.Errorf("unknown fields came back as %q, want %s", got, want)
	}
}
