package openai_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
)

func TestHowLongToWait(t *testing.T) {
	t.Parallel()
	const date = "Mon, 01 Jun 2026 12:00:00 GMT"
	said := func(message string) string { return `{"error":{"message":"` + message + `"}}` }
	for _, tc := range []struct {
		name   string
		status int // 429 where 0
		header map[string]string
		body   string
		want   time.Duration
	}{
		{name: "nothing"},
		{name: "header beats body", header: map[string]string{"Retry-After": "7"}, body: `{"retry_after":9}`, want: 7 * time.Second},
		{name: "body beats message", body: `{"error":{"message":"Please try again in 20s.","retry_after":9}}`, want: 9 * time.Second},
		{name: "in milliseconds", body: `{"error":{"retry_after_ms":1500}}`, want: 1500 * time.Millisecond},
		{name: "as text", body: `{"retryAfter":"2.5"}`, want: 2500 * time.Millisecond},
		{name: "negative", body: `{"retry_after":-1}`},
		{name: "junk", body: `{"retry_after":"soon"}`},
		{name: "a year", body: `{"retry_after":31536000}`},
		{name: "cut off behind it", body: `{"error":{"retry_after":3,"message":"Rate lim`, want: 3 * time.Second},
		{
			name: "Google's RetryInfo", want: 34074 * time.Millisecond,
			body: `[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"x"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074s"}]}}]`,
		},
		{name: "too deep to look for", body: `[[[[[[[{"retry_after":3}]]]]]]]`},

		{
			name: "Anthropic's input tokens", want: 30 * time.Second,
			header: map[string]string{
				"Date":                                   date,
				"Anthropic-Ratelimit-Requests-Remaining": "10", "Anthropic-Ratelimit-Requests-Reset": "2026-06-01T12:05:00Z",
				"Anthropic-Ratelimit-Input-Tokens-Remaining": "0", "Anthropic-Ratelimit-Input-Tokens-Reset": "2026-06-01T12:00:30Z",
			},
		},
		{
			name: "Anthropic's last of two", want: 45 * time.Second,
			header: map[string]string{
				"Date":                                 date,
				"Anthropic-Ratelimit-Tokens-Remaining": "0", "Anthropic-Ratelimit-Tokens-Reset": "2026-06-01T12:00:45Z",
				"Anthropic-Ratelimit-Output-Tokens-Remaining": "0", "Anthropic-Ratelimit-Output-Tokens-Reset": "2026-06-01T12:00:30Z",
			},
		},
		{name: "Anthropic's, past", header: map[string]string{
			"Date": date, "Anthropic-Ratelimit-Tokens-Remaining": "0", "Anthropic-Ratelimit-Tokens-Reset": "2026-06-01T11:00:45Z",
		}},
		{name: "Anthropic's, no time", header: map[string]string{
			"Date": date, "Anthropic-Ratelimit-Tokens-Remaining": "0", "Anthropic-Ratelimit-Tokens-Reset": "soon",
		}},

		{name: "OpenAI's message", body: said("Rate limit reached for gpt-4o. Please try again in 20s. Visit"), want: 20 * time.Second},
		{name: "in milliseconds, as a message", body: said("Please try again in 250ms."), want: 250 * time.Millisecond},
		{name: "with a fraction", body: said("Please try again in 1.242s."), want: 1242 * time.Millisecond},
		{name: "in minutes", body: said("Please try again in 6m0s."), want: 6 * time.Minute},
		{name: "Groq's", body: said("Please try again in 7m66.56s."), want: 8*time.Minute + 6560*time.Millisecond},
		{name: "Azure's", body: said("Please retry after 26 seconds."), want: 26 * time.Second},
		{name: "Google's message", body: said("Please retry in 34.07s."), want: 34070 * time.Millisecond},
		{name: "in words", body: said("please try again in a moment")},
		{name: "no unit", body: said("try again in 5 different regions")},
		{name: "a century", body: said("try again in 900000h")},
		{name: "a number without end", body: said("try again in 9999999999999999999999999999999999h")},

		{name: "busy", status: 503, body: said("Overloaded. Try again in 3s."), want: 3 * time.Second},
		{name: "a wrong request does not pass with time", status: 400, body: said("try again in 3s with another file")},
		{name: "a rate, forbidden", status: 403, body: said("Rate limit exceeded, retry after 8 seconds"), want: 8 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for k, v := range tc.header {
				h.Set(k, v)
			}
			status := tc.status
			if status == 0 {
				status = 429
			}
			if got := openai.ReadError(status, h, []byte(tc.body)).RetryAfter; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// A 403 is about the key, unless it speaks of a rate.
func TestForbiddenThatSpeaksOfARate(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]wire.Hint{
		"API rate limit exceeded for user ID 1.":             wire.RateLimited, // GitHub
		"RPM limit exceeded. Please complete identity check": wire.RateLimited, // SiliconFlow
		"Too many requests":                                  wire.RateLimited,
		"Request was throttled":                              wire.RateLimited,
		"You are not allowed to sample from this model":      wire.NoHint,
		"Country, region, or territory not supported":        wire.NoHint,
		"Generate and moderate not permitted":                wire.NoHint,
		"Insufficient balance, rate limit lowered":           wire.QuotaExhausted,
	} {
		if got := openai.ReadError(403, nil, []byte(`{"error":{"message":"`+message+`"}}`)).Hint; got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}
