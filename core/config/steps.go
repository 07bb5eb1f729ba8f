package config

import (
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Pipeline is the steps of a route, in file order.
type Pipeline struct {
	Name  string
	Steps []*Step
}

// OnError says what goes on when a step's plugin gives no answer.
type OnError string

// What a step may do on error.
const (
	OnErrorStale  OnError = "stale"  // use the last lease, else skip
	OnErrorSkip   OnError = "skip"   // go on as if the step were not there
	OnErrorReject OnError = "reject" // answer 503
)

// Step runs one plugin.
type Step struct {
	Name string
	// Kind decides what the step does. The adapter's is the call step.
	Kind sdk.Kind
	// Plugin is nil for the call step, where each channel's provider names it.
	Plugin  *Plugin
	Timeout time.Duration
	// OnError is empty for the prober's and the call step, where no request waits.
	OnError OnError
	// Fresh and Stale are the lease of answers that name none.
	Fresh, Stale time.Duration

	// MaxPrompt is the longest prompt that a guard is shown, in bytes.
	MaxPrompt int64
	// Headers that a selector or a guard may read.
	Headers []string
	// Shadow is a selector that is asked the same and not obeyed, for each new
	// plan and for ShadowSample, from 0 to 1, of the requests under a lease; nil:
	// none.
	Shadow       *Plugin
	ShadowSample float64
	// Canary is a selector that decides a share of the requests; nil: none.
	Canary *Canary
	// TTL of cached answers; 0: none is cached.
	TTL time.Duration
	// MaxAnswer is the longest answer that is cached, in bytes.
	MaxAnswer int64
	// MaxAnswers is how many stored answers the router knows of.
	MaxAnswers int
	// Front is how much of them it keeps in its own memory, in bytes; 0: nothing.
	Front int64
	// Dedupe has equal requests in flight share one upstream call, up to a
	// temperature, and where several choices are wanted with DedupeN only.
	Dedupe               bool
	DedupeMaxTemperature float64
	DedupeN              bool
	// DedupeBuffer is how much of a shared answer is kept for those who come
	// later or take it slowly, in bytes.
	DedupeBuffer int64
	// Top is how many targets are pre-checked at the same time.
	Top int
	// Interval, KeyInterval and ModelsInterval are how long health, key
	// validity and model lists hold before they are probed again, SpecsInterval
	// and PricesInterval what a list says of its models.
	Interval, KeyInterval, ModelsInterval time.Duration
	SpecsInterval, PricesInterval         time.Duration
	// AtOnce is how many channels are probed at the same time.
	AtOnce int
	// RecoveryInterval is how often a channel is probed that is down, or some
	// target of which failed since it was last seen up.
	RecoveryInterval time.Duration

	// Call is set on the call step.
	Call Call
}

// Plugins are those that the step asks; none for the call step.
func (s *Step) Plugins() (all []*Plugin) {
	for _, p := range []*Plugin{s.Plugin, s.Shadow} {
		if p != nil {
			all = append(all, p)
		}
	}
	if s.Canary != nil && s.Canary.Plugin != nil {
		all = append(all, s.Canary.Plugin)
	}
	return all
}

// Canary is a second selector on trial.
type Canary struct {
	Plugin *Plugin
	// Percent of the requests that it decides.
	Percent float64
	// By is the fact that requests are split by; empty: the caller's key, or the
	// prefix where there is none.
	By sdk.Fact
}

// Call is how targets are tried, and what is asked of them.
type Call struct {
	// MaxAttempts over all targets of a request.
	MaxAttempts int
	// Patience is the longest Retry-After that is waited out before a
	// fallback model.
	Patience time.Duration
	// HoldHeaders is how long a stream's headers wait for the first content.
	HoldHeaders time.Duration
	// WholeAnswer is the longest JSON answer, in bytes, that is read fully
	// before its headers go out.
	WholeAnswer int64
	// ErrorBody is how much of an error's body is read, in bytes.
	ErrorBody int64
	// AskUsage has chat and completions streams tell their usage, also where the
	// client does not ask for it, and does not get it.
	AskUsage bool
	// Rescue is what is done about a stream that breaks off.
	Rescue Rescue
	// RescueTimeout bounds how long another target may take to get as far as
	// the stream that broke off.
	RescueTimeout time.Duration
}

// Rescue says how a stream goes on that breaks off after its first content.
type Rescue string

// The rescues.
const (
	// RescueOff ends it with an error event.
	RescueOff Rescue = "off"
	// RescueVerify asks the next target for the same, and goes on where that
	// has repeated what the client knows.
	RescueVerify Rescue = "verify"
	// RescueContinue gives what the client knows to a target that accepts a
	// prefill, as the answer's beginning; it is RescueVerify for all others.
	RescueContinue Rescue = "continue"
)

// Route says which requests a pipeline takes.
type Route struct {
	Name string
	// Paths that match; a "*" at the end matches the rest.
	Paths []string
	// Models that match; "*" matches within a name.
	Models   []string
	Pipeline *Pipeline
}
