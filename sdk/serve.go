package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// Plugin is what [Serve] serves. At least one kind is set.
//
// The life of a plugin's process:
//
//  1. main calls Serve. Mistakes in the Plugin and in struct tags panic here.
//  2. The router asks for the [Manifest].
//  3. The router hands over the config block: the config struct is filled,
//     then each [Validator] is asked. Errors go back to the user's file and
//     line, and nothing below happens.
//  4. Each [Starter] is started, in the order of [Kinds]. Where the router only
//     checks a configuration, the life ends before this.
//  5. The methods of the kinds are called, by many goroutines at once.
//  6. The router says goodbye: each io.Closer is closed, within 2 s, in the
//     reverse order. A process that is killed, or whose router is, does not
//     come here: what must last is written before a method returns.
type Plugin struct {
	// Name as in HCL: plugin.selector.<name>.
	Name string
	// Version is part of the key of leases. Empty: that of the Go module.
	Version string
	// Doc is one sentence for people.
	Doc string

	// Reads are the facts that the answers depend on.
	Reads []Fact
	// Computes: the methods never block, so that they can be run one after
	// the other, on one processor.
	Computes bool
	// Needs are asked for here and granted in the HCL: [NeedBilledCalls],
	// [NeedPrompt], [NeedSecret].
	Needs []string

	// Config points to a struct with config tags that holds the defaults, see
	// [SchemaOf]. Nil: the first of the implementations that is one.
	Config any

	Selector   Selector
	Prechecker Prechecker
	Prober     Prober
	Cache      Cache
	Adapter    Adapter
	Guard      Guard
	Observer   Observer
}

// Validator is implemented by a config struct, or by an implementation, that
// checks more than types and bounds.
type Validator interface {
	// Validate is called after the config was filled. The error is shown as
	// it is, at the line of its [ConfigError] if it is one. [errors.Join]
	// makes several.
	Validate() error
}

// Starter is implemented by an implementation that has something to open.
type Starter interface {
	// Start is called once. ctx is for the start itself and ends with it. An
	// error stops the process.
	Start(ctx context.Context, s Setup) error
}

// Setup is what a [Starter] is started with.
type Setup struct {
	// DataDir is a folder of the plugin's own, which outlives the process.
	DataDir string
	// Grants are those of the plugin's Needs that the HCL grants. One that can't
	// do without what it asks for refuses to start here.
	Grants []string
}

// The handshake of go-plugin. A program that is started without the cookie
// explains itself and exits.
const (
	// ProtocolVersion of the services in sdk/proto, where each is described.
	// Both sides also speak the one before: OldestProtocolVersion.
	ProtocolVersion       = 2
	OldestProtocolVersion = 1
	// StopSince is the version that has Stop and Vitals.
	StopSince   = 2
	CookieKey   = "SMARTROUTER_PLUGIN"
	CookieValue = "8f1d0c6e-decisions-out-of-process"
)

// The environment that the host gives a plugin, besides go-plugin's own.
const (
	// EnvLifeline is the number of a file descriptor: its end of file means
	// that the host is gone.
	EnvLifeline = "SMARTROUTER_LIFELINE_FD"
	// EnvLogLevel is trace, debug, info, warn, error or off.
	EnvLogLevel = "SMARTROUTER_LOG_LEVEL"
)

// MaxMessageBytes bounds one message in either direction.
const MaxMessageBytes = 64 << 20

// Serve runs the plugin and exits the process. It is the last call of main.
func Serve(p *Plugin) {
	s, err := newServer(p)
	if err != nil {
		panic("sdk: " + err.Error())
	}
	run := s.run
	if os.Getenv(CookieKey) != CookieValue {
		if !slices.Contains(os.Args[1:], DebugFlag) {
			fmt.Print(s.byHand())
			os.Exit(1)
		}
		run = func() error { return s.debug(os.Stdout) }
	}
	if err := run(); err != nil {
		Log.Error("plugin failed", "err", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run serves until the router says goodbye.
func (s *server) run() error {
	watchLifeline()
	ignoreSignals()
	if s.manifest.Computes && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	return errors.Join(s.serve(context.Background(), sayHandshake), s.close())
}

// serve serves until ctx ends or the router says goodbye. listening is told
// where.
func (s *server) serve(ctx context.Context, listening func(*plugin.ReattachConfig) error) error {
	// go-plugin's test mode is its way to serve without taking over os.Stdout,
	// os.Stderr and the signals: authors keep theirs, and no print of theirs
	// can get between the handshake or block on a pipe that nobody reads. It
	// hands over the address instead of printing it.
	address := make(chan *plugin.ReattachConfig, 1)
	ended := make(chan struct{})
	told := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case a := <-address:
			err := listening(a)
			if err != nil {
				stop()
			}
			told <- err
		case <-ended:
			told <- fmt.Errorf("could not listen in %q", os.Getenv(plugin.EnvUnixSocketDir))
		}
	}()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: CookieKey, MagicCookieValue: CookieValue},
		VersionedPlugins: s.versions(),
		GRPCServer:       s.newGRPC,
		Logger:           Log,
		Test:             &plugin.ServeTestConfig{Context: ctx, ReattachConfigCh: address, CloseCh: ended},
	})
	return <-told
}

func (s *server) newGRPC(opts []grpc.ServerOption) *grpc.Server {
	// First, so that those of opts, if there are any, count. Set windows keep gRPC
	// from measuring the bandwidth of a unix socket.
	s.grpc = grpc.NewServer(append(append([]grpc.ServerOption{grpc.Creds(lane.Credentials())}, opts...),
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(4<<20),
		grpc.UnaryInterceptor(recoverPanics),
	)...)
	return s.grpc
}

// versions are those of the protocol that the plugin speaks. go-plugin takes
// the newest that the router speaks too.
func (s *server) versions() map[int]plugin.PluginSet {
	all := make(map[int]plugin.PluginSet)
	for v := OldestProtocolVersion; v <= ProtocolVersion; v++ {
		all[v] = plugin.PluginSet{s.manifest.Name: registrar{server: s, protocol: v}}
	}
	return all
}

// recoverPanics keeps one bad call from ending all the others.
func recoverPanics(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(codes.Internal, "%s: panic: %v", info.FullMethod, p)
			logPanic(info.FullMethod, p, debug.Stack())
		}
	}()
	return next(ctx, req)
}

func logPanic(method string, p any, stack []byte) {
	Log.Error("panic in a call", "method", method, "panic", p, "stack", string(stack))
}

// registrar is the shape in which go-plugin wants services.
type registrar struct {
	plugin.NetRPCUnsupportedPlugin
	server   *server
	protocol int
}

// GRPCServer is part of plugin.GRPCPlugin.
func (r registrar) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	r.server.protocol = r.protocol
	r.server.register(lane.NewServer(g, lane.ServerOptions{Inline: r.server.manifest.Computes, OnPanic: logPanic}))
	return nil
}

// GRPCClient is part of plugin.GRPCPlugin, and the host's business.
func (registrar) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("sdk: a plugin is connected to by sdk/host")
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// version of the module that the program was built from.
func moduleVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
