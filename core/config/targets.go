package config

import "time"

// Provider is a service and how it is spoken to.
type Provider struct {
	Name string
	// BaseURL has no slash at its end; empty where the adapter knows it.
	BaseURL string
	Adapter *Plugin
	// NeedsKey: a channel without a key is off.
	NeedsKey bool
	// PublicModels: the list of models is answered without a key, so it says
	// nothing about one.
	PublicModels bool
	// NoModels: the provider has no list of models.
	NoModels bool
	Settings map[string]string
}

// Channel is one account at a provider.
type Channel struct {
	Name     string
	Provider *Provider
	// BaseURL is the channel's own or the provider's.
	BaseURL string
	Secret  Secret
	// Off says why the channel takes no requests, such as "OPENAI_API_KEY is
	// not set"; empty: it is on.
	Off string
	// Models that clients may ask for; nil: those that the provider lists.
	Models []string
	// Aliases: a name that clients use -> the provider's name.
	Aliases     map[string]string
	Tags        []string
	Region      string
	Priority    int // lower goes first
	Weight      float64
	Prices      []Price
	MaxInFlight int // 0: no limit
	// RequestsPerMinute and TokensPerMinute; 0: no limit.
	RequestsPerMinute, TokensPerMinute int
	// Queue is how many requests may wait for a place, be it in flight or for
	// a connection.
	Queue int
	// AcceptsPrefill: a last message of the assistant's is gone on with.
	AcceptsPrefill bool
	// Settings are the provider's, replaced one by one by the channel's own.
	Settings map[string]string
	Timeouts Timeouts
	Pool     Pool

	hash string // changes with all of these, within one process
}

// Price is what a channel charges for a model, in US dollars per million tokens.
type Price struct {
	// Model, or "*" for all others.
	Model         string
	Input, Output float64
}

// Timeouts of the way to an upstream.
type Timeouts struct {
	// Connect covers name lookup, TCP and TLS.
	Connect time.Duration
	// Write bounds each write of the request.
	Write time.Duration
	// Read bounds a whole answer that is not a stream.
	Read time.Duration
	// Pool bounds the wait for a free connection.
	Pool time.Duration
	// FirstToken runs from the request's end to the first content.
	FirstToken time.Duration
	// Idle bounds the silence between two events of a stream.
	Idle time.Duration
}

// Pool of a channel's connections to one origin. By HTTP/2 a connection carries
// many requests; the numbers count connections.
type Pool struct {
	MaxConnections int
	// MaxIdle is how many idle connections are kept once the others were not
	// needed for ShrinkAfter.
	MaxIdle     int
	ShrinkAfter time.Duration
	// IdleTimeout is how long an idle connection is kept at all.
	IdleTimeout time.Duration
	HTTP2       bool
}

// Model is a name of our own.
type Model struct {
	Name string
	// Any are the names that may answer it, besides itself.
	Any []string
	// Fallbacks are asked in order when all of those failed.
	Fallbacks []string
}

// Bans say how long a target that fails is left alone. Where bans follow each
// other, each is twice as long as the one before.
type Bans struct {
	// How long the first ban for each reason lasts. RateLimit is for upstreams
	// that do not say how long.
	RateLimit, Quota, NotFound, Upstream, Timeout, Connect time.Duration
	// Hint is the longest wait that an upstream may ask for.
	Hint time.Duration
	// Longest bounds the doubling.
	Longest time.Duration
	// Failures in a row, of connections and of answers, that ban a target. A
	// time-out bans it at once.
	Failures int
	// Models that have to be banned, with no success between, to take their
	// whole channel out.
	Models int
	// Backoff is how long a target that a probe found up is left alone before
	// one request tries it again. It doubles from ban to ban up to MaxBackoff,
	// which also bounds how long that request is waited for.
	Backoff, MaxBackoff time.Duration
	// Jitter is the part of the back-off that is left to chance, from 0 to 1.
	Jitter float64
}

// RetryBudget bounds the tries that a request may take at doubtful targets, so
// that an upstream in trouble gets no multiple of the load.
type RetryBudget struct {
	// Share of the requests of the last Window, from 0 to 1.
	Share float64
	// AtLeast so many may be taken in a window, however few the requests.
	AtLeast int
	Window  time.Duration
}
