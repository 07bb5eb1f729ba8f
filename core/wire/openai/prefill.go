package openai

import (
	"errors"
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	pMessages = iota
	pN
	prefillCount
)

var prefillKeys = rawjson.NewKeys("messages", "n")

// Prefill appends to dst the request that makes a model go on where the
// client's answer stops: body, a chat request as it would be sent, with the
// answer so far as its last message, the assistant's. Every other byte stays.
//
// The error says why the answer can't be gone on with: it is not one text, or
// it is whole. What some providers want beside the message (vLLM's
// continue_final_message and add_generation_prompt, DeepSeek's and Mistral's
// prefix) is for the target's adapter to add.
func Prefill(dst, body []byte, t *Transcript) ([]byte, error) {
	text, err := Partial(t)
	if err != nil {
		return dst, err
	}
	var at [prefillCount]rawjson.Field
	if err := prefillKeys.Scan(body, rawjson.DefaultDepth, at[:]); err != nil {
		return dst, fmt.Errorf("openai: prefill: %w", err)
	}
	if n := at[pN].Value.Of(body); len(n) > 0 && !isNull(n) && string(n) != "1" {
		return dst, errors.New("openai: prefill: the request asks for several answers")
	}
	messages := at[pMessages].Value
	c := rawjson.Cursor{Doc: messages.Of(body)}
	if !c.Array() {
		return dst, errors.New("openai: prefill: the request has no messages")
	}
	var last []byte
	for c.More() {
		last = c.Skip().Of(c.Doc)
	}
	if role, _ := rawjson.Unquote(rawjson.Child(last, "role")); role == "assistant" {
		// Providers differ in what two of these in a row mean.
		return dst, errors.New("openai: prefill: the client has begun the answer itself")
	}
	end := messages.End - 1 // the closing bracket
	dst = append(dst, body[:end]...)
	if last != nil {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"role":"assistant","content":`...)
	dst = rawjson.AppendQuote(dst, text)
	dst = append(dst, '}')
	return append(dst, body[end:]...), nil
}

// Partial is the text that a client has of an answer which can be gone on with.
func Partial(t *Transcript) (string, error) {
	if err := t.Err(); err != nil {
		return "", err
	}
	switch {
	case t.Endpoint != sdk.Chat:
		return "", errors.New("openai: prefill: only chat has messages")
	case len(t.choices) != 1 || t.choices[0].index != 0:
		return "", errors.New("openai: prefill: there are several answers, or none")
	}
	switch s := &t.choices[0]; {
	case s.finish != nil:
		return "", errors.New("openai: prefill: the answer is whole")
	case len(s.calls) > 0:
		return "", errors.New("openai: prefill: the model is calling a tool")
	case len(s.lanes[laneRefusal]) > 0:
		return "", errors.New("openai: prefill: the model is refusing")
	case len(s.lanes[laneText]) == 0:
		return "", errors.New("openai: prefill: there is no text yet")
	default:
		return string(s.lanes[laneText]), nil
	}
}
