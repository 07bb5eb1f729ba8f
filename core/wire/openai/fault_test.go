package openai_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestAppendError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  *wire.Error
		want string
	}{
		{openai.Fault(400, `say "x"`), `{"error":{"message":"say \"x\"","type":"invalid_request_error","param":null,"code":null}}`},
		{openai.Fault(401, "m"), `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`},
		{openai.Fault(403, "m"), `{"error":{"message":"m","type":"request_forbidden","param":null,"code":"permission_denied"}}`},
		{openai.NoModel("gpt-9"), "{\"error\":{\"message\":\"The model `gpt-9` does not exist or you do not have access to it.\",\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":\"model_not_found\"}}"},
		{openai.Fault(404, "m"), `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}`},
		{openai.Fault(405, "m"), `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"method_not_supported"}}`},
		{openai.Fault(408, "m"), `{"error":{"message":"m","type":"api_error","param":null,"code":"request_timeout"}}`},
		{openai.Fault(413, "m"), `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"request_too_large"}}`},
		{openai.Fault(429, "m"), `{"error":{"message":"m","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`},
		{openai.NoQuota("m"), `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`},
		{openai.Fault(500, "m"), `{"error":{"message":"m","type":"server_error","param":null,"code":null}}`},
		{openai.Fault(502, "m"), `{"error":{"message":"m","type":"api_error","param":null,"code":"bad_gateway"}}`},
		{openai.Fault(503, "m"), `{"error":{"message":"m","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}`},
		{openai.Fault(504, "m"), `{"error":{"message":"m","type":"api_error","param":null,"code":"gateway_timeout"}}`},
		{openai.Fault(529, "m"), `{"error":{"message":"m","type":"api_error","param":null,"code":null}}`},
	} {
		if got := string(openai.AppendError(nil, tc.err)); got != tc.want {
			t.Errorf("%d: got  %s\nwant %s", tc.err.Status, got, tc.want)
		}
	}
}

// TestErrorEvents reads the events as clients do.
func TestErrorEvents(t *testing.T) {
	t.Parallel()
	fault := openai.Fault(502, "the stream\nwas cut")
	for _, endpoint := range []sdk.Endpoint{sdk.Chat, sdk.Completions, sdk.Responses, sdk.Transcription} {
		var s sse.Splitter
		var e sse.Event
		s.Feed(openai.AppendErrorEvent(nil, endpoint, fault, 7))
		if !s.Next(&e) {
			t.Fatalf("%s: no event", endpoint)
		}
		if openai.Classify(endpoint, &e) != wire.Failed {
			t.Errorf("%s: %s is no failure to ourselves", endpoint, e.Data)
		}
		var got struct {
			Type, Code, Message string
			Param               *string
			SequenceNumber      int64 `json:"sequence_number"`
			Error               *struct{ Message, Type, Code string }
		}
		if err := json.Unmarshal(e.Data, &got); err != nil {
			t.Fatal(err)
		}
		if got.Error == nil || got.Error.Message != fault.Message || got.Error.Code != "bad_gateway" || got.Error.Type != "api_error" {
			t.Errorf("%s: error key %+v", endpoint, got.Error)
		}
		typed := endpoint == sdk.Responses || endpoint == sdk.Transcription
		if (string(e.Type) == "error") != typed || (got.Type == "error") != typed {
			t.Errorf("%s: event %q, type %q", endpoint, e.Type, got.Type)
		}
		if typed && (got.Code != "bad_gateway" || got.Message != fault.Message || got.SequenceNumber != 7) {
			t.Errorf("%s: fields %+v", endpoint, got)
		}
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   wire.Error
		hint   wire.Hint
	}{
		{name: "OpenAI, out of quota", status: 429, body: `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			want: wire.Error{Message: "You exceeded your current quota", Type: "insufficient_quota", Code: "insufficient_quota"}, hint: wire.QuotaExhausted},
		{name: "OpenAI, out of credit", status: 429, body: `{"error":{"message":"m","type":"insufficient_quota","code":"credit_balance_exhausted"}}`,
			want: wire.Error{Message: "m", Type: "insufficient_quota", Code: "credit_balance_exhausted"}, hint: wire.QuotaExhausted},
		{name: "OpenAI, too fast", status: 429, body: `{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}`,
			want: wire.Error{Message: "Rate limit reached", Type: "tokens", Code: "rate_limit_exceeded"}, hint: wire.RateLimited},
		{name: "cut off", status: 429, body: `{"error":{"code":"insufficient_quota","type":"t","message":"You exc`,
			want: wire.Error{Message: "You exc", Type: "t", Code: "insufficient_quota"}, hint: wire.QuotaExhausted},
		{name: "cut off, only the message is there", status: 429, body: `{"error":{"message":"You exceeded your current quota, please che`,
			want: wire.Error{Message: "You exceeded your current quota, please che"}, hint: wire.QuotaExhausted},
		{name: "Gemini speaks of a quota and means a rate", status: 429, body: `[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"x":1}]}}]`,
			want: wire.Error{Message: "You exceeded your current quota", Type: "RESOURCE_EXHAUSTED", Code: "429"}, hint: wire.RateLimited},
		{name: "a 429 that says nothing", status: 429, hint: wire.RateLimited},
		{name: "engine overloaded", status: 429, body: `{"error":{"message":"The engine is currently overloaded"}}`, want: wire.Error{Message: "The engine is currently overloaded"}, hint: wire.Overloaded},
		{name: "OpenRouter's credit", status: 402, body: `{"error":{"code":402,"message":"Insufficient credits"}}`, want: wire.Error{Message: "Insufficient credits", Code: "402"}, hint: wire.QuotaExhausted},
		{name: "bad key", status: 401, body: `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			want: wire.Error{Message: "Incorrect API key provided", Type: "invalid_request_error", Code: "invalid_api_key"}, hint: wire.BadKey},
		{name: "no such model", status: 404, body: `{"error":{"message":"The model x does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
			want: wire.Error{Message: "The model x does not exist", Type: "invalid_request_error", Code: "model_not_found"}, hint: wire.ModelMissing},
		{name: "no such model at Ollama", status: 404, body: `{"error":"model \"x\" not found, try pulling it first"}`, want: wire.Error{Message: `model "x" not found, try pulling it first`}, hint: wire.ModelMissing},
		{name: "no such model at vLLM", status: 404, body: `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","param":null,"code":404}`,
			want: wire.Error{Message: "The model x does not exist.", Type: "NotFoundError", Code: "404"}, hint: wire.ModelMissing},
		{name: "wrong URL at FastAPI", status: 404, body: `{"detail":"Not Found"}`, want: wire.Error{Message: "Not Found"}, hint: wire.WrongURL},
		{name: "wrong URL at a web server", status: 404, body: "<html><body>404", hint: wire.WrongURL},
		{name: "wrong URL in plain text", status: 404, body: "404 page not found\n", want: wire.Error{Message: "404 page not found"}, hint: wire.WrongURL},
		{name: "too long", status: 400, body: `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
			want: wire.Error{Message: "m", Type: "invalid_request_error", Param: "messages", Code: "context_length_exceeded"}, hint: wire.ContextTooLong},
		{name: "too long at DeepSeek", status: 400, body: `{"error":{"message":"This model's maximum context length is 65536 tokens.","type":"invalid_request_error","code":"invalid_request_error"}}`,
			want: wire.Error{Message: "This model's maximum context length is 65536 tokens.", Type: "invalid_request_error", Code: "invalid_request_error"}, hint: wire.ContextTooLong},
		{name: "too long at Ollama", status: 400, body: `{"error":"the input length exceeds the context length"}`, want: wire.Error{Message: "the input length exceeds the context length"}, hint: wire.ContextTooLong},
		{name: "too long at Cohere", status: 400, body: `{"message":"too many tokens: total number of tokens cannot exceed 2048 - received 6354."}`, want: wire.Error{Message: "too many tokens: total number of tokens cannot exceed 2048 - received 6354."}, hint: wire.ContextTooLong},
		{name: "no model at Ollama", status: 404, body: `{"error":"model \"m\" not found, try pulling it first"}`, want: wire.Error{Message: `model "m" not found, try pulling it first`}, hint: wire.ModelMissing},
		{name: "too long at llama.cpp", status: 400, body: `{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_ctx":8192}}`, want: wire.Error{Message: "m", Type: "exceed_context_size_error", Code: "400"}, hint: wire.ContextTooLong},
		{name: "Azure's filter", status: 400, body: `{"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"x"}}}`,
			want: wire.Error{Message: "filtered", Param: "prompt", Code: "content_filter"}, hint: wire.ContentFiltered},
		{name: "overloaded", status: 503, body: `{"error":{"message":"m","type":"service_unavailable_error","code":"server_is_overloaded"}}`,
			want: wire.Error{Message: "m", Type: "service_unavailable_error", Code: "server_is_overloaded"}, hint: wire.Overloaded},
		{name: "Mistral's detail", status: 422, body: `{"object":"error","message":{"detail":[{"msg":"x"}]},"type":"invalid_request_error"}`, want: wire.Error{Type: "invalid_request_error"}},
		{name: "SiliconFlow", status: 400, body: `{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}`,
			want: wire.Error{Code: "20012", Message: "Model does not exist. Please check it carefully."}, hint: wire.ModelMissing},
		{name: "a failed response's event", status: 200, body: `{"type":"response.failed","response":{"id":"r","error":{"code":"rate_limit_exceeded","message":"slow"}}}`,
			want: wire.Error{Type: "response.failed", Code: "rate_limit_exceeded", Message: "slow"}, hint: wire.RateLimited},
		{name: "plain 500", status: 500, body: `{"error":{"message":"oops"}}`, want: wire.Error{Message: "oops"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.want.Status = tc.status
			got := openai.ReadError(tc.status, nil, []byte(tc.body))
			if got.Error != tc.want || got.Hint != tc.hint {
				t.Errorf("got  %+v %s\nwant %+v %s", got.Error, got.Hint, tc.want, tc.hint)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		header map[string]string
		want   time.Duration
	}{
		{name: "none"},
		{name: "seconds", header: map[string]string{"Retry-After": "20"}, want: 20 * time.Second},
		{name: "fraction", header: map[string]string{"Retry-After": "0.5"}, want: 500 * time.Millisecond},
		{name: "milliseconds win", header: map[string]string{"Retry-After": "20", "Retry-After-Ms": "1500"}, want: 1500 * time.Millisecond},
		{name: "broken milliseconds do not", header: map[string]string{"Retry-After": "20", "Retry-After-Ms": "soon"}, want: 20 * time.Second},
		{name: "date", header: map[string]string{"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:29:30 GMT"}, want: 90 * time.Second},
		{name: "date that is over", header: map[string]string{"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:20:00 GMT"}},
		{name: "date without a date", header: map[string]string{"Retry-After": "Wed, 21 Oct 2015 07:29:30 GMT"}},
		{name: "negative", header: map[string]string{"Retry-After": "-1"}},
		{name: "junk", header: map[string]string{"Retry-After": "later"}},
		{name: "not a number", header: map[string]string{"Retry-After": "NaN"}},
		{name: "for ever", header: map[string]string{"Retry-After": "1e30"}},
	} {
		h := http.Header{}
		for k, v := range tc.header {
			h.Set(k, v)
		}
		if got := openai.ReadError(429, h, nil).RetryAfter; got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// FuzzReadError: whatever an upstream sends, and wherever it was cut off.
func FuzzReadError(f *testing.F) {
	f.Add(429, []byte(`{"error":{"message":"m","type":"t","code":"insufficient_quota"}}`))
	f.Add(404, []byte(`[{"error":{"message":{"detail":{"error":{"error":1}}}}}]`))
	f.Add(500, []byte(`{"message":"\ud83`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for i := range min(len(body), 64) {
			openai.ReadError(status, nil, body[:i])
		}
		got := openai.ReadError(status, nil, body)
		if got.Hint.String() == "" || strings.HasPrefix(got.Hint.String(), "hint ") {
			t.Fatalf("%q: hint %d", body, got.Hint)
		}
	})
}
