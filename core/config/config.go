// Package config turns router.hcl into a typed Config.
//
// It is the only package that knows HCL: every other gets these types, and
// every mistake in a file becomes a [Diagnostics] with file, line and remedy.
//
//	config.go       what a file says, as types
//	targets.go      the same of providers and channels, steps.go: of pipelines and routes
//	defaults.go     what it need not say; default.hcl: the default pipeline
//	load.go         Load, Parse, Format: the order in which a file is read
//	plugins.go      plugin blocks, providers.go: provider blocks, and ours
//	channels.go     channel blocks and their keys
//	bans.go         bans and retry_budget blocks
//	batch.go        the batch block, telemetry.go: the telemetry block,
//	                record.go: the record block
//	pipelines.go    pipelines, steps and routes, sides.go: a step's other selectors
//	server.go       server, admin, log, reload, store and key blocks
//	decode.go       a plugin's config block by the plugin's own schema; block.go: one in a file of its own
//	reader.go       blocks, attributes.go: typed attributes, units.go, checks.go
//	references.go   plugin.selector.smart to what it names
//	functions.go    env() and file()
//	observers.go    observe blocks, fetch.go: the fetch block
//	diagnostics.go  mistakes as people see them, suggest.go: did you mean
//	source.go       a file's text, without secrets
//	lock.go         plugins.lock.hcl: which files plugins run
//	hash.go         whether anything changed between two loads
//	diff.go         what that is, block by block
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
	// Fleet is how routers go together that share the store.
	Fleet Fleet
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
	Record      Record
	Reload      Reload
	Fetch       Fetch
	// Files are the ones that were read, absolute: its own, the lock's and those
	// of file().
	Files     []string    `json:"-"`
	Observers []*Observer // in file order
	// Hash changes with anything that matters, secrets included, which it
	// does not reveal. It compares within one process only: its key is made
	// at start.
	Hash string
	// Warnings are worth saying and stop nothing.
	Warnings Diagnostics

	dumps    map[*Plugin]map[string]any // the config blocks, for Fingerprint
	declared map[string]*Plugin         // by address, used or not
}

// Plugin is the one at an address such as plugin.selector.smart, whether a step
// uses it or not; nil: there is none.
func (c *Config) Plugin(address string) *Plugin { return c.declared[address] }

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

// Fetch is how images and files are fetched that requests name by URL, for
// providers that take bytes alone.
type Fetch struct {
	Enabled bool
	// MaxSize is of all that one request names, together, in bytes.
	MaxSize int64
	// Types are the media types that are taken.
	Types []string
	// Timeout of one URL, with all its redirects.
	Timeout      time.Duration
	MaxRedirects int
	// AtOnce is how many are fetched at the same time, of all requests.
	AtOnce int
	// Hosts may stand for addresses that are not public.
	Hosts []string
}

// HashedKey is what a digest begins with that every router knows.
const HashedKey = "sha256:"

// Fleet is how routers go together that share a store.
type Fleet struct {
	// Poll is how often a router looks what others wrote.
	Poll time.Duration
	// Lease is how long a silent router's shares of limits are its own.
	Lease time.Duration
	// Silent is what becomes of a router's share of max_in_flight while the
	// store does not answer, and it is not known that nobody can reach it.
	Silent string
}

// What Silent may be.
const (
	SilentYield = "yield" // after half a lease it begins nothing under it
	SilentKeep  = "keep"  // it goes on, and all together may exceed the limit
)

// Shared reports whether other routers may have the same store.
func (c *Config) Shared() bool { return c.Store.Builtin != "local" }

// Key is one caller's API key. Either Secret or Digest is set.
type Key struct {
	Name   string
	Secret Secret
	// Digest is [HashedKey] and the key's SHA-256 in hex, as `smartrouter key`
	// prints it, or the hex HMAC-SHA256 by the pepper of the one router that is
	// to know it.
	Digest string
	// Region is the caller's, where a request does not say another; empty: the server's.
	Region string
}

// Secret is a string that never prints.
type Secret = sdk.Secret

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
	// Lock is what plugins.lock.hcl says of it; nil: nothing.
	Lock *LockedPlugin `json:",omitempty"`
	// Env is the whole environment of a third party's plugin.
	Env Env
	// Grants of what its manifest needs; a first-party plugin's are given
	// unless its block says otherwise.
	Grants []string
	// StartTimeout bounds the start up to Configure's answer.
	StartTimeout time.Duration
	// PingInterval is the time between two pings, PingTimeout how long one may
	// stay unanswered.
	PingInterval, PingTimeout time.Duration
	// StarvedTimeout is how much longer it may take for either while it waits for
	// a CPU.
	StarvedTimeout time.Duration
	// UpstreamRate is how many upstream requests a second it may make.
	UpstreamRate float64
	// User is whom its process runs as, where the router is root; empty: root too.
	// UserAsked: the file says whom; else it is root where the user could not read
	// the plugin's files.
	User      string
	UserAsked bool
	Limits    Limits
	// Hash changes with all of these and with the config block; like that of
	// [Config], within one process. Only plugins in use have one.
	Hash string

	source // where it stands, and its config block
}

// Limits of a plugin's process and what it starts.
type Limits struct {
	// Memory that they may use together, in bytes; 0: as much as there is.
	Memory int64
	// OpenFiles that each may have; 0: as many as the router.
	OpenFiles int
	// Nice is from 0 to 19: how much they give way to others.
	Nice int
}

// Address is how the file refers to it: plugin.selector.smart.
func (p *Plugin) Address() string { return "plugin." + string(p.Kind) + "." + p.Name }

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

// Observer says how a plugin is told of requests that are over.
type Observer struct {
	Name string
	// Plugin is of the kind observer, or one of another kind that observes too.
	Plugin *Plugin
	// Sample is the part of the requests that it is told of, from 0 to 1.
	Sample float64
	// Batch is how many come in one call at most; a smaller one comes after
	// Interval.
	Batch    int
	Interval time.Duration
	// Queue is how many may wait for the plugin; more are dropped, and counted.
	Queue int
	// Timeout of one call.
	Timeout time.Duration
	// MaxPrompt is the longest prompt that it is shown, in bytes, where it may
	// see any.
	MaxPrompt int64
}

// Record says where decision records are written.
type Record struct {
	// File gets a line of JSON for each decision; empty: there are no records.
	File string
	// Sample is the part of the decisions, from 0 to 1, that is written.
	Sample float64
	// Prompts: the records hold the requests' bodies, of at most MaxPrompt bytes.
	Prompts   bool
	MaxPrompt int64
	// MaxSize of the file, in bytes. Beyond it the file is put aside as FILE.1,
	// and a new one begun.
	MaxSize int64
	// Keep is how many files that were put aside are kept.
	Keep int
	// Sync is how long a line may be in the system's memory only; 0: as long as
	// the system likes.
	Sync time.Duration
	// Queue is how many decisions may wait to be written. More are dropped.
	Queue int
}

// Reload says when the router reads its configuration again without being told to.
type Reload struct {
	// Watch the files that the configuration was read from.
	Watch bool
	// Debounce is how long they have to be left alone first, so that several that
	// are written one after the other are taken together.
	Debounce time.Duration
}
