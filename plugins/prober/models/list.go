package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	maxModels = 20_000 // of one list; the rest is left out
	maxID     = 256    // bytes of a model's name; a longer one is left out
)

// entry is one model in the forms of many providers.
type entry struct {
	ID      text   `json:"id"`
	Name    text   `json:"name"`
	Created number `json:"created"`
	OwnedBy text   `json:"owned_by"`

	// How long its context is: the first that says so.
	ContextLength    number `json:"context_length"`     // OpenRouter, Together, Moonshot
	ContextWindow    number `json:"context_window"`     // Groq
	MaxModelLen      number `json:"max_model_len"`      // vLLM
	MaxContextLength number `json:"max_context_length"` // Mistral, LM Studio
	MaxInputTokens   number `json:"max_input_tokens"`   // LiteLLM
	InputTokenLimit  number `json:"inputTokenLimit"`    // Gemini

	// How long an answer may be.
	TopProvider         limits `json:"top_provider"`          // OpenRouter
	MaxCompletionTokens number `json:"max_completion_tokens"` // Groq
	MaxOutputTokens     number `json:"max_output_tokens"`     // LiteLLM
	OutputTokenLimit    number `json:"outputTokenLimit"`      // Gemini

	Pricing pricing `json:"pricing"`
}

// parseList reads {"data": [...]}, {"models": [...]} or a bare array, of
// objects or of names. Models that are there twice are listed once.
func parseList(body []byte) ([]sdk.ModelInfo, error) {
	items, err := itemsOf(body)
	if err != nil {
		return nil, err
	}
	list := make([]sdk.ModelInfo, 0, min(len(items), maxModels))
	seen := make(map[string]bool, min(len(items), maxModels))
	for _, item := range items {
		if len(list) == maxModels {
			break
		}
		m, ok := modelOf(item)
		if ok && !seen[m.ID] {
			seen[m.ID] = true
			list = append(list, m)
		}
	}
	if len(list) == 0 && len(items) > 0 {
		return nil, fmt.Errorf("none of its %d entries names a model", len(items))
	}
	return list, nil
}

func itemsOf(body []byte) ([]json.RawMessage, error) {
	var items []json.RawMessage
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		if err := json.Unmarshal(body, &items); err != nil {
			return nil, errors.New("it is cut off or no JSON")
		}
		return items, nil
	}
	var outer struct {
		Data   *[]json.RawMessage `json:"data"`
		Models *[]json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return nil, errors.New("it is no JSON, or in no known form")
	}
	switch {
	case outer.Data != nil:
		return *outer.Data, nil
	case outer.Models != nil:
		return *outer.Models, nil
	default:
		return nil, errors.New("it has no field data")
	}
}

func modelOf(item json.RawMessage) (sdk.ModelInfo, bool) {
	var e entry
	if json.Unmarshal(item, &e) != nil && json.Unmarshal(item, &e.ID) != nil {
		return sdk.ModelInfo{}, false
	}
	m := sdk.ModelInfo{ID: string(e.ID), Created: int64(e.Created), OwnedBy: string(e.OwnedBy)}
	if m.ID == "" {
		m.ID = strings.TrimPrefix(string(e.Name), "models/") // Gemini's
	}
	for _, n := range []number{e.ContextLength, e.ContextWindow, e.MaxModelLen, e.MaxContextLength, e.MaxInputTokens, e.InputTokenLimit} {
		if n > 0 {
			m.ContextTokens = int64(n)
			break
		}
	}
	for _, n := range []number{e.TopProvider.MaxCompletionTokens, e.MaxCompletionTokens, e.MaxOutputTokens, e.OutputTokenLimit} {
		if n > 0 {
			m.OutputTokens = int64(n)
			break
		}
	}
	m.Price = sdk.Price(e.Pricing)
	return m, isName(m.ID)
}

// isName keeps out what would break a log, a header or a metric.
func isName(id string) bool {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
}

// text is a string; of any other type it is empty, so that one odd field does
// not lose a model.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// number is a whole number from 0 on, written as 4096, 4096.0 or "4096"; what
// is none is 0.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	var f json.Number
	if json.Unmarshal(b, &f) == nil {
		if v, err := f.Float64(); err == nil && v >= 0 && v < math.MaxInt64/2 {
			*n = number(v)
		}
	}
	return nil
}
