package anthropic

import (
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// kindOf is the type that Anthropic sends with a status
// (https://platform.claude.com/docs/en/api/errors). Its SDKs choose the class
// of an error by the status, and programs look at the type.
func kindOf(e *wire.Error) string {
	switch s := e.Status; {
	case e.Code == "insufficient_quota", s == 402:
		return "billing_error"
	case s == 401:
		return "authentication_error"
	case s == 403:
		return "permission_error"
	case s == 404:
		return "not_found_error"
	case s == 409:
		return "conflict_error"
	case s == 413:
		return "request_too_large"
	case s == 429:
		return "rate_limit_error"
	case s == 503, s == 529:
		return "overloaded_error"
	case s == 408, s == 504:
		return "timeout_error"
	case s >= 500 || s == 0:
		return "api_error"
	}
	return "invalid_request_error"
}

// appendError appends an error answer's body.
func appendError(dst []byte, e *wire.Error) []byte {
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(append(dst, kindOf(e)...), `","message":`...)
	text := e.Message
	if e.Param != "" && e.Status == 400 {
		text = e.Param + ": " + text
	}
	return append(rawjson.AppendQuote(dst, text), "}}"...)
}

// appendErrorEvent appends the event that ends a stream which has begun.
func appendErrorEvent(dst []byte, e *wire.Error, _ int64) []byte {
	dst = append(dst, "event: error\ndata: "...)
	return append(appendError(dst, e), "\n\n"...)
}
