// Package config turns router.hcl into a typed Config.
//
// It is the only package that knows HCL: every other gets these types, and
// every mistake in a file becomes a [Diagnostics] with file, line and remedy.
//
//	config.go       what a file says, as types
//	defaults.go     what it need not say; default.hcl: the default pipeline
//	load.go         Load, Parse, Format: the order in which a file is read
//	plugins.go      plugin blocks, providers.go: provider blocks, and ours
//	channels.go     channel blocks and their keys
//	bans.go         bans and retry_budget blocks
//	batch.go        the batch block, telemetry.go: the telemetry block
//	pipelines.go    pipelines, steps and routes
//	server.go       server, admin, log, store and key blocks
//	decode.go       a plugin's config block by the plugin's own schema
//	reader.go       blocks, attributes.go: typed attributes, units.go, checks.go
//	references.go   plugin.selector.smart to what it names
//	functions.go    env() and file()
//	diagnostics.go  mistakes as people see them, suggest.go: did you mean
//	source.go       a file's text, without secrets
//	hash.go         what changed between two loads
package config

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Config is one whole configuration, with every default filled in and every
// reference resolved.
type Config struct {
	// Path is the file it was read from.
	Path    string
	Server  Server
	Admin   Admin
	Log     Log
	Plugins []*Plugin // those in use, first-party ones included, by address
	// Store is the cache plugin where leases, bans and response ids are kept.
	Store *Plugin
	// ResponseTTL is how long a response id remembers its channel.
	ResponseTTL time.Duration
	// Channels in file order. One with several keys is one channel per key.
	Channels  []*Channel
	Models    []*Model
	Pipelines []*Pipeline
	// Routes in file order: the first that matches takes a request.
	Routes []*Route
	Keys   []*Key
	Bans   Bans
	// RetryBudget of the whole router.
	RetryBudget RetryBudget
	Batch       Batch
	Telemetry   Telemetry
	// Hash changes with anything that matters, secrets included, which it
	// does not reveal. It compares within one process only: its key is made
	// at start.
	Hash string
	// Warnings are worth saying and stop nothing.
	Warnings Diagnostics
}

// Server is what clients talk to.
type Server struct {
	Address string
	// MaxBody is the longest request body, in bytes.
	MaxBody int64
	// MaxHeader is the longest request head, in bytes.
	MaxHeader int64
	// MaxInFlight is how many requests are worked on at the same time; more
	// are refused at once. 0: as many as come.
	MaxInFlight int
	// Origins are the web origins that may use the API from a browser.
	Origins []string
	// Hosts are the host names, besides loopback, that a request without an
	// API key may be addressed to.
	Hosts []string
	// AllowAnonymous lets an address that is not loopback go without keys.
	AllowAnonymous bool
	// Region is that of callers who do not say theirs.
	Region string
	// HeaderTimeout bounds the reading of a request's head, BodyTimeout that
	// of its body, IdleTimeout a connection between requests.
	HeaderTimeout time.Duration
	BodyTimeout   time.Duration
	IdleTimeout   time.Duration
	// WriteTimeout bounds each write to a client, not the whole answer.
	WriteTimeout time.Duration
	// KeepAlive is how often a silent stream gets a comment.
	KeepAlive time.Duration
	// DrainTimeout bounds how long requests may go on after SIGTERM.
	DrainTimeout time.Duration
	// WarmUp is how many channels have a connection opened at start.
	WarmUp int
}

// Admin is the operator's listener.
type Admin struct {
	// Address; empty: none. It is a loopback one unless AllowRemote.
	Address     string
	AllowRemote bool
}

// Log is what the router writes about itself.
type Log struct {
	Level string // trace, debug, info, warn, error
	JSON  bool
}

// Key is one caller's API key. Either Secret or Digest is set.
type Key struct {
	Name   string
	Secret Secret
	// Digest is the hex HMAC-SHA256 that `smartrouter key` prints.
	Digest string
	// Region is the caller's, where a request does not say another; empty: the server's.
	Region string
}

// Secret is a string that never prints.
type Secret string

func (Secret) String() string   { return "***" }
func (Secret) GoString() string { return "***" }

// MarshalText keeps a secret out of every encoder.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Env is an environment whose values never print, as they may be secrets.
type Env map[string]string

func (e Env) String() string   { return fmt.Sprint(e.hidden()) }
func (e Env) GoString() string { return e.String() }

// MarshalJSON keeps the values out.
func (e Env) MarshalJSON() ([]byte, error) { return json.Marshal(e.hidden()) }

func (e Env) hidden() map[string]Secret {
	if e == nil {
		return nil
	}
	hidden := make(map[string]Secret, len(e))
	for name := range e {
		hidden[name] = ""
	}
	return hidden
}

// Plugin is one plugin process and its configuration.
type Plugin struct {
	Kind sdk.Kind
	Name string
	// Builtin is the first-party plugin's name within its kind; empty where
	// Command is set.
	Builtin string
	// Command runs a third party's plugin, with its program first: an absolute
	// path, made from one relative to the file's folder, or a bare name for PATH.
	Command []string
	// SHA256 of the command's program, in hex; empty: not checked.
	SHA256 string
	// Env is the whole environment of a third party's plugin.
	Env Env
	// Grants of what its manifest needs; a first-party plugin's are given
	// unless its block says otherwise.
	Grants []string
	// StartTimeout bounds the start up to Configure's answer.
	StartTimeout time.Duration
	// UpstreamRate is how many upstream requests a second it may make.
	UpstreamRate float64
	// Hash changes with all of these and with the config block; like that of
	// [Config], within one process. Only plugins in use have one.
	Hash string

	source // where it stands, and its config block
}

// Address is how the file refers to it: plugin.selector.smart.
func (p *Plugin) Address() string { return "plugin." + string(p.Kind) + "." + p.Name }

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
	// Queue is how many requests may wait for a place, be it in flight or for
	// a connection.
	Queue int
	// AcceptsPrefill: a last message of the assistant's is gone on with.
	AcceptsPrefill bool
	// Settings are the provider's, replaced one by one by the channel's own.
	Settings map[string]string
	Timeouts Timeouts
	Pool     Pool
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

// Batch says how files of requests are worked off, beside the live ones.
type Batch struct {
	// Concurrency is how many lines are worked on at the same time, PerChannel
	// how many of them at one channel.
	Concurrency, PerChannel int
	// Share, from 0 to 1, of server.max_in_flight and of a channel's
	// max_in_flight: a line is begun only while less than that is in use. The
	// rest is for live requests.
	Share float64
	// MaxFile is the longest file, in bytes, MaxLines how many requests it may
	// hold.
	MaxFile  int64
	MaxLines int
	// MaxStored is how many bytes of files all callers may keep together.
	MaxStored int64
	// Expiry is when a batch ends at the latest, with what it has.
	Expiry time.Duration
	// Grace is how long lines under way may go on once their batch was
	// cancelled or has expired.
	Grace time.Duration
	// Keep is how long files, and batches that have ended, are kept.
	Keep time.Duration
	// Retries of a line that fails. One that finds its channels busy, or is
	// told to come again, does so until its batch expires, and is not counted.
	Retries int
	// Backoff before the first retry. It doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
}

// Telemetry says where traces and metrics are sent by OTLP.
type Telemetry struct {
	// Endpoint is the collector's URL, without /v1/traces; empty: nothing is sent.
	Endpoint string
	Protocol string // grpc or http, which is protobuf over HTTP
	// Headers of every export.
	Headers Env
	// Sample is the part, from 0 to 1, of the requests that are traced where
	// their caller does not say.
	Sample float64
	// Propagate sends traceparent and tracestate on to the upstreams.
	Propagate bool
	// Interval is how often metrics are sent, Timeout bounds each export.
	Interval, Timeout time.Duration
	// Service is what the router calls itself.
	Service string
}

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

	// Headers that a selector may read.
	Headers []string
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
	// validity and model lists hold before they are probed again.
	Interval, KeyInterval, ModelsInterval time.Duration
	// AtOnce is how many channels are probed at the same time.
	AtOnce int
	// RecoveryInterval is how often a channel is probed that is down, or some
	// target of which failed since it was last seen up.
	RecoveryInterval time.Duration

	// Call is set on the call step.
	Call Call
}

// Call is how targets are tried.
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
