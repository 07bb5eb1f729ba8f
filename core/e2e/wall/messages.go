package wall

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Anthropic's Messages, beside OpenAI's API. Shapes are those of @anthropic-ai/sdk 1.12,
// resources/messages/messages.d.ts; errors those of https://platform.claude.com/docs/en/api/errors.

// The fields of MessageCreateParams, and those that only the first version of the API still takes.
var (
	messageFields = fields(`model messages max_tokens cache_control container diagnostics inference_geo metadata output_config
	service_tier speed stop_sequences stream system thinking tool_choice tools user_profile_id workspace_id`)
	firstMessageFields = fields(`temperature top_p top_k`)
)

// The versions of Anthropic's API.
const (
	FirstVersion  = "2023-06-01"
	LatestVersion = "2026-10-21"
)

// ClaudeModel is one that a wall serves as Anthropic does.
const ClaudeModel = "claude-sonnet-5"

// isAnthropic says whether a request is for Anthropic's API.
func isAnthropic(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/messages") || isVertex(r, "anthropic") || r.Header.Get("Anthropic-Version") != ""
}

// admitAnthropic checks version and key.
func (w *Wall) admitAnthropic(r *http.Request) *refusal {
	version := r.Header.Get("Anthropic-Version")
	if version != FirstVersion && version != LatestVersion {
		return wrong("anthropic-version: %q is not a valid version", version)
	}
	if len(w.keys) == 0 {
		return nil
	}
	key := r.Header.Get("X-Api-Key")
	if version != FirstVersion {
		if key != "" {
			return wrong("x-api-key: not taken by this version, send Authorization: Bearer")
		}
		key, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	} else if r.Header.Get("Authorization") != "" {
		return wrong("only one of x-api-key and authorization may be sent")
	}
	if !slices.Contains(w.keys, key) {
		return &refusal{status: http.StatusUnauthorized, kind: "authentication_error", message: "invalid x-api-key"}
	}
	return nil
}

// wrong is a 400 of Anthropic's.
func wrong(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, kind: invalid, message: fmt.Sprintf(format, args...)}
}

// anthropicBody is Anthropic's error shape.
func (r *refusal) anthropicBody() []byte {
	kind := r.kind
	switch r.status {
	case http.StatusPaymentRequired:
		kind = "billing_error"
	case http.StatusForbidden:
		kind = "permission_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		kind = invalid
	case http.StatusServiceUnavailable, 529:
		kind = "overloaded_error"
	default:
		if r.status >= http.StatusInternalServerError {
			kind = "api_error"
		}
	}
	return encode(map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": r.message}, "request_id": "req_wall"})
}

type block struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
	Source    struct {
		Type      string `json:"type"`
		MediaType string `json:"media_type"`
		Data      string `json:"data"`
		URL       string `json:"url"`
	} `json:"source"`
}

// messageRequest is what the wall reads of a request.
type messageRequest struct {
	prompt
	size   int
	system string
	think  bool
}

func (x *exchange) messages() {
	q, refused := x.messageRequest(true)
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(q.prompt)
	if x.stream {
		x.streamMessage(q, r)
		return
	}
	content := []any{}
	if q.think {
		content = append(content, map[string]any{"type": "thinking", "thinking": thought, "signature": signature})
	}
	if len(r.calls) == 0 {
		content = append(content, map[string]any{"type": "text", "text": r.text()})
	}
	for _, c := range r.calls {
		content = append(content, map[string]any{
			"type": "tool_use", "id": x.id("toolu_"), "name": c.name, "input": json.RawMessage(c.arguments),
			"caller": map[string]any{"type": "direct"},
		})
	}
	x.json(x.message(q, content, r.claudeFinish(), x.claudeUsage(q, r)))
}

// What the wall thinks when it is asked to, and how it signs that.
const (
	thought   = "They want an answer."
	signature = "c2lnbmVkIGJ5IHRoZSB3YWxs"
)

func (x *exchange) message(_ *messageRequest, content []any, finish any, usage map[string]any) map[string]any {
	return map[string]any{
		"id": x.id("msg_"), "type": "message", "role": "assistant", "model": x.model, "content": content,
		"stop_reason": finish, "stop_sequence": nil, "stop_details": nil, "container": nil, "diagnostics": nil, "usage": usage,
	}
}

func (x *exchange) claudeUsage(q *messageRequest, r reply) map[string]any {
	u := map[string]any{
		"input_tokens": tokens(q.size), "output_tokens": r.tokens(), "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
		"output_tokens_details": nil, "server_tool_use": nil, "service_tier": "standard",
	}
	if strings.Contains(string(x.body), `"cache_control"`) {
		u["cache_read_input_tokens"], u["cache_creation_input_tokens"] = 3, 2
	}
	if q.think {
		u["output_tokens_details"] = map[string]any{"thinking_tokens": 1}
	}
	return u
}

func (r reply) claudeFinish() string {
	switch r.finish {
	case "length":
		return "max_tokens"
	case "tool_calls":
		return "tool_use"
	}
	return "end_turn"
}

func (x *exchange) streamMessage(q *messageRequest, r reply) {
	x.open()
	send := func(kind string, fields map[string]any) bool {
		fields["type"] = kind
		return x.event([]byte("event: " + kind + "\ndata: " + string(encode(fields)) + "\n\n"))
	}
	start := x.claudeUsage(q, reply{})
	if !send("message_start", map[string]any{"message": x.message(q, []any{}, nil, start)}) {
		return
	}
	if !x.event([]byte("event: ping\ndata: {\"type\": \"ping\"}\n\n")) {
		return
	}
	index := 0
	show := func(block map[string]any, deltas ...map[string]any) bool {
		if !send("content_block_start", map[string]any{"index": index, "content_block": block}) {
			return false
		}
		for _, d := range deltas {
			if !send("content_block_delta", map[string]any{"index": index, "delta": d}) {
				return false
			}
		}
		index++
		return send("content_block_stop", map[string]any{"index": index - 1})
	}
	if q.think && !show(map[string]any{"type": "thinking", "thinking": "", "signature": ""},
		map[string]any{"type": "thinking_delta", "thinking": thought[:9]},
		map[string]any{"type": "thinking_delta", "thinking": thought[9:]},
		map[string]any{"type": "signature_delta", "signature": signature}) {
		return
	}
	if len(r.calls) == 0 {
		var deltas []map[string]any
		for _, p := range r.pieces {
			deltas = append(deltas, map[string]any{"type": "text_delta", "text": p})
		}
		if !show(map[string]any{"type": "text", "text": ""}, deltas...) {
			return
		}
	}
	for _, c := range r.calls {
		deltas := []map[string]any{{"type": "input_json_delta", "partial_json": ""}}
		for _, p := range cut(c.arguments) {
			deltas = append(deltas, map[string]any{"type": "input_json_delta", "partial_json": p})
		}
		if !show(map[string]any{
			"type": "tool_use", "id": x.id("toolu_"), "name": c.name, "input": map[string]any{}, "caller": map[string]any{"type": "direct"},
		}, deltas...) {
			return
		}
	}
	// A cut must come before the stream looks finished.
	if x.cut != nil && !x.strikeNow() {
		return
	}
	if !send("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": r.claudeFinish(), "stop_sequence": nil, "stop_details": nil, "container": nil},
		"usage": x.claudeUsage(q, r),
	}) {
		return
	}
	x.last([]byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))
}

func (x *exchange) countTokens() {
	q, refused := x.messageRequest(false)
	if refused != nil {
		x.refuse(refused)
		return
	}
	x.whole(http.StatusOK, "application/json", []byte(`{"input_tokens":`+strconv.Itoa(tokens(q.size))+`}`))
}

// messageRequest reads and judges a request as Anthropic does.
func (x *exchange) messageRequest(answers bool) (*messageRequest, *refusal) {
	first := x.request.Header.Get("Anthropic-Version") == FirstVersion
	for name := range x.fields {
		if !messageFields[name] && (!first || !firstMessageFields[name]) {
			return nil, wrong("%s: Extra inputs are not permitted", name)
		}
	}
	switch {
	case x.model == "":
		return nil, wrong("model: Field required")
	case !slices.Contains(x.wall.models, x.model):
		return nil, &refusal{status: http.StatusNotFound, kind: "not_found_error", message: "model: " + x.model}
	}
	q := &messageRequest{size: len(x.fields["messages"]) + len(x.fields["system"])}
	if answers {
		if !x.has("max_tokens") {
			return nil, wrong("max_tokens: Field required")
		}
		if r := x.decode("max_tokens", "an integer", &q.limit); r != nil || q.limit < 1 {
			return nil, wrong("max_tokens: Input should be greater than or equal to 1")
		}
	}
	if r := x.decode("stop_sequences", "an array of strings", &q.stops); r != nil {
		return nil, wrong("stop_sequences: Input should be a valid list")
	}
	for _, read := range []func(*messageRequest) *refusal{x.readTurns, x.readClaudeTools, x.readThinking} {
		if r := read(q); r != nil {
			return nil, r
		}
	}
	return q, nil
}

func (x *exchange) readTurns(q *messageRequest) *refusal {
	var turns []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(x.fields["messages"], &turns) != nil || len(turns) == 0 {
		return wrong("messages: at least one message is required")
	}
	if turns[0].Role != "user" {
		return wrong("messages: first message must use the \"user\" role")
	}
	open := map[string]bool{}
	for i, m := range turns {
		at := "messages." + itoa(i)
		blocks, ok := blocksOf(m.Content)
		if !ok {
			return wrong("%s.content: Input should be a valid string or list", at)
		}
		if len(blocks) == 0 {
			return wrong("%s: all messages must have non-empty content except for the optional final assistant message", at)
		}
		for id := range open {
			if m.Role != "user" || !slices.ContainsFunc(blocks, func(b block) bool { return b.Type == "tool_result" && b.ToolUseID == id }) {
				return wrong("%s: `tool_use` ids were found without `tool_result` blocks immediately after: %s", at, id)
			}
		}
		asked := open
		open = map[string]bool{}
		switch m.Role {
		case "user":
			q.text, q.results = "", nil
		case "assistant":
		case "system":
			if x.request.Header.Get("Anthropic-Version") == FirstVersion {
				return wrong("%s.role: Input should be 'user' or 'assistant'", at)
			}
		default:
			return wrong("%s.role: Input should be 'user' or 'assistant'", at)
		}
		for j, b := range blocks {
			if r := x.readBlock(q, m.Role, b, at+".content."+itoa(j), asked, open); r != nil {
				return r
			}
		}
		if last := blocks[len(blocks)-1]; i == len(turns)-1 && m.Role == "assistant" && last.Type == "text" && strings.TrimRight(*last.Text, " \n") != *last.Text {
			return wrong("messages: final assistant content cannot end with trailing whitespace")
		}
	}
	var system []block
	if raw := x.fields["system"]; len(raw) > 0 {
		var ok bool
		if system, ok = blocksOf(raw); !ok {
			return wrong("system: Input should be a valid string or list")
		}
	}
	for _, b := range system {
		if b.Type != "text" || b.Text == nil || *b.Text == "" {
			return wrong("system: text content blocks must be non-empty")
		}
		q.system += *b.Text
	}
	return nil
}

func blocksOf(raw json.RawMessage) (blocks []block, ok bool) {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil, false
		}
		if text == "" {
			return nil, true
		}
		return []block{{Type: "text", Text: &text}}, true
	}
	return blocks, json.Unmarshal(raw, &blocks) == nil
}

func (x *exchange) readBlock(q *messageRequest, role string, b block, at string, asked, open map[string]bool) *refusal {
	switch b.Type {
	case "text":
		if b.Text == nil || *b.Text == "" {
			return wrong("%s: text content blocks must be non-empty", at)
		}
		if role == "user" {
			q.text += *b.Text
		}
	case "image", "document":
		if b.Source.Type == "base64" && b.Source.MediaType == "" || b.Source.Type == "base64" && b.Source.Data == "" || b.Source.Type == "url" && b.Source.URL == "" || b.Source.Type == "" {
			return wrong("%s.source: Field required", at)
		}
		q.images++
	case "thinking":
		if role != "assistant" || b.Signature != signature {
			return wrong("%s: Invalid `signature` in `thinking` block", at)
		}
	case "redacted_thinking":
	case "tool_use":
		if role != "assistant" || len(b.Input) == 0 || b.Input[0] != '{' {
			return wrong("%s.input: Input should be a valid dictionary", at)
		}
		for _, c := range b.ID {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", c) {
				return wrong("%s.id: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
			}
		}
		open[b.ID] = true
	case "tool_result":
		if role != "user" || !asked[b.ToolUseID] {
			return wrong("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s", at, b.ToolUseID)
		}
		said, ok := blocksOf(b.Content)
		if !ok && len(b.Content) > 0 {
			return wrong("%s.content: Input should be a valid string or list", at)
		}
		text := ""
		for _, s := range said {
			if s.Text != nil {
				text += *s.Text
			}
			if s.Type == "image" {
				q.images++
			}
		}
		q.results = append(q.results, text)
	default:
		return wrong("%s: Input tag '%s' found using 'type' does not match any of the expected tags", at, b.Type)
	}
	return nil
}

func (x *exchange) readClaudeTools(q *messageRequest) *refusal {
	var tools []struct {
		Type   string          `json:"type"`
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"input_schema"`
	}
	if r := x.decode("tools", "an array", &tools); r != nil {
		return wrong("tools: Input should be a valid list")
	}
	for i, t := range tools {
		if t.Name == "" {
			return wrong("tools.%d.custom.name: Field required", i)
		}
		if (t.Type == "" || t.Type == "custom") && !strings.Contains(string(t.Schema), `"type"`) {
			return wrong("tools.%d.custom.input_schema.type: Field required", i)
		}
		q.tools = append(q.tools, tool{t.Name, t.Schema})
	}
	var c struct {
		Type   string `json:"type"`
		Name   string `json:"name"`
		Single bool   `json:"disable_parallel_tool_use"`
	}
	if r := x.decode("tool_choice", "an object", &c); r != nil {
		return wrong("tool_choice: Input should be an object")
	}
	switch c.Type {
	case "", "auto", "any":
	case "none":
		q.choice.mode = "none"
	case "tool":
		q.choice.name = c.Name
	default:
		return wrong("tool_choice: Input tag '%s' does not match any of the expected tags", c.Type)
	}
	if c.Type != "" && len(tools) == 0 {
		return wrong("tool_choice: may only be specified while providing tools")
	}
	q.single = c.Single
	return nil
}

func (x *exchange) readThinking(q *messageRequest) *refusal {
	var t struct {
		Type   string `json:"type"`
		Budget int    `json:"budget_tokens"`
	}
	var o struct {
		Effort string `json:"effort"`
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	}
	if r := x.decode("thinking", "an object", &t); r != nil {
		return wrong("thinking: Input should be an object")
	}
	if r := x.decode("output_config", "an object", &o); r != nil {
		return wrong("output_config: Input should be an object")
	}
	switch t.Type {
	case "":
	case "disabled":
	case "adaptive", "enabled":
		if t.Type == "enabled" && t.Budget < 1024 {
			return wrong("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		}
		if t.Type == "enabled" && t.Budget >= q.limit {
			return wrong("`max_tokens` must be greater than `thinking.budget_tokens`")
		}
		if x.has("temperature") && x.text("temperature") != "1" {
			return wrong("`temperature` may only be set to 1 when thinking is enabled")
		}
		if q.choice.name != "" {
			return wrong("Thinking may not be enabled when tool_choice forces tool use.")
		}
		q.think = true
	default:
		return wrong("thinking: Input tag '%s' does not match any of the expected tags", t.Type)
	}
	switch o.Effort {
	case "", "low", "medium", "high", "xhigh", "max":
	default:
		return wrong("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
	}
	if o.Format != nil {
		if o.Format.Type != "json_schema" || len(o.Format.Schema) == 0 {
			return wrong("output_config.format: Field required")
		}
		q.schema = o.Format.Schema
	}
	return nil
}
