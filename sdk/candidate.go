package sdk

import (
	"fmt"
	"time"
)

// Channel is one account at a provider.
type Channel struct {
	Name     string
	Provider string
	// BaseURL has no slash at its end. It may be empty where the adapter knows.
	BaseURL string
	Region  string
	Tags    []string
	// Settings are the provider's and the channel's, for the adapter.
	Settings map[string]string
	// Secret is the credential, for an adapter, a prober and a prechecker with
	// the need and the grant [NeedSecret] only.
	Secret Secret
}

// HealthState is what is known of a channel.
type HealthState uint8

// The health states.
const (
	HealthUnknown HealthState = iota
	HealthUp
	HealthDown
	// HealthMisconfigured answers, but not as its configuration promises.
	HealthMisconfigured
)

func (h HealthState) String() string {
	switch h {
	case HealthUp:
		return "up"
	case HealthDown:
		return "down"
	case HealthMisconfigured:
		return "misconfigured"
	default:
		return "unknown"
	}
}

// Candidate is a target that could answer a request: one model on one channel,
// and how it does now.
type Candidate struct {
	// Ref identifies the candidate within a generation. The SDK sets it.
	Ref uint32

	Channel *Channel
	// Model is the name that clients ask for.
	Model string
	// Fallback is 0 for the model that was asked for, n for its n-th fallback.
	Fallback int
	// Priority: lower goes first. 10 by default.
	Priority int
	// Weight is the share among equals. 1 by default.
	Weight float64
	// InputPrice and OutputPrice are in US dollars per million tokens; nil
	// where not known.
	InputPrice, OutputPrice *float64
	// ContextTokens is 0 where not known.
	ContextTokens int64

	Health HealthState
	// TTFT is the time to the first token, a moving average; 0 where never
	// measured.
	TTFT time.Duration
	// ErrorRate is a moving average from 0 to 1.
	ErrorRate float64
	// InFlight counts the requests that it works on now.
	InFlight int
}

// String names the candidate for people: "gpt-4o on openai".
func (c Candidate) String() string {
	if c.Channel == nil {
		return fmt.Sprintf("candidate %d", c.Ref)
	}
	return c.Model + " on " + c.Channel.Name
}
