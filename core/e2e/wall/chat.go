package wall

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// The fields of openai-go's ChatCompletionNewParams.
var chatFields = fields(`messages model audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty
	prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier
	seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
	web_search_options`)

const maxChoices = 128

// chatRequest is what the wall reads of a chat request.
type chatRequest struct {
	prompt
	size     int // of the messages, bytes
	n        int
	logprobs bool
	top      int
	usage    bool
}

type chatMessage struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	ToolCalls []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
	ToolCallID string `json:"tool_call_id"`
}

type chatCall struct {
	Index    *int   `json:"index,omitempty"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatChoice struct {
	Index   int `json:"index"`
	Message struct {
		Role        string     `json:"role"`
		Content     *string    `json:"content"`
		ToolCalls   []chatCall `json:"tool_calls,omitempty"`
		Refusal     *string    `json:"refusal"`
		Annotations []string   `json:"annotations"`
	} `json:"message"`
	Logprobs     *logprobs `json:"logprobs"`
	FinishReason string    `json:"finish_reason"`
}

type chatCompletion struct {
	ID          string                     `json:"id"`
	Object      string                     `json:"object"`
	Created     int64                      `json:"created"`
	Model       string                     `json:"model"`
	Choices     []chatChoice               `json:"choices"`
	Usage       usage                      `json:"usage"`
	ServiceTier string                     `json:"service_tier"`
	Fingerprint string                     `json:"system_fingerprint"`
	Echo        map[string]json.RawMessage `json:"x_echo,omitempty"`
}

type logprobs struct {
	Content []tokenLogprob `json:"content"`
	Refusal *string        `json:"refusal"`
}

type tokenLogprob struct {
	Token   string         `json:"token"`
	Logprob float64        `json:"logprob"`
	Bytes   []int          `json:"bytes"`
	Top     []tokenLogprob `json:"top_logprobs,omitempty"`
}

func (x *exchange) chat() {
	q, refused := x.chatRequest()
	if refused != nil {
		x.refuse(refused)
		return
	}
	r := x.wall.reply(q.prompt)
	if x.stream {
		x.streamChat(q, r)
		return
	}
	answer := chatCompletion{
		ID: x.id("chatcmpl-"), Object: "chat.completion", Created: time.Now().Unix(), Model: x.model,
		Choices: make([]chatChoice, q.n), Usage: used(tokens(q.size), q.n*r.tokens()),
		ServiceTier: "default", Fingerprint: "fp_wall", Echo: x.echo(chatFields),
	}
	for i := range answer.Choices {
		c := &answer.Choices[i]
		c.Index, c.FinishReason = i, r.finish
		c.Message.Role, c.Message.Annotations = "assistant", []string{}
		if len(r.calls) == 0 {
			text := r.text()
			c.Message.Content = &text
		}
		for _, wanted := range r.calls {
			c.Message.ToolCalls = append(c.Message.ToolCalls, x.chatCall(wanted))
		}
		if q.logprobs {
			c.Logprobs = &logprobs{}
			for _, piece := range r.pieces {
				c.Logprobs.Content = append(c.Logprobs.Content, likely(piece, q.top))
			}
		}
	}
	x.json(answer)
}

func (x *exchange) chatCall(wanted call) chatCall {
	c := chatCall{ID: x.id("call_"), Type: "function"}
	c.Function.Name, c.Function.Arguments = wanted.name, wanted.arguments
	return c
}

// likely invents a probability for a token, and for as many alternatives as were asked for.
func likely(token string, alternatives int) tokenLogprob {
	one := func(token string, logprob float64) tokenLogprob {
		t := tokenLogprob{Token: token, Logprob: logprob}
		for i := range len(token) {
			t.Bytes = append(t.Bytes, int(token[i]))
		}
		return t
	}
	t := one(token, -0.25)
	for i := range alternatives {
		t.Top = append(t.Top, one(token+strings.Repeat("?", i), -0.25-float64(i)))
	}
	return t
}

// chatRequest reads and judges a request, in the order in which the API complains.
func (x *exchange) chatRequest() (*chatRequest, *refusal) {
	if r := x.knows(); r != nil {
		return nil, r
	}
	q := &chatRequest{n: 1, size: len(x.fields["messages"])}
	var err *refusal
	if q.stops, err = x.stops(); err != nil {
		return nil, err
	}
	for _, read := range []func(*chatRequest) *refusal{x.chatMessages, x.chatTools, x.chatFormat, x.chatSampling} {
		if err := read(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (x *exchange) chatMessages(q *chatRequest) *refusal {
	if !x.has("messages") {
		return missing("messages")
	}
	var messages []chatMessage
	if err := x.decode("messages", "an array of objects", &messages); err != nil {
		return err
	}
	if len(messages) == 0 {
		return bad("empty_array", "messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	open := map[string]bool{} // calls that wait for their tool
	for i, m := range messages {
		at := "messages[" + itoa(i) + "]"
		c, ok := readContent(m.Content)
		if !ok {
			return wrongType(at+".content", "one of a string or array of objects")
		}
		switch m.Role {
		case "user":
			q.text, q.results = c.text, nil
		case "assistant":
			clear(open)
			for _, asked := range m.ToolCalls {
				open[asked.ID] = true
			}
		case "tool":
			if !open[m.ToolCallID] {
				return bad("", at+".role", "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			q.results = append(q.results, c.text)
		case "system", "developer", "function":
		case "":
			return missing(at + ".role")
		default:
			return bad("invalid_value", at+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
		q.images += c.images
	}
	return nil
}

type content struct {
	text   string
	images int
}

// readContent reads a message's content: null, a string, or a list of parts. Chat and responses name the parts differently.
func readContent(raw json.RawMessage) (c content, ok bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return c, true
	case raw[0] == '"':
		return c, json.Unmarshal(raw, &c.text) == nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return c, false
	}
	for _, part := range parts {
		switch part.Type {
		case "text", "input_text", "output_text":
			c.text += part.Text
		case "image_url", "input_image":
			c.images++
		case "input_audio", "file", "input_file", "refusal":
		default:
			return c, false
		}
	}
	return c, true
}

func (x *exchange) chatTools(q *chatRequest) *refusal {
	var tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	if err := x.decode("tools", "an array of objects", &tools); err != nil {
		return err
	}
	for i, t := range tools {
		if t.Type != "function" {
			continue
		}
		if t.Function.Name == "" {
			return missing("tools[" + itoa(i) + "].function.name")
		}
		q.tools = append(q.tools, tool{t.Function.Name, t.Function.Parameters})
	}
	q.single = string(x.fields["parallel_tool_calls"]) == "false"
	if !x.has("tool_choice") {
		return nil
	}
	if len(tools) == 0 {
		return bad("", "tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	if raw := x.fields["tool_choice"]; raw[0] == '"' {
		q.choice.mode = x.text("tool_choice")
		return nil
	}
	var one struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	err := x.decode("tool_choice", "one of a string or an object", &one)
	q.choice.name = one.Function.Name
	return err
}

func (x *exchange) chatFormat(q *chatRequest) *refusal {
	var format struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Name   string          `json:"name"`
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := x.decode("response_format", "an object", &format); err != nil {
		return err
	}
	switch format.Type {
	case "", "text":
	case "json_object":
		if !bytes.Contains(bytes.ToLower(x.fields["messages"]), []byte("json")) {
			return bad("", "messages", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
		}
		q.anyJSON = true
	case "json_schema":
		switch {
		case format.JSONSchema.Name == "":
			return missing("response_format.json_schema.name")
		case format.JSONSchema.Schema == nil:
			return missing("response_format.json_schema.schema")
		}
		q.schema = format.JSONSchema.Schema
	default:
		return bad("invalid_value", "response_format.type", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", format.Type)
	}
	return nil
}

func (x *exchange) chatSampling(q *chatRequest) *refusal {
	temperature, legacyLimit := 1.0, 0
	options := (*struct {
		IncludeUsage bool `json:"include_usage"`
	})(nil)
	for _, field := range []struct {
		name, want string
		to         any
	}{
		{"n", "an integer", &q.n},
		{"temperature", "a decimal", &temperature},
		{"max_tokens", "an integer", &legacyLimit},
		{"max_completion_tokens", "an integer", &q.limit},
		{"logprobs", "a boolean", &q.logprobs},
		{"top_logprobs", "an integer", &q.top},
		{"stream_options", "an object", &options},
	} {
		if err := x.decode(field.name, field.want, field.to); err != nil {
			return err
		}
	}
	if q.limit == 0 {
		q.limit = legacyLimit
	}
	switch {
	case q.n < 1 || q.n > maxChoices:
		return bad("integer_out_of_range", "n", "Invalid 'n': expected a value between 1 and %d, but got %d instead.", maxChoices, q.n)
	case temperature < 0 || temperature > 2:
		return bad("decimal_out_of_range", "temperature", "Invalid 'temperature': expected a value between 0 and 2, but got %g instead.", temperature)
	case q.top > 0 && !q.logprobs:
		return bad("", "top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	case options != nil && !x.stream:
		return bad("", "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	q.usage = options != nil && options.IncludeUsage
	return nil
}
