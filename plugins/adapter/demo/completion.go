package demo

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

type completionRequest struct {
	Model         string `json:"model"`
	Prompt        prompt `json:"prompt"`
	Stream        bool   `json:"stream"`
	MaxTokens     *int   `json:"max_tokens"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// prompt is one string or several, which are answered one by one.
type prompt []string

// UnmarshalJSON takes both forms.
func (p *prompt) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*p = prompt{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(p))
}

func (s *server) complete(w http.ResponseWriter, r *http.Request) {
	var q completionRequest
	m, ok := read(w, r, &q, &q.Model, false)
	if !ok {
		return
	}
	if len(q.Prompt) == 0 || len(q.Prompt) > maxChoices {
		refuse(w, http.StatusBadRequest, "", "prompt must be one string, or up to 8")
		return
	}
	id, created := newID("cmpl-"), time.Now().Unix()
	form := func(choices []object, usage object) object {
		o := object{"id": id, "object": "text_completion", "created": created, "model": m.id, "choices": choices}
		if usage != nil {
			o["usage"] = usage
		}
		return o
	}
	choice := func(i int, text string, finish any) object {
		return object{"index": i, "text": text, "logprobs": nil, "finish_reason": finish}
	}

	answers := make([][]string, len(q.Prompt))
	finish := make([]string, len(q.Prompt))
	in, out := 0, 0
	for i, p := range q.Prompt {
		asked := []message{{Role: "user", Content: content(p)}}
		words, complete := limited(wordsOf(say(asked, format{})), q.MaxTokens)
		answers[i], finish[i] = words, finishReason(complete)
		in, out = in+tokensIn(asked), out+len(words)
	}
	usage := object{"prompt_tokens": in, "completion_tokens": out, "total_tokens": in + out}

	if !s.pause(r.Context(), m) {
		return
	}
	if !q.Stream {
		choices := make([]object, len(answers))
		for i, words := range answers {
			choices[i] = choice(i, strings.Join(words, ""), finish[i])
		}
		answer(w, http.StatusOK, form(choices, usage))
		return
	}
	events := newStream(w)
	for i, words := range answers {
		for _, word := range words {
			events.event("", form([]object{choice(i, word, nil)}, nil))
			if !events.ok() || !s.pause(r.Context(), m) {
				return
			}
		}
		events.event("", form([]object{choice(i, "", finish[i])}, nil))
	}
	if q.StreamOptions.IncludeUsage {
		events.event("", form([]object{}, usage))
	}
	events.done()
}
