package config

import "time"

// Sizes in bytes.
const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
)

// Defaults are what a file need not say. What a step does by default stands in
// default.hcl instead, beside the pipeline that uses it.
var Defaults = struct {
	Server   Server
	Admin    Admin
	Log      Log
	Plugin   Plugin
	Channel  Channel
	Timeouts Timeouts
	Pool     Pool
	Route    Route
	// ResponseTTL is as long as OpenAI keeps a response.
	ResponseTTL time.Duration
}{
	Server: Server{
		Address:       "127.0.0.1:7601",
		MaxBody:       64 * mib, // an upload of 25 MB, OpenAI's limit, fits as base64 too
		MaxHeader:     64 * kib,
		HeaderTimeout: 10 * time.Second,
		BodyTimeout:   5 * time.Minute,
		IdleTimeout:   2 * time.Minute,
		WriteTimeout:  30 * time.Second,
		KeepAlive:     15 * time.Second,
		DrainTimeout:  10 * time.Minute,
	},
	Admin:   Admin{Address: "127.0.0.1:7602"},
	Log:     Log{Level: "info"},
	Plugin:  Plugin{StartTimeout: 10 * time.Second, UpstreamRate: 50},
	Channel: Channel{Priority: 10, Weight: 1},
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
		IdleTimeout:    90 * time.Second,
		HTTP2:          true,
	},
	Route:       Route{Name: "default", Paths: []string{"/v1/*"}, Models: []string{"*"}},
	ResponseTTL: 30 * 24 * time.Hour,
}
