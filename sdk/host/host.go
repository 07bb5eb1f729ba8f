// Package host is the router's half of the contract in sdk/proto: what
// core/catalog and sdk/plugintest talk to plugins with.
//
//	process.go   how a plugin's process is started, for go-plugin
//	host.go      Connect, Configure, Ping, Stop, Vitals
//	selector.go  Selector: generations are learned as they are needed
//	kinds.go     Prechecker, Prober, Adapter; translator.go: of an adapter that is one
//	guard.go     Guard, observer.go: Observer
//	cache.go     Cache
//	upstream.go  the lent HTTP client, served to a plugin
//	convert.go   between protobuf and plain Go
//	errors.go    errors that say whose they are and keep their gRPC code
//
// What a plugin answers is checked here: beyond this package it is in range.
package host

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/lane"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Plugin is a connected plugin. Its methods may be called by many goroutines.
type Plugin struct {
	who      string
	manifest sdk.Manifest
	conn     *grpc.ClientConn
	protocol int
	lane     *lane.Conn // nil where the plugin has none
}

// Connect asks what the plugin behind link is, and refuses a manifest that
// makes no sense. who is put before the plugin's errors: "selector(smart)".
// ctx bounds Connect only.
func Connect(ctx context.Context, who string, link Link) (*Plugin, error) {
	p := &Plugin{who: who, conn: link.Conn, protocol: link.Protocol}
	m, err := proto.NewPluginClient(p.conn).Describe(ctx, &proto.DescribeRequest{})
	if err != nil {
		return nil, p.wrap(err)
	}
	p.manifest = manifestFromProto(m)
	if err := p.manifest.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", who, err)
	}
	if p.manifest.Lane && !link.Unary {
		if p.lane, err = lane.Dial(ctx, p.conn, lane.Options{MaxReplyBytes: sdk.MaxMessageBytes}); err != nil {
			return nil, p.wrap(err)
		}
	}
	return p, nil
}

// Manifest is what the plugin says of itself.
func (p *Plugin) Manifest() sdk.Manifest { return p.manifest }

// Protocol is the version of the contract that the plugin speaks here.
func (p *Plugin) Protocol() int { return p.protocol }

// Close ends what Connect began. The connection and the process go on.
func (p *Plugin) Close() error {
	if p.lane == nil {
		return nil
	}
	return p.lane.Close()
}

// LaneStats counts what went over the lane; zero where there is none.
func (p *Plugin) LaneStats() lane.Stats {
	if p.lane == nil {
		return lane.Stats{}
	}
	return p.lane.Stats()
}

// Setup is what a plugin is configured with.
type Setup struct {
	// ConfigJSON is the decoded config block; empty: an empty one.
	ConfigJSON []byte
	// UpstreamSocket is the path that [ServeUpstream] listens at.
	UpstreamSocket string
	// DataDir is the plugin's own folder.
	DataDir string
	// Grants are those of its needs that the HCL grants.
	Grants []string
	// CheckOnly asks for the config's errors; nothing is started.
	CheckOnly bool
}

// Configure hands the plugin its config. The config errors are the user's
// mistakes; with any of them, or with an error, the plugin is not running.
func (p *Plugin) Configure(ctx context.Context, s Setup) ([]sdk.ConfigError, error) {
	// Not over the lane, where a slow start would hold up its other calls.
	resp, err := proto.NewPluginClient(p.conn).Configure(ctx, &proto.ConfigureRequest{
		ConfigJson: s.ConfigJSON, UpstreamSocket: s.UpstreamSocket, DataDir: s.DataDir, Grants: s.Grants, CheckOnly: s.CheckOnly,
	})
	if err != nil {
		return nil, p.wrap(err)
	}
	var errs []sdk.ConfigError
	for _, e := range resp.GetErrors() {
		errs = append(errs, sdk.ConfigError{Path: e.GetPath(), Message: e.GetMessage()})
	}
	return errs, nil
}

// Ping finds out whether the plugin still answers. Give ctx a deadline.
func (p *Plugin) Ping(ctx context.Context) error {
	if p.lane != nil {
		return p.wrap(p.lane.Ping(ctx))
	}
	_, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService})
	return p.wrap(err)
}

// Stop says goodbye: the plugin closes what it has open, and ends. The error
// is its own, if it could not close something. A plugin of a version that knows
// no Stop is not asked; its process ends with its connection.
func (p *Plugin) Stop(ctx context.Context) error {
	if p.protocol < sdk.StopSince {
		return nil
	}
	_, err := proto.NewPluginClient(p.conn).Stop(ctx, &proto.StopRequest{})
	return p.wrap(err)
}

// Vitals are what a plugin says of its own process.
type Vitals struct {
	// Tasks are what runs or waits in it; in Go: goroutines.
	Tasks     int64
	HeapBytes int64
}

// Vitals asks the plugin for them, with what it does not use any more freed
// before. The error has codes.Unimplemented where it can't tell.
func (p *Plugin) Vitals(ctx context.Context) (Vitals, error) {
	if p.protocol < sdk.StopSince {
		return Vitals{}, p.wrap(status.Error(codes.Unimplemented, "its version of the protocol has no vitals"))
	}
	v, err := proto.NewPluginClient(p.conn).Vitals(ctx, &proto.VitalsRequest{Collect: true})
	if err != nil {
		return Vitals{}, p.wrap(err)
	}
	return Vitals{Tasks: v.GetTasks(), HeapBytes: v.GetHeapBytes()}, nil
}

// Broken reports whether the connection to the plugin is gone, and not only a
// call. Where the plugin has a lane it is exact as soon as a call over it failed.
func (p *Plugin) Broken() bool {
	if p.lane != nil {
		return p.lane.Err() != nil
	}
	return p.conn.GetState() != connectivity.Ready
}

// healthService is the name that go-plugin has every plugin answer for.
const healthService = "plugin"

// calls is what the kinds' methods go over.
func (p *Plugin) calls() grpc.ClientConnInterface {
	if p.lane != nil {
		return p.lane
	}
	return p.conn
}
