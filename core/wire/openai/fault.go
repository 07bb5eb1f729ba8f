package openai

import (
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Fault makes an error for a client, with the type and code that OpenAI sends
// with a status. SDKs choose their exception class by the status alone
// (openai-node src/core/error.ts: 400 BadRequest, 401 Authentication, 403
// PermissionDenied, 404 NotFound, 409 Conflict, 422 UnprocessableEntity, 429
// RateLimit, 500 and up InternalServer); programs look at the code.
//
// Types and codes are those of
// https://developers.openai.com/api/docs/guides/error-codes and of answers seen
// in the wild: 401 https://github.com/continuedev/continue/issues/12660, 403
// https://github.com/home-assistant/core/issues/120072, 429 with
// insufficient_quota https://github.com/chatanywhere/GPT_API_free/issues/229.
// A caller that knows better overwrites the code: [NoQuota] for a 429,
// [NoModel] for a 404.
func Fault(status int, message string) *wire.Error {
	e := &wire.Error{Status: status, Type: "invalid_request_error", Message: message}
	switch status {
	case 401:
		e.Code = "invalid_api_key"
	case 403:
		e.Type, e.Code = "request_forbidden", "permission_denied"
	case 405:
		e.Code = "method_not_supported"
	case 408:
		e.Type, e.Code = "api_error", "request_timeout"
	case 413:
		e.Code = "request_too_large"
	case 429:
		e.Type, e.Code = "rate_limit_error", "rate_limit_exceeded"
	case 500:
		e.Type = "server_error"
	case 502:
		e.Type, e.Code = "api_error", "bad_gateway"
	case 503:
		e.Type, e.Code = "service_unavailable_error", "server_is_overloaded"
	case 504:
		e.Type, e.Code = "api_error", "gateway_timeout"
	default:
		if status > 500 {
			e.Type = "api_error"
		}
	}
	return e
}

// NoModel is the error for a model that nobody here has, in OpenAI's words.
func NoModel(model string) *wire.Error {
	e := Fault(404, "The model `"+model+"` does not exist or you do not have access to it.")
	e.Code, e.Param = "model_not_found", "model"
	return e
}

// NoQuota is the error for a caller that has spent what it may.
func NoQuota(message string) *wire.Error {
	e := Fault(429, message)
	e.Type, e.Code = "insufficient_quota", "insufficient_quota"
	return e
}

// AppendError appends an error answer's body: {"error":{...}}.
func AppendError(dst []byte, e *wire.Error) []byte {
	dst = append(dst, `{"error":`...)
	dst = appendErrorObject(dst, e)
	return append(dst, '}')
}

// AppendErrorEvent appends the event that ends a stream which has begun. No
// [DONE] may follow it.
//
// Chat and completions clients look for an error key in the data
// (openai-go packages/ssestream, openai-node src/core/streaming.ts). Events of
// the others have a type: a ResponseErrorEvent's fields are at the top
// (openai-go responses/response.go), but openai-node reads an event named error
// by its error key, so they are given in both places. sequence is the number
// that the event has in a responses stream.
func AppendErrorEvent(dst []byte, endpoint sdk.Endpoint, e *wire.Error, sequence int64) []byte {
	switch endpoint {
	case sdk.Chat, sdk.Completions:
		dst = append(dst, "data: "...)
		dst = AppendError(dst, e)
	default:
		dst = append(dst, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":"...)
		dst = strconv.AppendInt(dst, sequence, 10)
		dst = append(dst, `,"code":`...)
		dst = appendOrNull(dst, e.Code)
		dst = append(dst, `,"message":`...)
		dst = rawjson.AppendQuote(dst, e.Message)
		dst = append(dst, `,"param":`...)
		dst = appendOrNull(dst, e.Param)
		dst = append(dst, `,"error":`...)
		dst = appendErrorObject(dst, e)
		dst = append(dst, '}')
	}
	return append(dst, "\n\n"...)
}

func appendErrorObject(dst []byte, e *wire.Error) []byte {
	dst = append(dst, `{"message":`...)
	dst = rawjson.AppendQuote(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = rawjson.AppendQuote(dst, e.Type)
	dst = append(dst, `,"param":`...)
	dst = appendOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendOrNull(dst, e.Code)
	return append(dst, '}')
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return rawjson.AppendQuote(dst, s)
}
