package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// The official Go client, of the first version of the API, to each format.
func TestAnthropicsGoClientReachesEachFormat(t *testing.T) {
	t.Parallel()
	r := startRouter(t, listen+formatChannels(formatsWall(t)))
	client := anthropic.NewClient(
		option.WithBaseURL(strings.TrimSuffix(r.URL, "/v1")), option.WithAPIKey("any"), option.WithMaxRetries(0),
	)
	for _, model := range formatModels {
		t.Run(model, func(t *testing.T) {
			ask := anthropic.MessageNewParams{
				Model: model, MaxTokens: 200, System: []anthropic.TextBlockParam{{Text: "Be kind."}},
				Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello there"))},
			}
			whole, err := client.Messages.New(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if whole.Content[0].Text != "You said: hello there" || whole.StopReason != anthropic.StopReasonEndTurn || whole.Usage.InputTokens == 0 {
				t.Errorf("got %s", whole.RawJSON())
			}

			ask.Tools = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(
				anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}, Required: []string{"city"}}, "weather")}
			stream := client.Messages.NewStreaming(t.Context(), ask)
			var m anthropic.Message
			for stream.Next() {
				if err := m.Accumulate(stream.Current()); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			last := m.Content[len(m.Content)-1]
			if m.StopReason != anthropic.StopReasonToolUse || last.Name != "weather" || !json.Valid(last.Input) {
				t.Fatalf("got %+v", m)
			}
			ask.Messages = append(ask.Messages, m.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(last.ID, "sunny", false)))
			second, err := client.Messages.New(t.Context(), ask)
			if err != nil || !strings.Contains(second.Content[0].Text, "sunny") {
				t.Errorf("%v: %+v", err, second)
			}

			_, err = client.Messages.New(t.Context(), anthropic.MessageNewParams{Model: model, MaxTokens: 200})
			var refused *anthropic.Error
			if !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest || !strings.Contains(refused.RawJSON(), `"invalid_request_error"`) {
				t.Errorf("no messages: %v", err)
			}

			n, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{
				Model: model, Messages: ask.Messages[:1],
			})
			if err != nil || n.InputTokens == 0 {
				t.Errorf("%v: %+v", err, n)
			}
		})
	}

	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(t.Context(), anthropic.ModelListParams{})
		if err != nil || len(page.Data) != len(formatModels) || page.Data[0].ID == "" || page.Data[0].DisplayName == "" || page.Data[0].CreatedAt.IsZero() {
			t.Errorf("%v: %s", err, page.RawJSON())
		}
		one, err := client.Models.Get(t.Context(), wall.ClaudeModel, anthropic.ModelGetParams{})
		if err != nil || one.ID != wall.ClaudeModel {
			t.Errorf("%v: %+v", err, one)
		}
	})

	t.Run("a model that nobody has", func(t *testing.T) {
		_, err := client.Messages.New(t.Context(), anthropic.MessageNewParams{
			Model: "no-such-model", MaxTokens: 1, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("x"))},
		})
		var fault *anthropic.Error
		if !errors.As(err, &fault) || fault.StatusCode != http.StatusNotFound || !strings.Contains(fault.RawJSON(), `"not_found_error"`) || fault.RequestID == "" {
			t.Errorf("got %v", err)
		}
	})
}
