package wall

import (
	"fmt"
	"net/http"
)

// refusal is an error answer. Texts, types and codes are those that the API itself sends; see
// https://developers.openai.com/api/docs/guides/error-codes.
type refusal struct {
	status  int
	message string
	kind    string
	param   string
	code    string
	header  map[string]string
}

const invalid = "invalid_request_error"

// body is OpenAI's error shape: param and code are there, and null when they say nothing.
func (r *refusal) body() []byte {
	b := append([]byte(nil), `{"error":{"message":`...)
	b = appendJSON(b, r.message)
	b = appendJSON(append(b, `,"type":`...), r.kind)
	b = appendOrNull(append(b, `,"param":`...), r.param)
	b = appendOrNull(append(b, `,"code":`...), r.code)
	return append(b, "}}"...)
}

// bodyFor is the shape of the API that a request was for.
func (r *refusal) bodyFor(q *http.Request) []byte {
	switch {
	case isGemini(q):
		return r.geminiBody()
	case isOllama(q):
		return r.ollamaBody()
	case isCohere(q):
		return r.cohereBody()
	case isAnthropic(q):
		return r.anthropicBody()
	}
	return r.body()
}

func appendOrNull(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendJSON(b, text)
}

func (r *refusal) retryAfter(value string) *refusal {
	if value != "" {
		r.header = map[string]string{"Retry-After": value}
	}
	return r
}

func noKey() *refusal {
	return &refusal{status: http.StatusUnauthorized, kind: invalid, message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."}
}

func wrongKey(key string) *refusal {
	if len(key) > 8 {
		key = key[:3] + "****" + key[len(key)-4:]
	}
	return &refusal{
		status: http.StatusUnauthorized, kind: invalid, code: "invalid_api_key",
		message: "Incorrect API key provided: " + key + ". You can find your API key at https://platform.openai.com/account/api-keys.",
	}
}

func noSuchURL(r *http.Request) *refusal {
	return &refusal{status: http.StatusNotFound, kind: invalid, message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)}
}

func wrongMethod(r *http.Request) *refusal {
	return &refusal{
		status: http.StatusMethodNotAllowed, kind: invalid, code: "method_not_supported",
		message: fmt.Sprintf("Not allowed to %s on %s.", r.Method, r.URL.Path),
	}
}

func notJSON() *refusal {
	return &refusal{status: http.StatusBadRequest, kind: invalid, message: "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"}
}

func notMultipart() *refusal {
	return &refusal{status: http.StatusBadRequest, kind: invalid, message: "Could not parse multipart form"}
}

func noModel() *refusal {
	return &refusal{status: http.StatusBadRequest, kind: invalid, message: "you must provide a model parameter"}
}

func unknownModel(name string) *refusal {
	return &refusal{
		status: http.StatusNotFound, kind: invalid, code: "model_not_found",
		message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", name),
	}
}

func missing(param string) *refusal {
	return bad("missing_required_parameter", param, "Missing required parameter: '%s'.", param)
}

func wrongType(param, want string) *refusal {
	return bad("invalid_type", param, "Invalid type for '%s': expected %s.", param, want)
}

func bad(code, param, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, kind: invalid, code: code, param: param, message: fmt.Sprintf(format, args...)}
}

func noQuota() *refusal {
	return &refusal{
		status: http.StatusTooManyRequests, kind: "insufficient_quota", code: "insufficient_quota",
		message: "You exceeded your current quota, please check your plan and billing details.",
	}
}

// failure is what the API says along with an error status.
func failure(status int) *refusal {
	r := &refusal{status: status, kind: invalid, message: http.StatusText(status)}
	switch status {
	case http.StatusUnauthorized:
		return wrongKey("sk-revoked-key")
	case http.StatusForbidden:
		r.kind, r.code, r.message = "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"
	case http.StatusNotFound:
		return unknownModel("gone")
	case http.StatusTooManyRequests:
		r.kind, r.code, r.message = "requests", "rate_limit_exceeded", "Rate limit reached for requests. Limit: 3 / min. Please try again in 20s."
	case http.StatusServiceUnavailable:
		r.kind, r.message = "server_error", "The engine is currently overloaded, please try again later"
	default:
		if status >= http.StatusInternalServerError {
			r.kind, r.message = "server_error", "The server had an error while processing your request. Sorry about that!"
		}
	}
	return r
}
