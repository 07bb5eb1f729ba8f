package wall

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Version 2 of Cohere's API, beside OpenAI's. Shapes are those of the npm package cohere-ai 8.1, api/types and
// api/resources/v2; errors those of https://docs.cohere.com/reference/errors.
var (
	cohereChatFields = fields(`model messages tools strict_tools documents citation_options response_format safety_mode max_tokens
	stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking priority stream`)
	cohereEmbedFields  = fields("model texts images inputs input_type max_tokens output_dimension embedding_types truncate priority")
	cohereRerankFields = fields("model query documents top_n max_tokens_per_doc priority")
)

// CohereModel is one that a wall serves as Cohere does.
const CohereModel = "command-a-03-2025"

func isCohere(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v2/") }

// cohereBody is Cohere's error shape.
func (r *refusal) cohereBody() []byte {
	return encode(map[string]string{"id": "wall", "message": r.message})
}

// cohereRequest is what the wall reads of a request.
type cohereRequest struct {
	prompt
	size      int
	think     bool
	logprobs  bool
	documents int
}

func (x *exchange) cohereChat() {
	q, refused := x.cohereRequest()
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(q.prompt)
	if x.stream {
		x.streamCohere(q, r)
		return
	}
	message := map[string]any{"role": "assistant"}
	content := []any{}
	if q.think {
		content = append(content, map[string]any{"type": "thinking", "thinking": thought})
	}
	if len(r.calls) == 0 {
		content = append(content, map[string]any{"type": "text", "text": r.text()})
	} else {
		calls := []any{}
		for _, c := range r.calls {
			calls = append(calls, x.cohereCall(c, c.arguments))
		}
		message["tool_plan"], message["tool_calls"] = "I will call tools.", calls
	}
	message["content"] = content
	answer := map[string]any{"id": x.id("cohere-"), "finish_reason": cohereFinish(r), "message": message, "usage": cohereUsage(q, r)}
	if q.logprobs {
		all := []any{}
		for _, p := range r.pieces {
			all = append(all, cohereLogprob(p))
		}
		answer["logprobs"] = all
	}
	x.json(answer)
}

func (x *exchange) cohereCall(c call, arguments string) map[string]any {
	return map[string]any{"id": x.id(c.name + "_"), "type": "function", "function": map[string]any{"name": c.name, "arguments": arguments}}
}

func cohereLogprob(text string) map[string]any {
	return map[string]any{"text": text, "token_ids": []int{1}, "logprobs": []float64{-0.25}}
}

func cohereFinish(r reply) string {
	switch r.finish {
	case "length":
		return "MAX_TOKENS"
	case "tool_calls":
		return "TOOL_CALL"
	}
	return "COMPLETE"
}

func cohereUsage(q *cohereRequest, r reply) map[string]any {
	in, out := float64(tokens(q.size)), float64(r.tokens())
	return map[string]any{
		"billed_units": map[string]any{"input_tokens": in, "output_tokens": out},
		"tokens":       map[string]any{"input_tokens": in + 1, "output_tokens": out},
	}
}

func (x *exchange) streamCohere(q *cohereRequest, r reply) {
	x.open()
	frame := func(kind string, fields map[string]any) []byte {
		fields["type"] = kind
		return []byte("event: " + kind + "\ndata: " + string(encode(fields)) + "\n\n")
	}
	send := func(kind string, fields map[string]any) bool { return x.event(frame(kind, fields)) }
	delta := func(name string, v any) map[string]any { return map[string]any{"message": map[string]any{name: v}} }
	if !send("message-start", map[string]any{"id": x.id("cohere-"), "delta": map[string]any{"message": map[string]any{"role": "assistant", "content": []any{}}}}) {
		return
	}
	index := 0
	show := func(kind string, pieces ...string) bool {
		if !send("content-start", map[string]any{"index": index, "delta": delta("content", map[string]any{"type": kind, kind: ""})}) {
			return false
		}
		for _, p := range pieces {
			e := map[string]any{"index": index, "delta": delta("content", map[string]any{kind: p})}
			if q.logprobs && kind == "text" {
				e["logprobs"] = cohereLogprob(p)
			}
			if !send("content-delta", e) {
				return false
			}
		}
		index++
		return send("content-end", map[string]any{"index": index - 1})
	}
	if q.think && !show("thinking", thought[:9], thought[9:]) || len(r.calls) == 0 && !show("text", r.pieces...) {
		return
	}
	if len(r.calls) > 0 && !send("tool-plan-delta", map[string]any{"delta": delta("tool_plan", "I will call tools.")}) {
		return
	}
	for i, c := range r.calls {
		if !send("tool-call-start", map[string]any{"index": i, "delta": delta("tool_calls", x.cohereCall(c, ""))}) {
			return
		}
		for _, p := range cut(c.arguments) {
			if !send("tool-call-delta", map[string]any{"index": i, "delta": delta("tool_calls", map[string]any{"function": map[string]any{"arguments": p}})}) {
				return
			}
		}
		if !send("tool-call-end", map[string]any{"index": i}) {
			return
		}
	}
	x.last(frame("message-end", map[string]any{"delta": map[string]any{"finish_reason": cohereFinish(r), "usage": cohereUsage(q, r)}}))
}

func cohereWrong(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, message: "invalid request: " + fmt.Sprintf(format, args...)}
}

func (x *exchange) cohereKnows(known map[string]bool) *refusal {
	for name := range x.fields {
		if !known[name] {
			return &refusal{status: http.StatusUnprocessableEntity, message: "invalid request: unknown field: parameter '" + name + "' is not a valid field"}
		}
	}
	switch {
	case x.model == "":
		return cohereWrong("model is required")
	case !slices.Contains(x.wall.models, x.model):
		return &refusal{status: http.StatusNotFound, message: "model '" + x.model + "' not found, make sure the correct model ID was used and that you have access to the model."}
	}
	return nil
}

// within refuses numbers that are out of bounds.
func (x *exchange) within(name string, least, top float64) *refusal {
	if !x.has(name) {
		return nil
	}
	var n float64
	if json.Unmarshal(x.fields[name], &n) != nil || n < least || n > top {
		return cohereWrong("%s must be between %v and %v inclusive", name, least, top)
	}
	return nil
}

// cohereRequest reads and judges a request as Cohere does.
func (x *exchange) cohereRequest() (*cohereRequest, *refusal) {
	if r := x.cohereKnows(cohereChatFields); r != nil {
		return nil, r
	}
	for _, b := range []struct {
		name       string
		least, top float64
	}{{"p", 0.01, 0.99}, {"k", 0, 500}, {"frequency_penalty", 0, 1}, {"presence_penalty", 0, 1}} {
		if r := x.within(b.name, b.least, b.top); r != nil {
			return nil, r
		}
	}
	q := &cohereRequest{size: len(x.fields["messages"]), logprobs: string(x.fields["logprobs"]) == "true"}
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"json_schema"`
	}
	var think struct {
		Type   string `json:"type"`
		Budget *int   `json:"token_budget"`
	}
	var documents []json.RawMessage
	for name, to := range map[string]any{
		"max_tokens": &q.limit, "stop_sequences": &q.stops, "response_format": &f, "thinking": &think, "documents": &documents,
	} {
		if x.has(name) && json.Unmarshal(x.fields[name], to) != nil {
			return nil, cohereWrong("%s is of another type", name)
		}
	}
	q.schema, q.anyJSON, q.think, q.documents = f.Schema, f.Type == "json_object" && f.Schema == nil, think.Type == "enabled", len(documents)
	switch {
	case len(q.stops) > 5:
		return nil, cohereWrong("stop_sequences may have 5 entries at most")
	case f.Type != "" && f.Type != "json_object" && f.Type != "text":
		return nil, cohereWrong("response_format.type %q", f.Type)
	case f.Type == "json_object" && (x.has("tools") || x.has("documents")):
		return nil, cohereWrong("response_format is not supported with tools or documents")
	case think.Type != "" && think.Type != "enabled" && think.Type != "disabled", think.Budget != nil && *think.Budget < 1:
		return nil, cohereWrong("thinking")
	}
	if r := x.cohereTools(q); r != nil {
		return nil, r
	}
	return q, x.cohereTalk(q)
}

func (x *exchange) cohereTools(q *cohereRequest) *refusal {
	var tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	if x.has("tools") && json.Unmarshal(x.fields["tools"], &tools) != nil {
		return cohereWrong("tools is of another type")
	}
	for _, t := range tools {
		if t.Type != "function" || t.Function.Name == "" || len(t.Function.Parameters) == 0 {
			return cohereWrong("tools: a function with a name and parameters is wanted")
		}
		q.tools = append(q.tools, tool{t.Function.Name, t.Function.Parameters})
	}
	switch choice := x.text("tool_choice"); {
	case choice == "":
	case len(tools) == 0:
		return cohereWrong("tool_choice is only for requests with tools")
	case choice == "NONE":
		q.choice.mode = "none"
	case choice != "REQUIRED":
		return cohereWrong("tool_choice must be REQUIRED or NONE")
	}
	return nil
}

type cohereMessage struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	ToolPlan  string          `json:"tool_plan"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	ToolCallID string `json:"tool_call_id"`
}

func (x *exchange) cohereTalk(q *cohereRequest) *refusal {
	var messages []cohereMessage
	if json.Unmarshal(x.fields["messages"], &messages) != nil || len(messages) == 0 {
		return cohereWrong("messages must have at least one message")
	}
	called := map[string]bool{}
	for i, m := range messages {
		text, images, ok := cohereContent(m)
		if !ok {
			return cohereWrong("messages[%d].content is of another type", i)
		}
		q.images += images
		switch m.Role {
		case "system": // this model obeys
			q.single = q.single || strings.Contains(text, "no more than one tool")
		case "user":
			if text == "" && images == 0 {
				return cohereWrong("messages[%d]: content must not be empty", i)
			}
			if text != "" || len(q.results) == 0 { // what tools have shown is no turn of its own
				q.text, q.results = text, nil
			}
		case "assistant":
			if len(m.Content) == 0 && len(m.ToolCalls) == 0 {
				return cohereWrong("messages[%d]: an assistant message must have content or tool_calls", i)
			}
			for _, c := range m.ToolCalls {
				if c.ID == "" || c.Type != "function" || c.Function.Name == "" {
					return cohereWrong("messages[%d].tool_calls: id, type and function are required", i)
				}
				called[c.ID] = true
			}
		case "tool":
			if !called[m.ToolCallID] {
				return cohereWrong("messages[%d]: tool_call_id %q is of no call", i, m.ToolCallID)
			}
			q.results = append(q.results, text)
		default:
			return cohereWrong("messages[%d]: unknown role %q", i, m.Role)
		}
	}
	if messages[len(messages)-1].Role == "assistant" {
		return cohereWrong("the last message must be from the user or a tool")
	}
	return nil
}

// cohereContent reads what a message says, and how many images it shows.
func cohereContent(m cohereMessage) (text string, images int, ok bool) {
	if len(m.Content) == 0 {
		return "", 0, true
	}
	if json.Unmarshal(m.Content, &text) == nil {
		return text, 0, true
	}
	var blocks []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
	}
	if json.Unmarshal(m.Content, &blocks) != nil {
		return "", 0, false
	}
	for _, b := range blocks {
		switch {
		case b.Type == "text" && b.Text != "":
			text += b.Text
		case b.Type == "image_url" && m.Role == "user" && b.ImageURL.URL != "":
			images++
		case b.Type == "thinking" && m.Role == "assistant", b.Type == "document" && m.Role == "tool":
		default:
			return "", 0, false
		}
	}
	return text, images, true
}

// maxEmbedTexts is how many texts Cohere takes at once.
const maxEmbedTexts = 96

func (x *exchange) cohereEmbed() {
	if r := x.cohereKnows(cohereEmbedFields); r != nil {
		x.refuse(r)
		return
	}
	var texts, types []string
	dimensions := 8
	bad := json.Unmarshal(x.fields["texts"], &texts) != nil || json.Unmarshal(x.fields["embedding_types"], &types) != nil ||
		x.has("output_dimension") && json.Unmarshal(x.fields["output_dimension"], &dimensions) != nil
	switch kind := x.text("input_type"); {
	case bad || len(texts) == 0 || len(texts) > maxEmbedTexts || !slices.Equal(types, []string{"float"}):
		x.refuse(cohereWrong("texts and embedding_types"))
		return
	case !slices.Contains([]string{"search_document", "search_query", "classification", "clustering"}, kind):
		x.refuse(cohereWrong("valid input_type must be provided with the provided model"))
		return
	}
	vectors := [][]float32{}
	for _, text := range texts {
		vectors = append(vectors, vector(text, dimensions))
	}
	x.json(map[string]any{
		"id": x.id("cohere-"), "response_type": "embeddings_by_type", "texts": texts, "embeddings": map[string]any{"float": vectors},
		"meta": map[string]any{"billed_units": map[string]any{"input_tokens": float64(tokens(len(x.fields["texts"])))}},
	})
}

func (x *exchange) cohereRerank() {
	if r := x.cohereKnows(cohereRerankFields); r != nil {
		x.refuse(r)
		return
	}
	var documents []string
	top := 0
	if json.Unmarshal(x.fields["documents"], &documents) != nil || len(documents) == 0 || x.text("query") == "" ||
		x.has("top_n") && json.Unmarshal(x.fields["top_n"], &top) != nil {
		x.refuse(cohereWrong("query and documents, which are texts, are required"))
		return
	}
	results := []ranked{}
	for i, d := range documents {
		score := 0.1
		if strings.Contains(d, x.text("query")) {
			score = 0.9
		}
		results = append(results, ranked{Index: i, Score: score})
	}
	slices.SortStableFunc(results, func(a, b ranked) int { return int(100*b.Score) - int(100*a.Score) })
	if top > 0 {
		results = results[:min(top, len(results))]
	}
	x.json(map[string]any{"id": x.id("cohere-"), "results": results, "meta": map[string]any{"billed_units": map[string]any{"search_units": 1.0}}})
}
