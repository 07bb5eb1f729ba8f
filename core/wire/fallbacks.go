package wire

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// MaxFallbacks is how many models a request may name to answer in its place.
const MaxFallbacks = 16

// ReadFallbacks reads our own extension of every format: a JSON array of model
// names.
func ReadFallbacks(raw []byte) ([]string, *Error) {
	if string(raw) == "null" {
		return nil, nil
	}
	wrong := &Error{
		Status: 400, Type: "invalid_request_error", Code: "invalid_type", Param: "fallbacks",
		Message: "must be an array of model names",
	}
	c := rawjson.Cursor{Doc: raw}
	if !c.Array() {
		return nil, wrong
	}
	var names []string
	for c.More() {
		name, ok := rawjson.Unquote(c.Skip().Of(raw))
		if !ok || name == "" {
			return nil, wrong
		}
		names = append(names, name)
	}
	return names, CheckFallbacks(names)
}

// CheckFallbacks refuses too many.
func CheckFallbacks(names []string) *Error {
	if len(names) > MaxFallbacks {
		return &Error{
			Status: 400, Type: "invalid_request_error", Code: "array_above_max_length", Param: "fallbacks",
			Message: fmt.Sprintf("has %d models, at most %d may be named", len(names), MaxFallbacks),
		}
	}
	return nil
}
