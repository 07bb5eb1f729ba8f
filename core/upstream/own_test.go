package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// shouting is an adapter whose provider says everything in capital letters, a
// word a line, and ends with a line of its own.
type shouting struct {
	sdk.Adapter
	calls int
	// fails says which call of a stream does, from 1; 0: none.
	fails int
	// garbage comes in place of a chunk.
	garbage string
	err     error
}

func (s *shouting) TranslateRequest(_ context.Context, _ sdk.Channel, model string, chat []byte) ([]byte, error) {
	return append([]byte(model+" "), bytes.ToUpper(chat)...), s.err
}

func (s *shouting) TranslateAnswer(_ context.Context, _ sdk.Channel, _ string, a sdk.UpstreamAnswer) ([]byte, error) {
	if a.Status != http.StatusOK {
		return []byte(`{"error":{"code":"insufficient_quota","message":"` + strings.ToLower(string(a.Body)) + `"}}`), nil
	}
	return []byte(`{"id":"a","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"` + strings.ToLower(string(a.Body)) + `"}}]}`), nil
}

func (s *shouting) TranslateStream(_ context.Context, _ sdk.Channel, _ string, p sdk.StreamPiece) (sdk.Chunks, error) {
	s.calls++
	if s.calls == s.fails {
		return sdk.Chunks{}, errors.New("adapter(shouting): its process ended")
	}
	var out sdk.Chunks
	lines := append(bytes.Clone(p.State), p.Data...)
	for {
		line, rest, whole := bytes.Cut(lines, []byte("\n"))
		if !whole {
			out.State = lines
			return out, nil
		}
		lines = rest
		switch {
		case s.garbage != "":
			out.Events = append(out.Events, []byte(s.garbage))
		case string(line) == "END":
			out.Events = append(out.Events, []byte(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`), []byte("[DONE]"))
		default:
			out.Events = append(out.Events, []byte(`{"choices":[{"index":0,"delta":{"content":"`+strings.ToLower(string(line))+`"},"finish_reason":null}]}`))
		}
	}
}

// ownLab is a lab whose first channel has the codec own, and whose second one is
// OpenAI's.
func ownLab(t *testing.T, s *shouting, first http.HandlerFunc, more ...spec) *lab {
	t.Helper()
	l := newLab(t, append([]spec{at(handled(t, first))}, more...)...)
	l.prepare.translator = s
	l.prepare.prepare = func(c *board.Channel, _ string, e sdk.Endpoint) (*sdk.Prepared, error) {
		p := &sdk.Prepared{URL: c.Config.BaseURL + paths[e], Codec: "openai"}
		if c.Config.Name == "channel-a" {
			p.Codec = sdk.CodecOwn
		}
		return p, nil
	}
	return l
}

func shout(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for _, line := range lines {
			io.WriteString(w, line)
			w.(http.Flusher).Flush()
		}
	}
}

func TestAdaptersTranslateRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	l := ownLab(t, &shouting{}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
		shout("HELLO")(w, r)
	})
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(question)), l.plan())
	if !out.Complete || !strings.Contains(rec.text(), `"content":"hello"`) {
		t.Errorf("%+v: %s", out, rec.text())
	}
	if sent := <-got; !strings.HasPrefix(sent, model+` {"MODEL":`) {
		t.Errorf("the provider got %s", sent)
	}
	l.settled()
}

func TestAdaptersTranslateStreams(t *testing.T) {
	t.Parallel()
	s := &shouting{}
	l := ownLab(t, s, shout("ONE\nTW", "O\nEND\n"))
	rec := newRecorder()
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(streamed)), l.plan())
	text := rec.text()
	if !out.Complete || strings.Count(text, `"content":`) != 2 || !strings.Contains(text, `"content":"two"`) || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("%+v: %s", out, text)
	}
	if s.calls > 3 { // one for each piece at most, and one for the end
		t.Errorf("%d calls for two pieces", s.calls)
	}
	l.settled()
}

// The adapter is asked for functions in the place of custom tools, and what it
// calls these with is the client's text again.
func TestCustomToolsOfAnAdaptersOwnStream(t *testing.T) {
	t.Parallel()
	called := `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"patch","arguments":"{\"input\":\"a\\nb\"}"}}]},"finish_reason":"tool_calls"}]}`
	l := ownLab(t, &shouting{garbage: called}, shout("CALL\n"))
	rec := newRecorder()
	body := strings.Replace(streamed, `"messages"`, `"tools":[{"type":"custom","custom":{"name":"patch"}}],"messages"`, 1)
	out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
	if text := rec.text(); !strings.Contains(text, `"type":"custom","custom":{"name":"patch"`) || !strings.Contains(text, `{"input":"a\nb"}`) {
		t.Errorf("%+v: %s", out, text)
	}
	l.settled()
}

// What goes wrong in the plugin is a failure like any other: before the first
// content another channel answers, later the client is told.
func TestAnAdaptersTranslationFails(t *testing.T) {
	t.Parallel()
	slow := func(next <-chan struct{}) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			shout("ONE\n")(w, r)
			<-next
			shout("TWO\n", "END\n")(w, r)
		}
	}
	for _, tc := range []struct {
		name     string
		adapter  *shouting
		answer   string
		stream   bool
		told     string // empty: the other channel answers
		provider http.HandlerFunc
	}{
		{name: "its request", adapter: &shouting{err: errors.New("gone")}, stream: true},
		{name: "its stream, at once", adapter: &shouting{fails: 1}, stream: true},
		{name: "its stream, later", adapter: &shouting{fails: 2}, stream: true, told: `"error"`},
		{name: "a chunk that is none", adapter: &shouting{garbage: "}{"}, stream: true},
		{name: "an empty chunk", adapter: &shouting{garbage: " "}, stream: true},
		{name: "an error of the provider's", adapter: &shouting{}, provider: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "NO MONEY")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			next := make(chan struct{})
			if tc.provider == nil {
				tc.provider = slow(next)
			}
			l := ownLab(t, tc.adapter, tc.provider, at(handled(t, other)))
			body := question
			if tc.stream {
				body = streamed
			}
			rec := newRecorder()
			go func() {
				<-rec.changed // the first piece is there, if any comes
				close(next)
			}()
			out := l.dispatcher.Forward(t.Context(), rec, l.call(sdk.Chat, http.Header{}, []byte(body)), l.plan())
			text := rec.text()
			switch {
			case tc.told == "":
				if !out.Complete || out.Target.Channel.Config.Name != "channel-b" {
					t.Errorf("%+v: %s", out, text)
				}
			case out.Complete || !strings.Contains(text, `"content":"one"`) || !strings.Contains(text, tc.told) || strings.Contains(text, "[DONE]"):
				t.Errorf("%+v: %s", out, text)
			}
		})
	}
}

// other answers as OpenAI does.
func other(w http.ResponseWriter, r *http.Request) {
	if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answered)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "data: "+`{"choices":[{"index":0,"delta":{"content":"other"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}
