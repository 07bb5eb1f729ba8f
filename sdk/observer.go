package sdk

import (
	"context"
	"encoding/json"
	"time"
)

// Observer is told of requests when they are over. A plugin of any kind may be
// one too: a selector, say, that learns from what became of its plans.
type Observer interface {
	// Observe takes a batch, in the order in which the requests ended. No
	// request waits for it. Batches come one at a time, but for the time of a
	// reload; one may come again where the process ended before it had answered.
	// After an error the batch is lost, and counted.
	Observe(ctx context.Context, batch []Outcome) error
}

// Outcome is a request that is over: what most observers ask for by name, and
// all that is known in Record.
type Outcome struct {
	// Record is the whole decision record, as docs/decisions.md has it. The
	// prompt is in it with the need and the grant [NeedPrompt] only.
	Record json.RawMessage
	// ID is what the client got as x-smartrouter-decision.
	ID   string
	Time time.Time // the request's first byte
	// Model is the name that the client asked for, Key that of its API key.
	Model, Key string
	Endpoint   Endpoint
	Stream     bool
	// Channel and Answered are the target that answered, or was tried last;
	// empty: none was.
	Channel, Answered string
	// Status as the client got it; 499: it had left. Error is OpenAI's code.
	Status int
	Error  string
	// Attempts at targets.
	Attempts int
	// TTFT is the time to the first content of a stream.
	TTFT, Duration time.Duration
	// InputTokens and OutputTokens are as the upstream counted them; 0: it did not.
	InputTokens, OutputTokens int64
	// Cost is in US dollars; nil where it is not known.
	Cost *float64
}

// outcomeFromRecord picks out of a record what has a name here.
func outcomeFromRecord(record []byte) (Outcome, error) {
	var r struct {
		ID    string
		Time  time.Time
		Facts struct {
			Model, Key string
			Endpoint   Endpoint
			Stream     bool
		}
		Attempts []struct{}
		Outcome  struct {
			Status         int
			Error          string
			Channel, Model string
			TTFT           float64 `json:"ttft_ms"`
			Duration       float64 `json:"duration_ms"`
			Tokens         struct{ Input, Output int64 }
			Cost           *float64 `json:"cost_dollars"`
		}
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return Outcome{}, err
	}
	span := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	return Outcome{
		Record: record, ID: r.ID, Time: r.Time, Model: r.Facts.Model, Key: r.Facts.Key, Endpoint: r.Facts.Endpoint,
		Stream: r.Facts.Stream, Channel: r.Outcome.Channel, Answered: r.Outcome.Model, Status: r.Outcome.Status,
		Error: r.Outcome.Error, Attempts: len(r.Attempts), TTFT: span(r.Outcome.TTFT), Duration: span(r.Outcome.Duration),
		InputTokens: r.Outcome.Tokens.Input, OutputTokens: r.Outcome.Tokens.Output, Cost: r.Outcome.Cost,
	}, nil
}
