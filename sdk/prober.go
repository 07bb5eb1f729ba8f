package sdk

import "context"

// Prober finds out, behind the requests and without spending a token, how a
// channel does. It is asked again before its leases run out.
type Prober interface {
	// Probe reports health; an error means that nothing could be found out,
	// and what was known stays.
	Probe(ctx context.Context, c Channel, up Upstream) (Health, error)
}

// KeyState is what is known of a channel's credential.
type KeyState uint8

// The key states.
const (
	KeyUnknown KeyState = iota
	KeyValid
	KeyInvalid
)

func (k KeyState) String() string {
	switch k {
	case KeyValid:
		return "valid"
	case KeyInvalid:
		return "invalid"
	default:
		return "unknown"
	}
}

// Health is a prober's answer.
type Health struct {
	State HealthState
	// Reason is for people, such as "GET models answered 503".
	Reason string
	// Lease is 5 minutes by default.
	Lease Lease

	Key KeyState
	// KeyLease is 30 minutes by default.
	KeyLease Lease

	// Listed: the provider listed its models, and Models is the whole list.
	Listed bool
	Models []ModelInfo
	// ModelsLease is 1 hour by default.
	ModelsLease Lease
	// SpecsLease is 2 hours by default, for how long the contexts and answers of
	// models are, and PricesLease 10 minutes. They are for lists in which some
	// model has a spec, or a price.
	SpecsLease, PricesLease Lease
}

// ModelInfo is what a provider says of one of its models.
type ModelInfo struct {
	// ID is the provider's name of it.
	ID string
	// Created is in Unix seconds; 0 where not known.
	Created int64
	OwnedBy string
	// ContextTokens is 0 where not known.
	ContextTokens int64
	// OutputTokens is the longest answer; 0 where not known.
	OutputTokens int64
	Price        Price
}

// Price of a model, in US dollars per million tokens.
type Price struct {
	Known         bool
	Input, Output float64
}
