package wire

import (
	"fmt"
	"time"
)

// Response is what the core reads off a whole answer.
type Response struct {
	ID    string
	Model string // the one that answered
	// Finish has the reason of each choice, or the status of a response.
	Finish []string
	Usage  Usage
	// Error is set where the answer is an error in spite of its status 200.
	Error *Error
}

// Usage counts tokens. The zero Usage means that none was given.
type Usage struct {
	Input, Output, Total int64
	Cached               int64 // of Input: read from the provider's prompt cache
	CacheWrite           int64 // of Input: written into it
	Reasoning            int64 // of Output: thought, not said
}

// Error is a failure as an API tells it. It is an error for a client and can
// be written in any format.
type Error struct {
	Status  int    // HTTP
	Type    string // such as invalid_request_error
	Code    string // such as model_not_found; may be empty
	Param   string // the field that is wrong; may be empty
	Message string
}

func (e *Error) Error() string {
	if e.Param != "" {
		return fmt.Sprintf("%s: %s", e.Param, e.Message)
	}
	return e.Message
}

// Failure is an upstream's error answer as far as it could be understood. What
// follows from it is for the board to say.
type Failure struct {
	Error
	Hint Hint
	// RetryAfter is how long the upstream asks to be left alone, 0 where it
	// does not or where what it says makes no sense.
	RetryAfter time.Duration
}

// Hint says what an upstream's error is about, as its code, type and message
// tell. Statuses speak for themselves: a hint is given where the status alone
// could mean several things.
type Hint uint8

// The hints.
const (
	NoHint          Hint = iota
	RateLimited          // too much too fast; it passes
	QuotaExhausted       // no credit or budget left; it does not pass by itself
	BadKey               // the credential is refused
	ModelMissing         // the account has no such model
	WrongURL             // nothing of an API is there: a misconfigured base URL
	ContextTooLong       // the prompt does not fit the model
	ContentFiltered      // refused for what it says; never routed around
	Overloaded           // the provider has no capacity now
)

var hints = [...]string{"none", "rate limited", "quota exhausted", "bad key", "model missing",
	"wrong URL", "context too long", "content filtered", "overloaded"}

func (h Hint) String() string {
	if int(h) < len(hints) {
		return hints[h]
	}
	return fmt.Sprintf("hint %d", uint8(h))
}
