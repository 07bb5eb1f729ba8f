package gemini

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// codeOf is the code of Google's that stands for a status
// (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
// SDKs choose the class of an error by the status, and programs look at the code.
func codeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "ABORTED"
	case http.StatusTooManyRequests, http.StatusPaymentRequired:
		return "RESOURCE_EXHAUSTED"
	case http.StatusInternalServerError:
		return "INTERNAL"
	case http.StatusNotImplemented:
		return "UNIMPLEMENTED"
	case http.StatusBadGateway, http.StatusServiceUnavailable, 529:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "DEADLINE_EXCEEDED"
	}
	if status > http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// appendError appends an error answer's body.
func appendError(dst []byte, e *wire.Error) []byte {
	status := e.Status
	if status < http.StatusBadRequest {
		status = http.StatusInternalServerError
	}
	dst = strconv.AppendInt(append(dst, `{"error":{"code":`...), int64(status), 10)
	message := e.Message
	if e.Param != "" && status == http.StatusBadRequest {
		message = e.Param + ": " + message
	}
	dst = rawjson.AppendQuote(append(dst, `,"message":`...), message)
	return append(append(append(dst, `,"status":"`...), codeOf(status)...), `"}}`...)
}

// appendErrorEvent appends the event that ends a stream which has begun.
func appendErrorEvent(dst []byte, e *wire.Error, _ int64) []byte {
	return append(appendError(append(dst, "data: "...), e), "\n\n"...)
}

// failure reads an error answer. Where Google says less by its status than others
// do, the words decide: a wrong key is a 400, and so is a prompt that is too long.
func failure(status int, header http.Header, body []byte) wire.Failure {
	f := openai.ReadError(status, header, body)
	if status < http.StatusBadRequest {
		return f // inside a stream: its code is the status
	}
	m := strings.ToLower(f.Message)
	switch {
	case strings.Contains(m, "api key not valid"), strings.Contains(m, "api key expired"), strings.Contains(m, "api key not found"):
		f.Hint = wire.BadKey
	case status == http.StatusBadRequest && strings.Contains(m, "token count") && strings.Contains(m, "exceeds the maximum"):
		f.Hint = wire.ContextTooLong
	}
	known := openai.Fault(status, f.Message)
	f.Code, f.Type = known.Code, known.Type
	return f
}
