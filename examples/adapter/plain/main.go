// Command plain is an adapter whose provider speaks a format that the router does
// not know: lines of plain text. So it translates chats itself.
//
//	> stream                 say, or stream
//	> user "Hello"
//	< + "You said: "         a piece of a stream, or of a whole answer
//	< + "Hello"
//	< .                      the end
//	< no "The model is tired."
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type adapter struct{}

// Prepare says where a request goes. The codec own makes the adapter a translator.
func (adapter) Prepare(_ context.Context, c sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	if e != sdk.Chat {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	return sdk.Prepared{
		URL: c.BaseURL + "/say", Codec: sdk.CodecOwn, Auth: sdk.Auth{Kind: sdk.AuthBearer},
		Headers: []sdk.Header{{Name: "Content-Type", Value: "text/plain"}},
	}, nil
}

// TranslateRequest writes a line for each message of a chat.
func (adapter) TranslateRequest(_ context.Context, _ sdk.Channel, _ string, chat []byte) ([]byte, error) {
	var q struct {
		Stream   bool
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(chat, &q); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(map[bool]string{true: "stream\n", false: "say\n"}[q.Stream])
	for _, m := range q.Messages {
		fmt.Fprintf(&b, "%s %q\n", m.Role, textOf(m.Content))
	}
	return b.Bytes(), nil
}

// textOf is a message's content: a text, or parts of which some are.
func textOf(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	_ = json.Unmarshal(content, &parts) // what is neither has no text
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// TranslateAnswer reads all lines of an answer at once.
func (adapter) TranslateAnswer(_ context.Context, _ sdk.Channel, model string, a sdk.UpstreamAnswer) ([]byte, error) {
	var said strings.Builder
	for line := range strings.Lines(string(a.Body)) {
		l, err := read(strings.TrimSuffix(line, "\n"))
		switch {
		case err != nil:
			return nil, err
		case l.failed:
			return json.Marshal(failure(l.text))
		}
		said.WriteString(l.text)
	}
	return json.Marshal(object{
		"id": "chatcmpl-plain", "object": "chat.completion", "model": model,
		"choices": []object{{"index": 0, "finish_reason": "stop", "message": object{"role": "assistant", "content": said.String()}}},
	})
}

// TranslateStream makes a chunk of each whole line. The beginning of a line whose
// end is not there yet is the state.
func (adapter) TranslateStream(_ context.Context, _ sdk.Channel, model string, p sdk.StreamPiece) (sdk.Chunks, error) {
	var out sdk.Chunks
	add := func(v any) error {
		event, err := json.Marshal(v)
		out.Events = append(out.Events, event)
		return err
	}
	lines := append(p.State, p.Data...)
	for {
		line, rest, whole := bytes.Cut(lines, []byte("\n"))
		if !whole {
			out.State = lines
			return out, nil
		}
		lines = rest
		l, err := read(string(line))
		switch {
		case err != nil:
			return out, err
		case l.failed:
			err = add(failure(l.text))
		case l.end:
			err = add(chunk(model, object{}, "stop"))
			out.Events = append(out.Events, []byte("[DONE]"))
		default:
			err = add(chunk(model, object{"content": l.text}, nil))
		}
		if err != nil {
			return out, err
		}
	}
}

type object map[string]any

func chunk(model string, delta object, finish any) object {
	return object{
		"id": "chatcmpl-plain", "object": "chat.completion.chunk", "model": model,
		"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
	}
}

func failure(message string) object {
	return object{"error": object{"type": "server_error", "message": message}}
}

// line is one of the provider's.
type line struct {
	text        string
	end, failed bool
}

func read(s string) (line, error) {
	kind, quoted, _ := strings.Cut(s, " ")
	if kind == "." {
		return line{end: true}, nil
	}
	text, err := strconv.Unquote(quoted)
	if kind != "+" && kind != "no" || err != nil {
		return line{}, fmt.Errorf("plain: the provider said %.40q", s)
	}
	return line{text: text, failed: kind == "no"}, nil
}

func main() {
	sdk.Serve(&sdk.Plugin{
		Name: "plain", Doc: "Speaks to a provider of plain text.", Computes: true,
		// A translator sees what is said, which the configuration has to grant.
		Needs: []string{sdk.NeedPrompt}, Adapter: adapter{},
	})
}
