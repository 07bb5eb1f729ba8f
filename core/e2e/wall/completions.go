package wall

import (
	"encoding/json"
	"time"
)

// The fields of openai-go's CompletionNewParams.
var completionFields = fields(`prompt model best_of echo frequency_penalty logit_bias logprobs max_tokens n
	presence_penalty seed stop stream stream_options suffix temperature top_p user`)

// defaultLimit is the default of max_tokens on this endpoint, as its long-standing reference gives it.
const defaultLimit = 16

type completionChoice struct {
	Text         string    `json:"text"`
	Index        int       `json:"index"`
	Logprobs     *struct{} `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

type completion struct {
	ID      string                     `json:"id"`
	Object  string                     `json:"object"`
	Created int64                      `json:"created"`
	Model   string                     `json:"model"`
	Choices []completionChoice         `json:"choices"`
	Usage   *usage                     `json:"usage,omitempty"`
	Echo    map[string]json.RawMessage `json:"x_echo,omitempty"`
}

// completeText is the older endpoint: text in, text out, one choice for each prompt.
func (x *exchange) completeText() {
	if r := x.knows(); r != nil {
		x.refuse(r)
		return
	}
	prompts, r := x.strings("prompt")
	limit, options := defaultLimit, struct {
		IncludeUsage bool `json:"include_usage"`
	}{}
	for _, field := range []struct {
		name, want string
		to         any
	}{
		{"max_tokens", "an integer", &limit},
		{"stream_options", "an object", &options},
	} {
		if r == nil {
			r = x.decode(field.name, field.want, field.to)
		}
	}
	if r != nil {
		x.refuse(r)
		return
	}
	stops, r := x.stops()
	if r != nil {
		x.refuse(r)
		return
	}

	answer := completion{ID: x.id("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: x.model, Echo: x.echo(completionFields)}
	total, replies := 0, make([]reply, len(prompts))
	for i, text := range prompts {
		replies[i] = x.wall.reply(prompt{text: text, limit: limit, stops: stops})
		total += replies[i].tokens()
	}
	sum := used(tokens(len(x.fields["prompt"])), total)
	if x.stream {
		x.streamCompletion(answer, replies, sum, options.IncludeUsage)
		return
	}
	for i, r := range replies {
		answer.Choices = append(answer.Choices, completionChoice{Text: r.text(), Index: i, FinishReason: &r.finish})
	}
	answer.Usage = &sum
	x.json(answer)
}

func (x *exchange) streamCompletion(chunk completion, replies []reply, sum usage, usage bool) {
	x.open()
	send := func(choices ...completionChoice) bool {
		chunk.Choices = choices
		x.buf = append(append(append(x.buf[:0], "data: "...), encode(chunk)...), "\n\n"...)
		chunk.Echo = nil // once is enough
		return x.event(x.buf)
	}
	for i, r := range replies {
		for n, piece := range r.pieces {
			choice := completionChoice{Text: piece, Index: i}
			if n == len(r.pieces)-1 {
				choice.FinishReason = &r.finish
				// A cut must come before the stream looks finished.
				if x.cut != nil && i == len(replies)-1 && !x.strikeNow() {
					return
				}
			}
			if !send(choice) {
				return
			}
		}
	}
	if usage {
		chunk.Usage = &sum
		if !send([]completionChoice{}...) {
			return
		}
	}
	x.last(done)
}

// strings reads a field that is a text, a list of texts, or token numbers in place of either.
func (x *exchange) strings(name string) ([]string, *refusal) {
	if !x.has(name) {
		return nil, missing(name)
	}
	raw := x.fields[name]
	if raw[0] == '"' {
		return []string{x.text(name)}, nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		if len(texts) == 0 {
			return nil, bad("empty_array", name, "Invalid '%s': empty array.", name)
		}
		return texts, nil
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil {
		return []string{string(raw)}, nil
	}
	var lists [][]int
	if json.Unmarshal(raw, &lists) != nil {
		return nil, wrongType(name, "a string or an array")
	}
	texts = nil // what did not fit above left its traces
	for _, numbers := range lists {
		texts = append(texts, string(encode(numbers)))
	}
	return texts, nil
}
