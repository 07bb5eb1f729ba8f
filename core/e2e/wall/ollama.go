package wall

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Ollama's own API, beside OpenAI's. Shapes are those of the npm package ollama 0.6, src/interfaces.ts, errors those of
// https://docs.ollama.com/api/errors. The real server passes over fields that it does not know; this one refuses them, as
// they would do nothing.
var (
	ollamaChatFields   = fields("model messages stream format keep_alive tools think logprobs top_logprobs options")
	ollamaEmbedFields  = fields("model input truncate keep_alive dimensions options")
	ollamaOptionFields = fields(`numa num_ctx num_batch num_gpu main_gpu use_mmap num_thread num_keep seed num_predict top_k top_p min_p
	typical_p repeat_last_n temperature repeat_penalty presence_penalty frequency_penalty stop`)
	ollamaMessageFields = fields("role content thinking images tool_calls tool_name")
)

// OllamaModel is one that a wall serves as Ollama does.
const OllamaModel = "llama3.2"

func isOllama(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// ollamaBody is Ollama's error shape.
func (r *refusal) ollamaBody() []byte { return encode(map[string]string{"error": r.message}) }

func (x *exchange) ollamaTags() {
	models := []any{}
	for _, name := range x.wall.models {
		models = append(models, map[string]any{
			"name": name, "model": name, "modified_at": time.Unix(x.wall.began, 0).UTC(), "size": 1, "digest": "0",
			"details": map[string]any{"format": "gguf", "family": "llama", "parameter_size": "3B"},
		})
	}
	x.json(map[string]any{"models": models})
}

type ollamaMessage struct {
	Role      string   `json:"role"`
	Content   string   `json:"content"`
	Thinking  string   `json:"thinking"`
	Images    [][]byte `json:"images"` // base64
	ToolName  string   `json:"tool_name"`
	ToolCalls []struct {
		Function struct {
			Name      string         `json:"name"`
			Arguments map[string]any `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// ollamaRequest is what the wall reads of a request.
type ollamaRequest struct {
	prompt
	size     int
	think    bool
	logprobs bool
}

func (x *exchange) ollamaChat() {
	q, refused := x.ollamaRequest()
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(q.prompt)
	if string(x.fields["stream"]) == "false" {
		message := map[string]any{"role": "assistant", "content": r.text()}
		if q.think {
			message["thinking"] = thought
		}
		if calls := ollamaCalls(r.calls); calls != nil {
			message["content"], message["tool_calls"] = "", calls
		}
		x.json(x.ollamaLine(message, q, &r))
		return
	}
	x.openAs("application/x-ndjson")
	send := func(message map[string]any) bool {
		message["role"] = "assistant"
		if message["content"] == nil {
			message["content"] = ""
		}
		return x.event(append(encode(x.ollamaLine(message, q, nil)), '\n'))
	}
	if q.think && (!send(map[string]any{"thinking": thought[:9]}) || !send(map[string]any{"thinking": thought[9:]})) {
		return
	}
	if len(r.calls) == 0 {
		for _, p := range r.pieces {
			if !send(map[string]any{"content": p}) {
				return
			}
		}
	}
	for _, c := range r.calls { // each whole, in a line of its own
		if !send(map[string]any{"tool_calls": ollamaCalls([]call{c})}) {
			return
		}
	}
	x.last(append(encode(x.ollamaLine(map[string]any{"role": "assistant", "content": ""}, q, &r)), '\n'))
}

// ollamaLine is one line of a stream, or the whole answer; r is what was said in all, in the last.
func (x *exchange) ollamaLine(message map[string]any, q *ollamaRequest, r *reply) map[string]any {
	line := map[string]any{
		"model": x.model, "created_at": time.Now().UTC().Format(time.RFC3339Nano), "message": message, "done": r != nil,
	}
	if r != nil {
		line["done_reason"] = "stop"
		if r.finish == "length" {
			line["done_reason"] = "length"
		}
		line["total_duration"], line["load_duration"] = 5, 1
		line["prompt_eval_count"], line["prompt_eval_duration"] = tokens(q.size), 1
		line["eval_count"], line["eval_duration"] = r.tokens(), 3
	}
	if text, _ := message["content"].(string); q.logprobs && text != "" {
		line["logprobs"] = []any{map[string]any{"token": text, "logprob": -0.25}}
	}
	return line
}

func ollamaCalls(calls []call) (out []any) {
	for _, c := range calls {
		out = append(out, map[string]any{"function": map[string]any{"name": c.name, "arguments": json.RawMessage(c.arguments)}})
	}
	return out
}

func ollamaWrong(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// ollamaKnows judges what all requests have in common.
func (x *exchange) ollamaKnows(known map[string]bool) *refusal {
	for name := range x.fields {
		if !known[name] {
			return ollamaWrong("json: unknown field %q", name)
		}
	}
	var options map[string]json.RawMessage
	if x.has("options") && json.Unmarshal(x.fields["options"], &options) != nil {
		return ollamaWrong("json: cannot unmarshal options into a map")
	}
	for name, v := range options {
		switch {
		case !ollamaOptionFields[name]:
			return ollamaWrong("invalid option provided: %s", name)
		case name == "stop" && json.Unmarshal(v, new([]string)) != nil:
			return ollamaWrong("option \"stop\" must be of an array of strings")
		case name != "stop" && v[0] == '"':
			return ollamaWrong("option %q must be of type number", name)
		}
	}
	switch {
	case x.model == "":
		return ollamaWrong("model is required")
	case !slices.Contains(x.wall.models, x.model):
		return &refusal{status: http.StatusNotFound, message: fmt.Sprintf("model %q not found, try pulling it first", x.model)}
	}
	return nil
}

// ollamaRequest reads and judges a request as Ollama does.
func (x *exchange) ollamaRequest() (*ollamaRequest, *refusal) {
	if r := x.ollamaKnows(ollamaChatFields); r != nil {
		return nil, r
	}
	q := &ollamaRequest{size: len(x.fields["messages"]), logprobs: string(x.fields["logprobs"]) == "true"}
	var o struct {
		Limit int      `json:"num_predict"`
		Stop  []string `json:"stop"`
	}
	if x.has("options") && json.Unmarshal(x.fields["options"], &o) != nil {
		return nil, ollamaWrong("option \"num_predict\" must be of type integer")
	}
	q.limit, q.stops = o.Limit, o.Stop
	switch f := string(x.fields["format"]); {
	case f == "":
	case f == `"json"`:
		q.anyJSON = true
	case f[0] == '{':
		q.schema = x.fields["format"]
	default:
		return nil, ollamaWrong("invalid format: %s; expected \"json\" or a valid JSON Schema object", f)
	}
	switch think := string(x.fields["think"]); think {
	case "", "false":
	case "true", `"low"`, `"medium"`, `"high"`:
		q.think = true
	default:
		return nil, ollamaWrong("invalid think value: %s (must be \"high\", \"medium\", \"low\", true, or false)", think)
	}
	if r := x.ollamaTools(q); r != nil {
		return nil, r
	}
	return q, x.ollamaTalk(q)
}

func (x *exchange) ollamaTools(q *ollamaRequest) *refusal {
	var tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	if x.has("tools") && json.Unmarshal(x.fields["tools"], &tools) != nil {
		return ollamaWrong("json: cannot unmarshal tools")
	}
	for _, t := range tools {
		if t.Type != "function" || t.Function.Name == "" || len(t.Function.Parameters) == 0 {
			return ollamaWrong("tools: a function with a name and parameters is wanted")
		}
		q.tools = append(q.tools, tool{t.Function.Name, t.Function.Parameters})
	}
	return nil
}

func (x *exchange) ollamaTalk(q *ollamaRequest) *refusal {
	var raw []map[string]json.RawMessage
	var messages []ollamaMessage
	if json.Unmarshal(x.fields["messages"], &raw) != nil {
		return ollamaWrong("json: cannot unmarshal messages")
	}
	if err := json.Unmarshal(x.fields["messages"], &messages); err != nil {
		return ollamaWrong("%v", err) // such as illegal base64 data, or arguments that are a string
	}
	for i, m := range messages {
		for name := range raw[i] {
			if !ollamaMessageFields[name] {
				return ollamaWrong("json: unknown field %q", name)
			}
		}
		switch m.Role {
		case "user":
			if m.Content != "" || len(q.results) == 0 { // what tools have shown is no turn of its own
				q.text, q.results = m.Content, nil
			}
		case "tool":
			if m.ToolName == "" {
				return ollamaWrong("tool_name is required")
			}
			q.results = append(q.results, m.Content)
		case "system": // this model obeys
			q.single = q.single || strings.Contains(m.Content, "no more than one tool")
		case "assistant":
		default:
			return ollamaWrong("invalid role: %q", m.Role)
		}
		q.images += len(m.Images)
	}
	return nil
}

func (x *exchange) ollamaEmbed() {
	if r := x.ollamaKnows(ollamaEmbedFields); r != nil {
		x.refuse(r)
		return
	}
	var texts []string
	if x.fields["input"] != nil && x.fields["input"][0] == '"' {
		texts = []string{x.text("input")}
	} else if json.Unmarshal(x.fields["input"], &texts) != nil {
		x.refuse(ollamaWrong("invalid input type"))
		return
	}
	dimensions := 8
	if r := x.decode("dimensions", "an integer", &dimensions); r != nil {
		x.refuse(ollamaWrong("invalid dimensions"))
		return
	}
	vectors := [][]float32{}
	for _, text := range texts {
		vectors = append(vectors, vector(text, dimensions))
	}
	x.json(map[string]any{
		"model": x.model, "embeddings": vectors, "total_duration": 5, "load_duration": 1, "prompt_eval_count": tokens(len(x.fields["input"])),
	})
}
