package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Classify says what an event of a stream from an endpoint means. It walks over
// the data once, enters only what matters, decodes nothing and allocates
// nothing. Data that is no JSON object is of no consequence, but for the
// terminator.
//
// Chat and completions chunks tell by their fields; all other streams name
// their events. The shapes are those of OpenAI's API reference as generated
// into github.com/openai/openai-go/v3 (chatcompletion.go, responses/response.go,
// image.go, audiotranscription.go), and these of providers that speak chat:
//
//   - reasoning_content (DeepSeek, SGLang) and reasoning (vLLM, OpenRouter,
//     https://docs.vllm.ai/en/v0.11.2/features/reasoning_outputs/), reasoning_details
//   - an error beside choices, with the finish_reason "error" (OpenRouter,
//     https://openrouter.ai/docs/api/reference/streaming)
//   - {"object":"error","message":...} (vLLM, https://github.com/block/goose/pull/8031)
func Classify(endpoint sdk.Endpoint, e *sse.Event) wire.Class {
	data := bytes.TrimLeft(e.Data, " ")
	if bytes.HasPrefix(data, []byte("[DONE]")) {
		return wire.Done
	}
	var class wire.Class
	switch endpoint {
	case sdk.Chat, sdk.Completions:
		class = classifyChunk(data)
	default:
		class = classifyTyped(e.Type, data)
	}
	if string(e.Type) == "error" {
		class |= wire.Failed
	}
	return class
}

func classifyChunk(data []byte) wire.Class {
	c := rawjson.Cursor{Doc: data}
	if !c.Object() {
		return 0
	}
	var class wire.Class
	choices := -1 // how many, where the key is there
	for c.Key() {
		switch string(c.Name) {
		case "choices":
			if !c.Array() {
				c.Skip()
				continue
			}
			for choices = 0; c.More(); choices++ {
				class |= classifyChoice(&c)
			}
		case "usage":
			if c.Peek() == '{' {
				class |= wire.HasUsage
			}
			c.Skip()
		case "error":
			if given(&c) {
				class |= wire.Failed
			}
		case "object", "type":
			if kind, ok := c.Str(); ok && string(kind) == "error" {
				class |= wire.Failed
			}
		default:
			c.Skip()
		}
	}
	if class == wire.HasUsage && choices == 0 {
		class |= wire.UsageOnly
	}
	return class
}

func classifyChoice(c *rawjson.Cursor) wire.Class {
	if !c.Object() {
		c.Skip()
		return 0
	}
	var class wire.Class
	for c.Key() {
		switch string(c.Name) {
		case "delta", "message": // some send whole messages in chunks
			class |= classifyDelta(c)
		case "text":
			class |= when(given(c), wire.Text)
		case "finish_reason":
			reason, ok := c.Str()
			switch {
			case ok && string(reason) == "error":
				class |= wire.Failed
			case ok && len(reason) > 0:
				class |= wire.Finished
			}
		default:
			c.Skip()
		}
	}
	return class
}

func classifyDelta(c *rawjson.Cursor) wire.Class {
	if !c.Object() {
		c.Skip()
		return 0
	}
	var class wire.Class
	for c.Key() {
		switch string(c.Name) {
		case "content":
			class |= when(given(c), wire.Text)
		case "reasoning_content", "reasoning", "reasoning_details":
			class |= when(given(c), wire.Reasoning)
		case "refusal":
			class |= when(given(c), wire.Refusal)
		case "tool_calls", "function_call":
			class |= when(given(c), wire.ToolCall)
		case "audio", "images":
			class |= when(given(c), wire.Media)
		default:
			c.Skip()
		}
	}
	return class
}

// given skips the next value and tells whether there is anything in it: null,
// "", [] and {} are nothing.
func given(c *rawjson.Cursor) bool {
	first := c.Peek()
	at := c.Skip()
	switch raw := at.Of(c.Doc); first {
	case '"':
		return len(raw) > 2
	case '{', '[':
		return len(bytes.TrimSpace(raw[1:max(1, len(raw)-1)])) > 0
	default:
		return len(raw) > 0 && raw[0] != 'n'
	}
}

func when(yes bool, class wire.Class) wire.Class {
	if yes {
		return class
	}
	return 0
}

// classifyTyped reads an event whose data, or else whose event field, names its
// type.
func classifyTyped(name, data []byte) wire.Class {
	c := rawjson.Cursor{Doc: data}
	if !c.Object() {
		return 0
	}
	var class wire.Class
	empty := false // it has a payload, and that is empty
	var item, response, usage rawjson.Range
	for c.Key() {
		switch string(c.Name) {
		case "type":
			if kind, ok := c.Str(); ok {
				name = kind
			}
		case "delta", "text", "refusal", "arguments", "input", "code", "transcript", "b64_json", "partial_image_b64":
			empty = !given(&c)
		case "item":
			item = c.Skip()
		case "response":
			response = c.Skip()
		case "usage":
			usage = c.Skip()
		case "error":
			class |= when(given(&c), wire.Failed)
		default:
			c.Skip()
		}
	}
	kind := typed(name, item.Of(data))
	if empty && kind.Content() && !kind.Is(wire.Finished) {
		kind = 0
	}
	class |= kind
	if class.Is(wire.Finished) {
		class |= when(rawjson.IsObject(usage.Of(data)) || rawjson.IsObject(rawjson.Child(response.Of(data), "usage")), wire.HasUsage)
	}
	return class
}

// typed says what a type of event means that has something in it.
func typed(name, item []byte) wire.Class {
	switch string(name) {
	case "error", "response.failed":
		return wire.Failed
	case "response.completed", "response.incomplete", "response.cancelled", "transcript.text.done", "speech.audio.done":
		return wire.Finished
	case "image_generation.completed", "image_edit.completed":
		return wire.Media | wire.Finished
	case "image_generation.partial_image", "image_edit.partial_image", "speech.audio.delta",
		"response.image_generation_call.partial_image":
		return wire.Media
	case "transcript.text.delta", "transcript.text.segment":
		return wire.Text
	case "response.output_item.added", "response.output_item.done":
		// A call begins with its item: the client learns the tool's name here.
		kind := rawjson.Child(item, "type")
		return when(bytes.HasSuffix(kind, []byte(`_call"`)), wire.ToolCall)
	}
	step, ok := bytes.CutPrefix(name, []byte("response."))
	if !ok || !bytes.HasSuffix(step, []byte(".delta")) && !bytes.HasSuffix(step, []byte(".done")) {
		return 0
	}
	switch {
	case bytes.HasPrefix(step, []byte("output_text.")):
		return wire.Text
	case bytes.HasPrefix(step, []byte("refusal.")):
		return wire.Refusal
	case bytes.HasPrefix(step, []byte("reasoning_")) && !bytes.HasPrefix(step, []byte("reasoning_summary_part.")):
		return wire.Reasoning
	case bytes.HasPrefix(step, []byte("audio.")):
		return wire.Media
	case bytes.HasPrefix(step, []byte("content_part.")), bytes.HasPrefix(step, []byte("reasoning_summary_part.")):
		return 0 // its text came before, in events of its own
	}
	return wire.ToolCall // arguments, code, a command, input
}
