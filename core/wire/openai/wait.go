package openai

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// waitOf is how long an upstream asks to be left alone, by the first of these
// that says so:
//
//	retry-after-ms, retry-after                  see retryAfter
//	"retry_after": 12, "retry_after_ms": 1500    in the body; or "retryAfter"
//	"retryDelay": "34.07s"                       Google's RetryInfo, in the body
//	anthropic-ratelimit-*-reset                  of limits of which nothing remains
//	"Please try again in 6m0s."                  OpenAI's, Azure's and Groq's messages
//
// Only of refusals that pass with time all but the first two are believed.
func waitOf(f *wire.Failure, header http.Header, body []byte) time.Duration {
	if d := retryAfter(header); d > 0 {
		return d
	}
	switch f.Hint {
	case wire.RateLimited, wire.Overloaded:
	default:
		if f.Status != http.StatusServiceUnavailable && f.Status != http.StatusTooManyRequests {
			return 0
		}
	}
	c := rawjson.Cursor{Doc: body}
	if d := bodyWait(&c, 0); d > 0 {
		return d
	}
	if d := anthropicReset(header); d > 0 {
		return d
	}
	return messageWait(f.Message)
}

// maxWaitDepth is how deep in a body a wait is looked for: Google's is three
// levels down, in error.details.
const maxWaitDepth = 6

// bodyWait reads the next value.
func bodyWait(c *rawjson.Cursor, depth int) time.Duration {
	var found time.Duration
	inner := func() {
		if d := bodyWait(c, depth+1); d > 0 && found == 0 {
			found = d
		}
	}
	switch {
	case depth == maxWaitDepth:
		c.Skip()
	case c.Object():
		for c.Key() {
			switch strings.ToLower(string(c.Name)) {
			case "retrydelay":
				if d, err := time.ParseDuration(scalar(c)); err == nil && d > 0 && d <= maxRetryAfter {
					found = d
				}
			case "retry_after_ms", "retryafterms":
				found = delay(scalar(c), time.Millisecond)
			case "retry_after", "retryafter", "retry_after_seconds":
				if d := delay(scalar(c), time.Second); found == 0 {
					found = d
				}
			default:
				inner()
			}
		}
	case c.Array():
		for c.More() {
			inner()
		}
	default:
		c.Skip()
	}
	return found
}

// anthropicReset is when the last of the used up limits opens again, counted
// from the answer's own Date.
func anthropicReset(h http.Header) time.Duration {
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	var wait time.Duration
	for _, limit := range [...]string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		if h.Get("Anthropic-Ratelimit-"+limit+"-Remaining") != "0" {
			continue
		}
		at, err := time.Parse(time.RFC3339, h.Get("Anthropic-Ratelimit-"+limit+"-Reset"))
		if err != nil {
			continue
		}
		if d := at.Sub(now); d <= maxRetryAfter {
			wait = max(wait, d)
		}
	}
	return wait
}

// They are compiled where a provider first writes such a message.
var (
	waitWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s|sec|seconds?|m|min|minutes?|h|hours?)\b ?|\d+(?:\.\d+)?(?:h|m))+)`)
	})
	waitParts = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(\d+(?:\.\d+)?) ?(ms|milli|s|m|h)`) })
)

// messageWait reads "Please try again in 1m30.5s." and "retry after 26 seconds".
func messageWait(message string) time.Duration {
	found := waitWords().FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	var wait time.Duration
	for _, part := range waitParts().FindAllStringSubmatch(found[1], -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0
		}
		unit := map[string]time.Duration{
			"ms": time.Millisecond, "milli": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
		}[strings.ToLower(part[2])]
		if n > float64(maxRetryAfter/unit) {
			return 0
		}
		wait += time.Duration(n * float64(unit))
	}
	if wait > maxRetryAfter {
		return 0
	}
	return wait
}
