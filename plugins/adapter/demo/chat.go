package demo

import (
	"net/http"
	"strings"
	"time"
)

type chatRequest struct {
	Model               string    `json:"model"`
	Messages            []message `json:"messages"`
	Stream              bool      `json:"stream"`
	N                   int       `json:"n"`
	MaxTokens           *int      `json:"max_tokens"`
	MaxCompletionTokens *int      `json:"max_completion_tokens"`
	ResponseFormat      format    `json:"response_format"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

const maxChoices = 8

func (s *server) chat(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	m, ok := read(w, r, &q, &q.Model, false)
	if !ok {
		return
	}
	if len(q.Messages) == 0 {
		refuse(w, http.StatusBadRequest, "", "messages must not be empty")
		return
	}
	words, complete := limited(wordsOf(say(q.Messages, q.ResponseFormat)), q.MaxCompletionTokens, q.MaxTokens)
	reply := chatReply{
		id: newID("chatcmpl-"), created: time.Now().Unix(), model: m, choices: min(max(q.N, 1), maxChoices),
		words: words, finish: finishReason(complete), prompt: tokensIn(q.Messages), usage: q.StreamOptions.IncludeUsage,
	}
	if q.Stream {
		s.streamChat(w, r, reply)
		return
	}
	if !s.pause(r.Context(), m) {
		return
	}
	choices := make([]object, reply.choices)
	for i := range choices {
		choices[i] = object{
			"index":         i,
			"message":       object{"role": "assistant", "content": strings.Join(words, ""), "refusal": nil},
			"logprobs":      nil,
			"finish_reason": reply.finish,
		}
	}
	answer(w, http.StatusOK, object{
		"id": reply.id, "object": "chat.completion", "created": reply.created, "model": m.id, "choices": choices,
		"usage": reply.spent(), "system_fingerprint": "fp_demo",
	})
}

func finishReason(complete bool) string {
	if complete {
		return "stop"
	}
	return "length"
}

// chatReply is what is said, and how.
type chatReply struct {
	id      string
	created int64
	model   model
	choices int
	words   []string
	finish  string
	prompt  int
	usage   bool // wanted at the end of a stream
}

func (c chatReply) spent() object {
	out := len(c.words) * c.choices
	return object{"prompt_tokens": c.prompt, "completion_tokens": out, "total_tokens": c.prompt + out}
}

// chunk is one event; usage is null in all but the last where it is wanted.
func (c chatReply) chunk(choices []object, usage object) object {
	o := object{
		"id": c.id, "object": "chat.completion.chunk", "created": c.created, "model": c.model.id,
		"system_fingerprint": "fp_demo", "choices": choices,
	}
	if c.usage {
		o["usage"] = usage
	}
	return o
}

func (s *server) streamChat(w http.ResponseWriter, r *http.Request, c chatReply) {
	if !s.pause(r.Context(), c.model) {
		return
	}
	out := newStream(w)
	each := func(delta object, finish any) {
		for i := range c.choices {
			out.event("", c.chunk([]object{{"index": i, "delta": delta, "logprobs": nil, "finish_reason": finish}}, nil))
		}
	}
	each(object{"role": "assistant", "content": "", "refusal": nil}, nil)
	for i, word := range c.words {
		if i > 0 && !s.pause(r.Context(), c.model) || !out.ok() {
			return
		}
		each(object{"content": word}, nil)
	}
	each(object{}, c.finish)
	if c.usage {
		out.event("", c.chunk([]object{}, c.spent()))
	}
	out.done()
}
