package golang

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
)

func (s *suite) responses(t *testing.T) {
	request := responses.ResponseNewParams{
		Model: s.models.Chat,
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello there")},
	}

	t.Run("whole, and what follows from it", func(t *testing.T) {
		t.Parallel()
		ctx := limited(t)
		first, err := s.client.Responses.New(ctx, request, unknown)
		if err != nil {
			t.Fatal(err)
		}
		if first.Status != "completed" || !strings.Contains(first.OutputText(), "hello there") {
			t.Errorf("got %s", first.RawJSON())
		}
		echoed(t, first.JSON.ExtraFields)
		following := request
		following.PreviousResponseID = openai.String(first.ID)
		next, err := s.client.Responses.New(ctx, following)
		if err != nil || next.PreviousResponseID != first.ID {
			t.Errorf("next: %v %+v", err, next)
		}
		if again, err := s.client.Responses.Get(ctx, first.ID, responses.ResponseGetParams{}); err != nil || again.ID != first.ID {
			t.Errorf("again: %v %+v", err, again)
		}
		if err := s.client.Responses.Delete(ctx, first.ID); err != nil {
			t.Error(err)
		}
		_, err = s.client.Responses.Get(ctx, first.ID, responses.ResponseGetParams{})
		var failed *openai.Error
		if !errors.As(err, &failed) || failed.StatusCode != http.StatusNotFound {
			t.Errorf("deleted, but %v", err)
		}
	})

	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		events := collect(t, s.client.Responses.NewStreaming(limited(t), request))
		var text strings.Builder
		for i, event := range events {
			if event.SequenceNumber != int64(i) {
				t.Errorf("event %d: %s", i, event.RawJSON())
			}
			if event.Type == "response.output_text.delta" {
				text.WriteString(event.Delta)
			}
		}
		last := events[len(events)-1]
		if events[0].Type != "response.created" || last.Type != "response.completed" || last.Response.OutputText() != text.String() || !strings.Contains(text.String(), "hello there") {
			t.Errorf("%q, then %s", text.String(), last.RawJSON())
		}
	})

	t.Run("tools", func(t *testing.T) {
		t.Parallel()
		ctx := limited(t)
		with := request
		with.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction(clock.Name, clock.Parameters, true)}
		var call responses.ResponseOutputItemUnion
		for _, event := range collect(t, s.client.Responses.NewStreaming(ctx, with)) {
			if event.Type == "response.output_item.done" {
				call = event.Item
			}
		}
		if call.Name != clock.Name || call.Arguments.OfString != `{"zone":"utc"}` {
			t.Fatalf("got %s", call.RawJSON())
		}
		output := responses.ResponseInputItemParamOfFunctionCallOutput("noon")
		output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
		with.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("time?", "user"),
			responses.ResponseInputItemParamOfFunctionCall(call.Arguments.OfString, call.CallID, call.Name),
			output,
		}}
		answer, err := s.client.Responses.New(ctx, with)
		if err != nil || !strings.Contains(answer.OutputText(), "noon") {
			t.Errorf("%v %+v", err, answer)
		}
	})

	t.Run("JSON schema", func(t *testing.T) {
		t.Parallel()
		with := request
		with.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "city", Schema: city, Strict: openai.Bool(true)}
		answer, err := s.client.Responses.New(limited(t), with)
		if err != nil {
			t.Fatal(err)
		}
		isCity(t, answer.OutputText())
	})
}
