package hub

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Response is a whole answer.
type Response struct {
	// From is the format that it came in, as in [Request].
	From    string
	ID      Text
	Model   Text
	Created int64 // Unix seconds; 0: not said
	Choices []Answer
	Usage   wire.Usage
	// Tier is the service tier that served it, a raw string.
	Tier        Raw
	Fingerprint Raw
	// Error came instead of an answer.
	Error *wire.Error
}

// Answer is one choice.
type Answer struct {
	Index int64
	Parts []Part
	Finish
	Logprobs    Raw
	Annotations Raw
	// Foreign is an object of what only the provider's format says of an answer.
	Foreign Foreign
}

// Finish is why a model stopped.
type Finish struct {
	// Reason in OpenAI's words: stop, length, tool_calls, content_filter.
	Reason string
	// Native is the provider's own word where OpenAI's says less, after its
	// format's name: anthropic/pause_turn.
	Native string
	// Stop is the sequence that stopped it.
	Stop Text
}

// Own is the provider's own word where the format is its; empty: there is none.
func (f *Finish) Own(format string) string {
	if of, word, ok := strings.Cut(f.Native, "/"); ok && of == format {
		return word
	}
	return ""
}

// The reasons.
const (
	FinishStop    = "stop"
	FinishLength  = "length"
	FinishCalls   = "tool_calls"
	FinishFilter  = "content_filter"
	FinishOldCall = "function_call"
)

// ReasonOf is a finish reason, without making the usual ones anew.
func ReasonOf(t Text) string {
	for _, s := range [...]string{FinishStop, FinishLength, FinishCalls, FinishFilter, FinishOldCall} {
		if s == string(t) {
			return s
		}
	}
	return string(t)
}
