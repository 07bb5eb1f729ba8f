package golang

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
)

func (s *suite) errors(t *testing.T) {
	stranger := s.connect("sk-wrong-key")
	with := func(model string) openai.ChatCompletionNewParams {
		request := s.ask("hello")
		request.Model = model
		return request
	}
	cases := []struct {
		name    string
		client  *openai.Client
		request openai.ChatCompletionNewParams
		status  int
		code    string
		param   string
	}{
		{name: "wrong key", client: &stranger, request: s.ask("hello"), status: http.StatusUnauthorized, code: "invalid_api_key"},
		{name: "missing model", request: with(s.models.Missing), status: http.StatusNotFound, code: "model_not_found"},
		{name: "no messages", request: openai.ChatCompletionNewParams{Model: s.models.Chat}, status: http.StatusBadRequest, param: "messages"},
	}
	for status, model := range s.models.Failing {
		c := cases[0]
		c.name, c.client, c.request, c.status, c.code = "provider answers "+strconv.Itoa(status), nil, with(model), status, ""
		cases = append(cases, c)
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := &s.client
			if test.client != nil {
				client = test.client
			}
			_, err := client.Chat.Completions.New(limited(t), test.request)
			stream := client.Chat.Completions.NewStreaming(limited(t), test.request)
			for stream.Next() {
				t.Errorf("got %s", stream.Current().RawJSON())
			}
			for _, err := range []error{err, stream.Err()} {
				var failed *openai.Error
				if !errors.As(err, &failed) {
					t.Fatalf("got %v", err)
				}
				if failed.StatusCode != test.status || failed.Message == "" || failed.Type == "" || failed.Response.Header.Get("X-Request-Id") == "" {
					t.Errorf("got %d %s", failed.StatusCode, failed.RawJSON())
				}
				if test.code != "" && failed.Code != test.code || test.param != "" && failed.Param != test.param {
					t.Errorf("got %s, want code %q, param %q", failed.RawJSON(), test.code, test.param)
				}
			}
		})
	}
}

// abort leaves an answer that would never come to its end.
func (s *suite) abort(t *testing.T) {
	t.Run("before the first token", func(t *testing.T) {
		t.Parallel()
		for _, streamed := range []bool{false, true} {
			const soon = 200 * time.Millisecond
			ctx, leave := context.WithTimeout(t.Context(), soon)
			defer leave()
			request := s.ask("hello")
			request.Model = s.models.Silent
			var err error
			if streamed {
				stream := s.client.Chat.Completions.NewStreaming(ctx, request)
				for stream.Next() {
					t.Errorf("got %s", stream.Current().RawJSON())
				}
				err = stream.Err()
			} else {
				_, err = s.client.Chat.Completions.New(ctx, request)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("streamed %t: %v", streamed, err)
			}
		}
	})

	t.Run("mid-stream", func(t *testing.T) {
		t.Parallel()
		ctx, leave := context.WithCancel(limited(t))
		defer leave()
		request := s.ask("hello there")
		request.Model = s.models.Stalling
		stream := s.client.Chat.Completions.NewStreaming(ctx, request)
		defer stream.Close()
		said := ""
		for stream.Next() {
			if said += stream.Current().Choices[0].Delta.Content; said != "" {
				leave()
			}
		}
		if said == "" || !errors.Is(stream.Err(), context.Canceled) {
			t.Errorf("%q, then %v", said, stream.Err())
		}
	})
}
