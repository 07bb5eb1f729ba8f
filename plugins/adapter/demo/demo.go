// Package demo is an adapter with a provider of its own, so that a router
// answers before anybody has a key.
//
// The provider is real HTTP on loopback: an OpenAI-compatible server in the
// plugin's process, whose answers stream word by word, echo what was asked and
// tell how to add a provider. Only who has the token that Prepare gives is
// answered. Address and token outlive the process, so what the router has
// prepared holds when the plugin is restarted.
//
//	demo.go        the plugin, Prepare
//	home.go        where the server lives: address and token over restarts
//	server.go      paths, auth, errors, the list of models
//	answer.go      what is said
//	stream.go      server-sent events, word by word
//	chat.go        /v1/chat/completions
//	completion.go  /v1/completions
//	response.go    /v1/responses
//	embedding.go   /v1/embeddings
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// demo is the plugin; its tagged fields are the config block.
type demo struct {
	Address string        `config:"address" doc:"where the simulated provider listens, on loopback; port 0 is any that is free"`
	Delay   time.Duration `config:"delay" doc:"the pause before each word" min:"0s" max:"10s"`

	home     home
	listener net.Listener
	http     *http.Server
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "demo", Doc: "A provider simulated on loopback, so that the router answers without a key.",
		Adapter: newDemo(),
	}
}

// newDemo has the defaults.
func newDemo() *demo {
	return &demo{Address: "127.0.0.1:0", Delay: 30 * time.Millisecond}
}

// Validate refuses an address that others could reach.
func (d *demo) Validate() error {
	a, err := netip.ParseAddrPort(d.Address)
	if err != nil {
		return sdk.ConfigError{Path: "address", Message: fmt.Sprintf(`%q is no IP address with a port, such as "127.0.0.1:0"`, d.Address)}
	}
	if !a.Addr().IsLoopback() {
		return sdk.ConfigError{Path: "address", Message: fmt.Sprintf("%s is not on loopback", a.Addr())}
	}
	return nil
}

// Start opens the server.
func (d *demo) Start(ctx context.Context, s sdk.Setup) error {
	var err error
	if d.listener, err = d.home.open(ctx, s.DataDir, d.Address); err != nil {
		return fmt.Errorf("adapter(demo): %w", err)
	}
	d.http = newServer(d.home.token, d.Delay)
	go d.serve()
	return nil
}

func (d *demo) serve() {
	if err := d.http.Serve(d.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		sdk.Log.Error("the simulated provider stopped", "err", err)
	}
}

// Close ends the answers that are under way: the router drains first.
func (d *demo) Close() error {
	err := d.http.Close()
	// The server does not know it yet where it was closed at once.
	if closing := d.listener.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	return err
}

// lease bounds how long a changed address goes unnoticed, for where the old one
// was taken by another program between two processes of the plugin.
var lease = sdk.Lease{Fresh: time.Minute, Stale: 10 * time.Minute}

// Prepare is part of sdk.Adapter.
func (d *demo) Prepare(_ context.Context, _ sdk.Channel, _ string, e sdk.Endpoint, _ bool) (sdk.Prepared, error) {
	path, ok := paths[e]
	if !ok {
		return sdk.Prepared{}, sdk.Unsupported("has no " + string(e))
	}
	return sdk.Prepared{
		URL:   "http://" + d.home.address + path,
		Auth:  sdk.Auth{Kind: sdk.AuthMinted, Value: "Bearer " + d.home.token},
		Codec: "openai",
		Lease: lease,
	}, nil
}
