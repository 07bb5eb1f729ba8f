package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// The official Go client of OpenAI's, to each format.
func TestOpenAIsGoClientReachesEachFormat(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	weather := openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "weather", Parameters: shared.FunctionParameters{
		"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"},
	}})
	for _, model := range formatModels {
		t.Run(model, func(t *testing.T) {
			ask := openai.ChatCompletionNewParams{Model: model, MaxCompletionTokens: openai.Int(200), Messages: []openai.ChatCompletionMessageParamUnion{
				openai.SystemMessage("Be kind."), openai.UserMessage("hello there"),
			}}
			whole, err := client.Chat.Completions.New(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			choice := whole.Choices[0]
			if choice.Message.Content != "You said: hello there" || choice.FinishReason != "stop" || whole.Usage.TotalTokens == 0 || whole.ID == "" {
				t.Errorf("got %s", whole.RawJSON())
			}

			ask.Tools = []openai.ChatCompletionToolUnionParam{weather}
			ask.StreamOptions.IncludeUsage = openai.Bool(true)
			stream := client.Chat.Completions.NewStreaming(t.Context(), ask)
			var all openai.ChatCompletionAccumulator
			for stream.Next() {
				if !all.AddChunk(stream.Current()) {
					t.Fatalf("does not fit: %s", stream.Current().RawJSON())
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			said := all.Choices[0]
			if said.FinishReason != "tool_calls" || len(said.Message.ToolCalls) != 1 || all.Usage.TotalTokens == 0 {
				t.Fatalf("got %+v", all.ChatCompletion)
			}
			call := said.Message.ToolCalls[0]
			if call.Function.Name != "weather" || !json.Valid([]byte(call.Function.Arguments)) {
				t.Errorf("called %+v", call)
			}
			ask.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
			ask.Messages = append(ask.Messages, said.Message.ToParam(), openai.ToolMessage("sunny", call.ID))
			second, err := client.Chat.Completions.New(t.Context(), ask)
			if err != nil || !strings.Contains(second.Choices[0].Message.Content, "sunny") {
				t.Errorf("%v: %+v", err, second)
			}

			_, err = client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: model})
			var refused *openai.Error
			if !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest || refused.Type != "invalid_request_error" || refused.Message == "" {
				t.Errorf("no messages: %v", err)
			} else if refused.Param != "messages" {
				t.Errorf("no messages: %s", refused.RawJSON())
			}
		})
	}
}
