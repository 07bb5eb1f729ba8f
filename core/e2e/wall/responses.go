package wall

import (
	"encoding/json"
	"time"
)

// The fields of openai-go's ResponseNewParams.
var responseFields = fields(`input model access_programs background context_management conversation include instructions
	max_output_tokens max_tool_calls metadata moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
	prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options
	temperature text tool_choice tools top_logprobs top_p truncation user`)

// response is https://developers.openai.com/api/reference/resources/responses: what a request asked for comes back in it.
type response struct {
	ID          string                     `json:"id"`
	Object      string                     `json:"object"`
	Created     int64                      `json:"created_at"`
	Status      string                     `json:"status"`
	Background  bool                       `json:"background"`
	Error       *string                    `json:"error"`
	Incomplete  *incomplete                `json:"incomplete_details"`
	Instruct    json.RawMessage            `json:"instructions"`
	Limit       json.RawMessage            `json:"max_output_tokens"`
	Model       string                     `json:"model"`
	Output      []outputItem               `json:"output"`
	Parallel    bool                       `json:"parallel_tool_calls"`
	Previous    json.RawMessage            `json:"previous_response_id"`
	Reasoning   json.RawMessage            `json:"reasoning"`
	ServiceTier string                     `json:"service_tier"`
	Store       bool                       `json:"store"`
	Temperature float64                    `json:"temperature"`
	Text        json.RawMessage            `json:"text"`
	ToolChoice  json.RawMessage            `json:"tool_choice"`
	Tools       json.RawMessage            `json:"tools"`
	TopLogprobs int                        `json:"top_logprobs"`
	TopP        float64                    `json:"top_p"`
	Truncation  string                     `json:"truncation"`
	Usage       *responseUsage             `json:"usage"`
	User        json.RawMessage            `json:"user"`
	Metadata    json.RawMessage            `json:"metadata"`
	Echo        map[string]json.RawMessage `json:"x_echo,omitempty"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type responseUsage struct {
	Input        int `json:"input_tokens"`
	InputDetails struct {
		Cached int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Output        int `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total int `json:"total_tokens"`
}

// outputItem is a message, or a call of a function.
type outputItem struct {
	ID        string       `json:"id"`
	Type      string       `json:"type"`
	Status    string       `json:"status"`
	Role      string       `json:"role,omitempty"`
	Content   []outputPart `json:"content,omitzero"`
	CallID    string       `json:"call_id,omitempty"`
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitempty"`
}

type outputPart struct {
	Type        string   `json:"type"`
	Text        string   `json:"text"`
	Annotations []string `json:"annotations"`
	Logprobs    []string `json:"logprobs"`
}

func part(text string) outputPart {
	return outputPart{Type: "output_text", Text: text, Annotations: []string{}, Logprobs: []string{}}
}

func (x *exchange) respond() {
	p, refused := x.responsePrompt()
	if refused != nil {
		x.refuse(refused)
		return
	}
	said := x.wall.reply(p)
	answer := x.response()
	if x.stream {
		x.streamResponse(answer, said)
		return
	}
	x.finish(answer, said)
	x.json(answer)
}

// response is the answer at its beginning: in progress, with no output.
func (x *exchange) response() *response {
	or := func(name, otherwise string) json.RawMessage {
		if x.has(name) {
			return x.fields[name]
		}
		return json.RawMessage(otherwise)
	}
	return &response{
		ID: x.id("resp_"), Object: "response", Created: time.Now().Unix(), Status: "in_progress", Model: x.model, Output: []outputItem{},
		Instruct: or("instructions", "null"), Limit: or("max_output_tokens", "null"), Previous: or("previous_response_id", "null"),
		Reasoning: or("reasoning", `{"effort":null,"summary":null}`), Text: or("text", `{"format":{"type":"text"}}`),
		ToolChoice: or("tool_choice", `"auto"`), Tools: or("tools", "[]"), User: or("user", "null"), Metadata: or("metadata", "{}"),
		Parallel: string(x.fields["parallel_tool_calls"]) != "false", Store: string(x.fields["store"]) != "false", Background: string(x.fields["background"]) == "true",
		ServiceTier: "default", Temperature: 1, TopP: 1, Truncation: "disabled", Echo: x.echo(responseFields),
	}
}

// finish gives an answer its output and its end, and keeps it.
func (x *exchange) finish(answer *response, said reply) {
	answer.Output = x.output(said)
	answer.end(said, tokens(len(x.fields["input"])))
	x.keep(answer)
}

func (answer *response) end(said reply, asked int) {
	answer.Status = "completed"
	if said.finish == "length" {
		answer.Status, answer.Incomplete = "incomplete", &incomplete{Reason: "max_output_tokens"}
	}
	answer.Usage = &responseUsage{Input: asked, Output: said.tokens(), Total: asked + said.tokens()}
}

func (x *exchange) output(said reply) []outputItem {
	if len(said.calls) == 0 {
		status := "completed"
		if said.finish == "length" {
			status = "incomplete"
		}
		return []outputItem{{ID: x.id("msg_"), Type: "message", Status: status, Role: "assistant", Content: []outputPart{part(said.text())}}}
	}
	var items []outputItem
	for _, c := range said.calls {
		items = append(items, outputItem{ID: x.id("fc_"), Type: "function_call", Status: "completed", CallID: x.id("call_"), Name: c.name, Arguments: &c.arguments})
	}
	return items
}

// responsePrompt reads and judges a request.
func (x *exchange) responsePrompt() (p prompt, refused *refusal) {
	if r := x.knows(); r != nil {
		return p, r
	}
	if previous := x.text("previous_response_id"); previous != "" {
		if _, ok := x.wall.stored.get(previous); !ok {
			return p, bad("previous_response_not_found", "previous_response_id", "Previous response with id '%s' not found.", previous)
		}
	}
	if !x.has("input") {
		return p, missing("input")
	}
	if r := x.responseInput(&p); r != nil {
		return p, r
	}
	if r := x.responseTools(&p); r != nil {
		return p, r
	}
	var text struct {
		Format struct {
			Type   string          `json:"type"`
			Name   string          `json:"name"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	}
	if r := x.decode("text", "an object", &text); r != nil {
		return p, r
	}
	switch text.Format.Type {
	case "json_object":
		p.anyJSON = true
	case "json_schema":
		if text.Format.Name == "" {
			return p, missing("text.format.name")
		}
		p.schema = text.Format.Schema
	}
	return p, x.decode("max_output_tokens", "an integer", &p.limit)
}

// responseInput takes a text, or items: messages, calls and what the tools said.
func (x *exchange) responseInput(p *prompt) *refusal {
	if x.fields["input"][0] == '"' {
		p.text = x.text("input")
		return nil
	}
	var items []struct {
		Type    string          `json:"type"`
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		CallID  string          `json:"call_id"`
		Output  json.RawMessage `json:"output"`
	}
	if r := x.decode("input", "one of a string or an array of objects", &items); r != nil {
		return r
	}
	open := map[string]bool{}
	for i, item := range items {
		at := "input[" + itoa(i) + "]"
		switch item.Type {
		case "", "message":
			c, ok := readContent(item.Content)
			if !ok {
				return wrongType(at+".content", "one of a string or array of objects")
			}
			if item.Role == "user" {
				p.text, p.results = c.text, nil
			}
			p.images += c.images
		case "function_call":
			open[item.CallID] = true
		case "function_call_output":
			// After previous_response_id the call is in the response before.
			if !open[item.CallID] && !x.has("previous_response_id") {
				return bad("", at, "No tool call found for function call output with call_id %s.", item.CallID)
			}
			c, ok := readContent(item.Output)
			if !ok {
				return wrongType(at+".output", "a string or array of objects")
			}
			p.results = append(p.results, c.text)
		case "reasoning", "item_reference":
		default:
			return bad("invalid_value", at, "Invalid value: '%s'.", item.Type)
		}
	}
	return nil
}

func (x *exchange) responseTools(p *prompt) *refusal {
	var tools []struct {
		Type       string          `json:"type"`
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	}
	if r := x.decode("tools", "an array of objects", &tools); r != nil {
		return r
	}
	for i, t := range tools {
		if t.Type != "function" {
			continue
		}
		if t.Name == "" {
			return missing("tools[" + itoa(i) + "].name")
		}
		p.tools = append(p.tools, tool{t.Name, t.Parameters})
	}
	p.single = string(x.fields["parallel_tool_calls"]) == "false"
	if !x.has("tool_choice") {
		return nil
	}
	if raw := x.fields["tool_choice"]; raw[0] == '"' {
		p.choice.mode = x.text("tool_choice")
		return nil
	}
	var one struct {
		Name string `json:"name"`
	}
	r := x.decode("tool_choice", "one of a string or an object", &one)
	p.choice.name = one.Name
	return r
}
