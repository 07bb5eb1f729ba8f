package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/wire/formats"
)

// Clients of responses reach channels that have none, and clients of the other
// formats reach a channel that has nothing else.
func TestResponsesAreTranslated(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t), chatOnly))
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	weather := responses.ToolParamOfFunction("weather", map[string]any{
		"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"},
	}, false)
	for _, model := range []string{wall.ChatModel, wall.ClaudeModel} {
		t.Run(model, func(t *testing.T) {
			ask := responses.ResponseNewParams{
				Model: model, Instructions: openai.String("Be kind."),
				Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello there")},
			}
			whole, err := client.Responses.New(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if whole.OutputText() != "You said: hello there" || whole.Status != "completed" || whole.Usage.TotalTokens == 0 || !strings.HasPrefix(whole.ID, "resp_") {
				t.Errorf("got %s", whole.RawJSON())
			}

			stream := client.Responses.NewStreaming(t.Context(), ask)
			said, kinds := "", []string{}
			var sequence int64
			for stream.Next() {
				e := stream.Current()
				if e.SequenceNumber != sequence {
					t.Errorf("event %d has the number %d", sequence, e.SequenceNumber)
				}
				sequence++
				kinds = append(kinds, e.Type)
				if e.Type == "response.output_text.delta" {
					said += e.Delta
				}
				if e.Type == "response.completed" && (e.Response.OutputText() != said || e.Response.Usage.TotalTokens == 0) {
					t.Errorf("completed with %s after %q", e.Response.RawJSON(), said)
				}
			}
			if err := stream.Err(); err != nil || said != "You said: hello there" || kinds[0] != "response.created" || kinds[len(kinds)-1] != "response.completed" {
				t.Errorf("%v: %q in %v", err, said, kinds)
			}

			ask.Tools = []responses.ToolUnionParam{weather}
			first, err := client.Responses.New(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			var call responses.ResponseFunctionToolCall
			for _, o := range first.Output {
				if o.Type == "function_call" {
					call = o.AsFunctionCall()
				}
			}
			if call.Name != "weather" || !json.Valid([]byte(call.Arguments)) {
				t.Fatalf("got %s", first.RawJSON())
			}
			output := responses.ResponseInputItemParamOfFunctionCallOutput("sunny")
			output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
			ask.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
				responses.ResponseInputItemParamOfMessage("weather?", responses.EasyInputMessageRoleUser),
				responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name),
				output,
			}}
			second, err := client.Responses.New(t.Context(), ask)
			if err != nil || !strings.Contains(second.OutputText(), "sunny") {
				t.Errorf("%v: %s", err, second.RawJSON())
			}
		})
	}
	t.Run("chat to responses", func(t *testing.T) {
		for _, stream := range []bool{false, true} {
			if err := r.ask(t.Context(), "gpt-new", stream, "Hello"); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("messages to responses", func(t *testing.T) {
		m, resp := r.message(t, `{"model":"gpt-new","max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`)
		if resp.StatusCode != http.StatusOK || len(m.Content) != 1 || m.Content[0].Text != "You said: Hello" {
			t.Errorf("%s: %+v", resp.Status, m)
		}
	})
	t.Run("what needs a store", func(t *testing.T) {
		resp, b, err := r.post(t.Context(), "/responses", []byte(`{"model":"gpt-4o-mini","input":"x","background":true}`))
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "background") {
			t.Errorf("%v %s: %s", err, resp.Status, b)
		}
	})
}

// reached asks in a format, whole or streamed, and returns what was said.
type reached func(t *testing.T, r *router, model string, stream bool) string

// reach has a client for each format that clients speak.
var reach = map[string]reached{
	"openai": func(t *testing.T, r *router, model string, stream bool) string {
		if stream {
			s, err := r.open(t.Context(), model, "Hello", nil)
			if err != nil {
				t.Fatal(err)
			}
			return s.text
		}
		_, b, err := r.post(t.Context(), "/chat/completions", chatBody(model, false, "Hello"))
		var a struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err != nil || json.Unmarshal(b, &a) != nil || len(a.Choices) != 1 {
			t.Fatalf("%v: %s", err, b)
		}
		return a.Choices[0].Message.Content
	},
	"responses": func(t *testing.T, r *router, model string, stream bool) string {
		client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
		ask := responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello")}}
		if !stream {
			a, err := client.Responses.New(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			return a.OutputText()
		}
		events := client.Responses.NewStreaming(t.Context(), ask)
		said := ""
		for events.Next() {
			if e := events.Current(); e.Type == "response.output_text.delta" {
				said += e.Delta
			}
		}
		if err := events.Err(); err != nil {
			t.Fatal(err)
		}
		return said
	},
	"anthropic": func(t *testing.T, r *router, model string, stream bool) string {
		body := fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`, model, stream)
		if !stream {
			m, resp := r.message(t, body)
			if len(m.Content) != 1 {
				t.Fatalf("%s: %+v", resp.Status, m)
			}
			return m.Content[0].Text
		}
		_, b, err := r.post(t.Context(), "/messages", []byte(body), "anthropic-version", wall.LatestVersion)
		if err != nil {
			t.Fatal(err)
		}
		return readMessageStream(t, b).text
	},
	"gemini": func(t *testing.T, r *router, model string, stream bool) string {
		const body = `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`
		if !stream {
			return r.generated(t, model, body).text
		}
		said := r.generatedStream(t, model, body, true)
		if array := r.generatedStream(t, model, body, false); array != said {
			t.Errorf("as events it is %+v, as an array %+v", said, array)
		}
		return said.text
	},
}

// served has a model at a channel for each format that providers speak.
var served = map[string]string{
	"openai": wall.ChatModel, "responses": "gpt-new", "anthropic": wall.ClaudeModel, "ollama": wall.OllamaModel,
	"bedrock": wall.BedrockModel,
	"cohere":  wall.CohereModel, "gemini": wall.GeminiModel,
}

// TestEachFormatReachesEach is what the matrix in docs/formats.md rests on: both
// are made of the table of formats.
func TestEachFormatReachesEach(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t), chatOnly))
	for _, in := range formats.All {
		for _, out := range formats.All {
			if in.In == nil || out.Out == nil {
				continue
			}
			t.Run(in.Name+" to "+out.Name, func(t *testing.T) {
				client, model := reach[in.Name], served[out.Name]
				if client == nil || model == "" {
					t.Fatal("there is no client, or no channel, of the format: add it to reach or served")
				}
				for _, stream := range []bool{false, true} {
					if said := client(t, r, model, stream); said != "You said: Hello" {
						t.Errorf("streamed %v it says %q", stream, said)
					}
				}
			})
		}
	}
}
