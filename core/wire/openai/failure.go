package openai

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// ReadError reads an upstream's error answer. The body may be cut off anywhere,
// empty, HTML or plain text; what cannot be read is left empty.
func ReadError(status int, header http.Header, body []byte) wire.Failure {
	f := wire.Failure{Error: readErrorBody(body)}
	f.Status = status
	f.Hint = hint(&f.Error)
	f.RetryAfter = waitOf(&f, header, body)
	return f
}

// Failed is an error in the middle of a stream of chat, for a client of another
// format. Some providers put the status into its code.
func Failed(data []byte) *wire.Error {
	e := readErrorBody(data)
	if e.Status, _ = strconv.Atoi(e.Code); e.Status < http.StatusBadRequest || e.Status > 599 {
		e.Status = http.StatusBadGateway
	}
	return &e
}

// ErrorIn is an error in the place of an answer, whose status is not told.
func ErrorIn(body []byte) *wire.Error {
	e := readErrorBody(body)
	return &e
}

// readErrorBody finds type, code, param and message in the shapes that providers use:
//
//	{"error":{"message","type","param","code"}}       OpenAI and most others
//	{"error":"message"}                               Ollama
//	[{"error":{"code","message","status"}}]           Gemini's OpenAI endpoint
//	{"object":"error","message","type","code"}        vLLM, Mistral
//	{"detail":"message"} or {"detail":{...}}          FastAPI: vLLM, TGI and proxies
//	{"code","message"}                                SiliconFlow
//	{"type":"response.failed","response":{"error":{}}}
//
// An inner object's word counts more than the outer one's.
func readErrorBody(body []byte) wire.Error {
	var e wire.Error
	c := rawjson.Cursor{Doc: body}
	if c.Array() {
		c.More()
	}
	if c.Object() {
		readErrorObject(&c, &e, 0)
	} else if text := strings.TrimSpace(string(body)); text != "" && text[0] != '<' {
		e.Message = text // plain text; of HTML nobody learns anything
	}
	return e
}

func readErrorObject(c *rawjson.Cursor, e *wire.Error, depth int) {
	var inner wire.Error
	for c.Key() {
		switch string(c.Name) {
		case "message":
			if depth < 2 && c.Object() { // Mistral: {"message":{"detail":[...]}}
				readErrorObject(c, &inner, depth+1)
				continue
			}
			e.Message = scalar(c)
		case "type":
			e.Type = scalar(c)
		case "status": // Google's, such as RESOURCE_EXHAUSTED; not a number, not a response's failed
			if s, ok := c.Text(); ok && e.Type == "" && s == strings.ToUpper(s) {
				e.Type = s
			}
		case "param":
			e.Param = scalar(c)
		case "code":
			e.Code = scalar(c)
		case "error", "detail", "response":
			if depth < 2 && c.Object() {
				readErrorObject(c, &inner, depth+1)
				continue
			}
			if s := scalar(c); s != "" {
				inner.Message = s
			}
		default:
			c.Skip()
		}
	}
	for _, f := range []struct{ outer, inner *string }{
		{&e.Message, &inner.Message}, {&e.Type, &inner.Type}, {&e.Param, &inner.Param}, {&e.Code, &inner.Code},
	} {
		if *f.inner != "" {
			*f.outer = *f.inner
		}
	}
}

// scalar reads the next value if it is a string or a number, and skips it if not.
func scalar(c *rawjson.Cursor) string {
	switch b := c.Peek(); {
	case b == '"':
		s, _ := c.Text()
		return s
	case b == '-' || b >= '0' && b <= '9':
		return string(c.Skip().Of(c.Doc))
	}
	c.Skip()
	return ""
}

// hint reads what the words say. Codes come first, since messages vary; of
// messages only such phrases count as a provider's API was seen to send.
// Sources: OpenAI's guide (see [Fault]); credit_balance_exhausted and slow_down
// https://www.developersdigest.tech/errors/api/openai-api; context sizes of
// DeepSeek https://github.com/evalstate/fast-agent/issues/621 and llama.cpp
// https://github.com/continuedev/continue/issues/12735, Ollama
// https://github.com/nano-step/nano-brain/issues/208 and Cohere
// https://github.com/cohere-ai/sandbox-topically/issues/4; Azure's filter
// https://github.com/openai/openai-dotnet/issues/55; 402 of OpenRouter and
// Together https://docs.together.ai/docs/error-codes; Gemini speaks of a quota
// when it means a rate https://github.com/RooCodeInc/Roo-Code/issues/3883.
func hint(e *wire.Error) wire.Hint {
	for _, word := range [...]string{e.Code, e.Type} {
		if h, ok := codeHints[strings.ToLower(word)]; ok {
			return h
		}
	}
	m := strings.ToLower(e.Message)
	has := func(any ...string) bool {
		for _, s := range any {
			if strings.Contains(m, s) {
				return true
			}
		}
		return false
	}
	switch {
	case has("maximum context length", "context length exceeded", "context window", "available context size", "prompt is too long", "input is too long",
		"exceeds the context length", "too many tokens:"):
		return wire.ContextTooLong
	case has("content management policy", "content policy", "content filter", "responsibleaipolicyviolation"):
		return wire.ContentFiltered
	case e.Status == http.StatusPaymentRequired,
		has("exceeded your current quota", "insufficient balance", "insufficient credits", "balance is not enough", "credit balance is too low", "billing hard limit"):
		return wire.QuotaExhausted
	case e.Status == 529, has("overloaded", "no capacity", "at capacity"): // 529 is Anthropic's
		return wire.Overloaded
	case e.Status == http.StatusTooManyRequests,
		e.Status == http.StatusForbidden && has("rate limit", "rate_limit", "ratelimit", "too many requests", "throttl", "rpm limit", "tpm limit", "per minute"):
		return wire.RateLimited
	case e.Status == http.StatusUnauthorized:
		return wire.BadKey
	case has("model") && has("not found", "does not exist", "not exist", "not supported", "unknown model", "no such model") &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusBadRequest):
		return wire.ModelMissing
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		return wire.WrongURL
	}
	return wire.NoHint
}

var codeHints = map[string]wire.Hint{
	"insufficient_quota":         wire.QuotaExhausted,
	"credit_balance_exhausted":   wire.QuotaExhausted,
	"billing_hard_limit_reached": wire.QuotaExhausted,
	"billing_not_active":         wire.QuotaExhausted,
	"billing_error":              wire.QuotaExhausted, // Anthropic's

	"rate_limit_exceeded": wire.RateLimited,
	"rate_limit_error":    wire.RateLimited,
	"slow_down":           wire.RateLimited,
	"resource_exhausted":  wire.RateLimited,

	"invalid_api_key":      wire.BadKey,
	"authentication_error": wire.BadKey,

	"model_not_found":    wire.ModelMissing,
	"deploymentnotfound": wire.ModelMissing,
	// Azure's, of a deployment whose model has no such endpoint.
	"operationnotsupported": wire.ModelMissing,

	"unknown_url":          wire.WrongURL,
	"method_not_supported": wire.WrongURL,
	"server_is_overloaded": wire.Overloaded,
	"overloaded_error":     wire.Overloaded,
	"content_filter":       wire.ContentFiltered,
	"moderation_blocked":   wire.ContentFiltered,

	"content_policy_violation":       wire.ContentFiltered,
	"image_content_policy_violation": wire.ContentFiltered,
	"responsibleaipolicyviolation":   wire.ContentFiltered,
	"context_length_exceeded":        wire.ContextTooLong,
	"exceed_context_size_error":      wire.ContextTooLong,
}

// maxRetryAfter is the longest wait that is believed.
const maxRetryAfter = 7 * 24 * time.Hour

// retryAfter reads retry-after-ms, which beats retry-after, in seconds, with a
// fraction or not, or as an HTTP date (RFC 9110, section 10.2.3), counted from
// the answer's own Date so that a wrong clock does not matter. Negative, huge
// or meaningless values are none.
func retryAfter(h http.Header) time.Duration {
	if d := delay(h.Get("Retry-After-Ms"), time.Millisecond); d > 0 {
		return d
	}
	value := h.Get("Retry-After")
	if d := delay(value, time.Second); d > 0 {
		return d
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	if d := at.Sub(now); d > 0 && d <= maxRetryAfter {
		return d
	}
	return 0
}

func delay(value string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n > float64(maxRetryAfter/unit) {
		return 0
	}
	return time.Duration(n * float64(unit))
}
