package demo

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"
)

type responseRequest struct {
	Model           string  `json:"model"`
	Input           input   `json:"input"`
	Instructions    *string `json:"instructions"`
	Stream          bool    `json:"stream"`
	MaxOutputTokens *int    `json:"max_output_tokens"`
	Text            struct {
		Format format `json:"format"`
	} `json:"text"`
	Metadata json.RawMessage `json:"metadata"`
}

// input is what the user says, or a list of items.
type input []message

// UnmarshalJSON takes both forms.
func (in *input) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*in = input{{Role: "user", Content: content(one)}}
		return nil
	}
	return json.Unmarshal(b, (*[]message)(in))
}

func (s *server) respond(w http.ResponseWriter, r *http.Request) {
	var q responseRequest
	m, ok := read(w, r, &q, &q.Model, false)
	if !ok {
		return
	}
	if len(q.Input) == 0 {
		refuse(w, http.StatusBadRequest, "", "input must not be empty")
		return
	}
	words, complete := limited(wordsOf(say(q.Input, q.Text.Format)), q.MaxOutputTokens)
	reply := responseReply{
		request: q, id: newID("resp_"), item: newID("msg_"), created: time.Now().Unix(), words: words, complete: complete,
	}
	if !s.pause(r.Context(), m) {
		return
	}
	if !q.Stream {
		answer(w, http.StatusOK, reply.end())
		return
	}
	s.streamResponse(w, r, m, reply)
}

// responseReply is what is said, and how.
type responseReply struct {
	request  responseRequest
	id, item string
	created  int64
	words    []string
	complete bool
}

func (a responseReply) status() string {
	if a.complete {
		return "completed"
	}
	return "incomplete"
}

func (a responseReply) part(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func (a responseReply) message(status string, parts ...object) object {
	return object{"id": a.item, "type": "message", "status": status, "role": "assistant", "content": append([]object{}, parts...)}
}

// begin is the response before anything was said.
func (a responseReply) begin() object {
	var metadata any = object{}
	if len(a.request.Metadata) > 0 {
		metadata = a.request.Metadata
	}
	kind := a.request.Text.Format.Type
	if kind == "" {
		kind = "text"
	}
	return object{
		"id": a.id, "object": "response", "created_at": a.created, "status": "in_progress", "background": false,
		"error": nil, "incomplete_details": nil, "instructions": a.request.Instructions,
		"max_output_tokens": a.request.MaxOutputTokens, "model": a.request.Model, "output": []any{},
		"parallel_tool_calls": true, "previous_response_id": nil,
		"reasoning": object{"effort": nil, "summary": nil}, "store": false, "temperature": 1.0, "top_p": 1.0,
		"text": object{"format": object{"type": kind}}, "tool_choice": "auto", "tools": []any{},
		"truncation": "disabled", "usage": nil, "user": nil, "metadata": metadata,
	}
}

// end is the response with all that was said.
func (a responseReply) end() object {
	o := maps.Clone(a.begin())
	o["status"] = a.status()
	o["output"] = []object{a.message(a.status(), a.part(strings.Join(a.words, "")))}
	if !a.complete {
		o["incomplete_details"] = object{"reason": "max_output_tokens"}
	}
	in, out := tokensIn(a.request.Input), len(a.words)
	o["usage"] = object{
		"input_tokens": in, "input_tokens_details": object{"cached_tokens": 0},
		"output_tokens": out, "output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": in + out,
	}
	return o
}

func (s *server) streamResponse(w http.ResponseWriter, r *http.Request, m model, a responseReply) {
	out := newStream(w)
	sequence := 0
	send := func(kind string, fields object) {
		fields["type"], fields["sequence_number"] = kind, sequence
		sequence++
		out.event(kind, fields)
	}
	at := func(fields object) object {
		fields["output_index"] = 0
		return fields
	}
	inPart := func(fields object) object {
		fields["item_id"], fields["content_index"] = a.item, 0
		return at(fields)
	}

	send("response.created", object{"response": a.begin()})
	send("response.in_progress", object{"response": a.begin()})
	send("response.output_item.added", at(object{"item": a.message("in_progress")}))
	send("response.content_part.added", inPart(object{"part": a.part("")}))
	for i, word := range a.words {
		if i > 0 && !s.pause(r.Context(), m) || !out.ok() {
			return
		}
		send("response.output_text.delta", inPart(object{"delta": word, "logprobs": []any{}}))
	}
	text := strings.Join(a.words, "")
	send("response.output_text.done", inPart(object{"text": text, "logprobs": []any{}}))
	send("response.content_part.done", inPart(object{"part": a.part(text)}))
	send("response.output_item.done", at(object{"item": a.message(a.status(), a.part(text))}))
	send("response."+a.status(), object{"response": a.end()})
}
