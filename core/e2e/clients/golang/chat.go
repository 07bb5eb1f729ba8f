package golang

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

func (s *suite) chat(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		var raw *http.Response
		answer, err := s.client.Chat.Completions.New(limited(t), s.ask("hello there"), unknown, option.WithResponseInto(&raw))
		if err != nil {
			t.Fatal(err)
		}
		choice := answer.Choices[0]
		if answer.Model != s.models.Chat || !strings.Contains(choice.Message.Content, "hello there") || choice.FinishReason != "stop" {
			t.Errorf("got %s", answer.RawJSON())
		}
		if u := answer.Usage; u.TotalTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
			t.Errorf("usage %s", u.RawJSON())
		}
		echoed(t, answer.JSON.ExtraFields)
		if raw.Header.Get("X-Request-Id") == "" || !strings.HasPrefix(raw.Header.Get("Content-Type"), "application/json") {
			t.Errorf("headers %v", raw.Header)
		}
	})

	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		request := s.ask("hello there")
		request.StreamOptions.IncludeUsage = openai.Bool(true)
		chunks := collect(t, s.client.Chat.Completions.NewStreaming(limited(t), request, unknown))
		all := openai.ChatCompletionAccumulator{}
		for _, chunk := range chunks {
			if !all.AddChunk(chunk) {
				t.Fatalf("does not fit: %s", chunk.RawJSON())
			}
		}
		if len(chunks) < 5 || !strings.Contains(all.Choices[0].Message.Content, "hello there") || all.Choices[0].FinishReason != "stop" {
			t.Errorf("%d chunks: %+v", len(chunks), all.Choices)
		}
		if last := chunks[len(chunks)-1]; len(last.Choices) != 0 || last.Usage.TotalTokens == 0 {
			t.Errorf("last chunk %s", last.RawJSON())
		}
		echoed(t, chunks[0].JSON.ExtraFields)
	})

	t.Run("stream without usage", func(t *testing.T) {
		t.Parallel()
		for _, chunk := range collect(t, s.client.Chat.Completions.NewStreaming(limited(t), s.ask("hello"))) {
			if chunk.JSON.Usage.Valid() || len(chunk.Choices) != 1 {
				t.Errorf("unasked: %s", chunk.RawJSON())
			}
		}
	})

	t.Run("n, stop and log probabilities", func(t *testing.T) {
		t.Parallel()
		request := s.ask("one two three")
		request.N, request.Logprobs, request.TopLogprobs = openai.Int(2), openai.Bool(true), openai.Int(1)
		request.Stop.OfStringArray = []string{" three"}
		answer, err := s.client.Chat.Completions.New(limited(t), request)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Choices) != 2 || !strings.HasSuffix(answer.Choices[1].Message.Content, "one two") || len(answer.Choices[0].Logprobs.Content[0].TopLogprobs) != 1 {
			t.Errorf("got %s", answer.RawJSON())
		}
	})

	t.Run("vision", func(t *testing.T) {
		t.Parallel()
		picture := openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64,iVBORw0KGgo="})
		request := s.ask("")
		request.Messages[0] = openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("what?"), picture, picture})
		answer, err := s.client.Chat.Completions.New(limited(t), request)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(answer.Choices[0].Message.Content, "2 images") {
			t.Errorf("got %s", answer.RawJSON())
		}
	})
}

func (s *suite) tools(t *testing.T) {
	request := s.ask("weather and time?")
	request.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(weather), openai.ChatCompletionFunctionTool(clock)}

	check := func(t *testing.T, choice openai.ChatCompletionChoice) {
		t.Helper()
		calls := choice.Message.ToolCalls
		if len(calls) != 2 || choice.FinishReason != "tool_calls" || calls[0].ID == calls[1].ID {
			t.Fatalf("got %+v", choice)
		}
		var input struct {
			City *string
			Days *int
		}
		if err := json.Unmarshal([]byte(calls[0].Function.Arguments), &input); err != nil || input.City == nil || input.Days == nil {
			t.Errorf("arguments %q: %v", calls[0].Function.Arguments, err)
		}
		if f := calls[1].Function; f.Name != "get_time" || f.Arguments != `{"zone":"utc"}` {
			t.Errorf("second call %+v", f)
		}
	}

	t.Run("whole, and their results", func(t *testing.T) {
		t.Parallel()
		answer, err := s.client.Chat.Completions.New(limited(t), request)
		if err != nil {
			t.Fatal(err)
		}
		check(t, answer.Choices[0])
		next := request
		message := answer.Choices[0].Message
		next.Messages = append(next.Messages[:1:1], message.ToParam(), openai.ToolMessage("sunny", message.ToolCalls[0].ID), openai.ToolMessage("noon", message.ToolCalls[1].ID))
		if answer, err = s.client.Chat.Completions.New(limited(t), next); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(answer.Choices[0].Message.Content, "sunny; noon") {
			t.Errorf("got %s", answer.RawJSON())
		}
	})

	t.Run("streamed", func(t *testing.T) {
		t.Parallel()
		all, pieces := openai.ChatCompletionAccumulator{}, 0
		for _, chunk := range collect(t, s.client.Chat.Completions.NewStreaming(limited(t), request)) {
			if !all.AddChunk(chunk) {
				t.Fatalf("does not fit: %s", chunk.RawJSON())
			}
			pieces += len(chunk.Choices[0].Delta.ToolCalls)
		}
		if pieces < 5 {
			t.Errorf("arguments came in %d pieces", pieces)
		}
		check(t, all.Choices[0])
	})

	t.Run("chosen", func(t *testing.T) {
		t.Parallel()
		chosen := request
		chosen.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_time"})
		answer, err := s.client.Chat.Completions.New(limited(t), chosen)
		if err != nil {
			t.Fatal(err)
		}
		if calls := answer.Choices[0].Message.ToolCalls; len(calls) != 1 || calls[0].Function.Name != "get_time" {
			t.Errorf("got %s", answer.RawJSON())
		}
	})
}

func (s *suite) json(t *testing.T) {
	request := s.ask("a city")
	request.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Schema: city, Strict: openai.Bool(true)},
	}

	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		answer, err := s.client.Chat.Completions.New(limited(t), request)
		if err != nil {
			t.Fatal(err)
		}
		isCity(t, answer.Choices[0].Message.Content)
	})

	t.Run("streamed", func(t *testing.T) {
		t.Parallel()
		var text strings.Builder
		for _, chunk := range collect(t, s.client.Chat.Completions.NewStreaming(limited(t), request)) {
			text.WriteString(chunk.Choices[0].Delta.Content)
		}
		isCity(t, text.String())
	})
}
