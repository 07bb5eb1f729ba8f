package config

import "time"

// Sizes in bytes.
const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
	gib int64 = 1 << 30
)

// Defaults are what a file need not say. What a step does by default stands in
// default.hcl instead, beside the pipeline that uses it, but for the kinds of
// steps that it does not have.
var Defaults = struct {
	Server    Server
	Admin     Admin
	Log       Log
	Plugin    Plugin
	Channel   Channel
	Timeouts  Timeouts
	Pool      Pool
	Bans      Bans
	Budget    RetryBudget
	Batch     Batch
	Route     Route
	Telemetry Telemetry
	Guard     Step
	Record    Record
	Reload    Reload
	Fetch     Fetch
	Observer  Observer
	// Foreign is what a third party's plugin has besides.
	Foreign Plugin
	// ResponseTTL is as long as OpenAI keeps a response.
	ResponseTTL time.Duration
	Fleet       Fleet
}{
	Server: Server{
		Address:       "127.0.0.1:7601",
		MaxBody:       64 * mib, // an upload of 25 MB, OpenAI's limit, fits as base64 too
		MaxHeader:     64 * kib,
		MaxInFlight:   10_000, // a stream takes 50 to 65 KiB
		HeaderTimeout: 10 * time.Second,
		BodyTimeout:   5 * time.Minute,
		IdleTimeout:   2 * time.Minute,
		WriteTimeout:  30 * time.Second,
		KeepAlive:     15 * time.Second,
		DrainTimeout:  10 * time.Minute,
		WarmUp:        5,
	},
	Admin: Admin{Address: "127.0.0.1:7602"},
	Log:   Log{Level: "info"},
	Plugin: Plugin{
		StartTimeout: 10 * time.Second,
		// With a start they add up to less than 2 s from hang to replacement.
		PingInterval: 200 * time.Millisecond, PingTimeout: 900 * time.Millisecond,
		StarvedTimeout: time.Minute,
		UpstreamRate:   50,
	},
	Channel: Channel{Priority: 10, Weight: 1, Queue: 100},
	Timeouts: Timeouts{
		Connect:    10 * time.Second,
		Write:      30 * time.Second,
		Read:       5 * time.Minute,
		Pool:       10 * time.Second,
		FirstToken: 2 * time.Minute,
		Idle:       90 * time.Second,
	},
	Pool: Pool{
		MaxConnections: 100,
		MaxIdle:        20,
		ShrinkAfter:    10 * time.Second,
		IdleTimeout:    90 * time.Second,
		HTTP2:          true,
	},
	// The terms are those of the system that this one follows; failures and
	// back-off those of Finagle and Linkerd, but for MaxBackoff: with a probe
	// every few seconds a recovery is to be seen within 30 s.
	Bans: Bans{
		RateLimit:  10 * time.Second,
		Quota:      30 * time.Minute,
		NotFound:   5 * time.Minute,
		Upstream:   time.Minute,
		Timeout:    30 * time.Second,
		Connect:    30 * time.Second,
		Hint:       5 * time.Minute,
		Longest:    time.Hour,
		Failures:   5,
		Models:     3,
		Backoff:    time.Second,
		MaxBackoff: 20 * time.Second,
		Jitter:     0.5,
	},
	Budget: RetryBudget{Share: 0.2, AtLeast: 3, Window: 10 * time.Second}, // Envoy's and Finagle's
	// The limits and terms are OpenAI's:
	// https://developers.openai.com/api/docs/guides/batch
	Batch: Batch{
		Concurrency: 32,
		PerChannel:  8,
		Share:       0.5,
		MaxFile:     200 * mib,
		MaxLines:    50_000,
		MaxStored:   10 * gib,
		Expiry:      24 * time.Hour,
		Grace:       10 * time.Minute,
		Keep:        30 * 24 * time.Hour,
		Retries:     5,
		Backoff:     time.Second,
		MaxBackoff:  time.Minute,
	},
	// The interval and the timeout are those of OpenTelemetry's SDKs.
	Telemetry: Telemetry{Protocol: "http", Sample: 1, Interval: time.Minute, Timeout: 10 * time.Second, Service: "smartrouter"},
	// Nobody passes a guard that is down, unless the file says so. One that hangs
	// is replaced within 2 s, and its requests wait for that.
	Guard:    Step{Timeout: 3 * time.Second, OnError: OnErrorReject, Fresh: 5 * time.Second, MaxPrompt: mib},
	Record:   Record{Sample: 1, MaxPrompt: 64 * kib, MaxSize: 100 * mib, Keep: 5, Queue: 4096},
	Observer: Observer{Sample: 1, Batch: 100, Interval: time.Second, Queue: 4096, Timeout: 5 * time.Second, MaxPrompt: 64 * kib},
	Foreign:  Plugin{User: "nobody"},
	Route:    Route{Name: "default", Paths: []string{"/v1/*", "/v1beta/*"}, Models: []string{"*"}},
	Fetch: Fetch{
		Enabled: true,
		MaxSize: 20 * mib, // OpenAI takes images of this size
		Types: []string{
			"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf", "text/plain", "text/markdown", "text/csv",
			"audio/mpeg", "audio/wav", "audio/x-wav", "audio/flac", "audio/ogg", "audio/mp4",
		},
		Timeout:      10 * time.Second,
		MaxRedirects: 3,
		AtOnce:       32,
	},
	Reload:      Reload{Debounce: 250 * time.Millisecond},
	ResponseTTL: 30 * 24 * time.Hour,
	Fleet:       Fleet{Poll: 500 * time.Millisecond, Lease: 6 * time.Second, Silent: SilentYield},
}
