package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// server is the plugin's half of the service Plugin, and what those of the
// kinds share. The kinds' halves are in rpc_<kind>.go.
type server struct {
	proto.UnimplementedPluginServer
	plugin   *Plugin
	grpc     *grpc.Server
	protocol int // the version that is spoken
	manifest Manifest
	schema   *schema
	// parts are the implementations in the order of Kinds, each once.
	parts []any

	upstream upstreamConn

	mu      sync.Mutex // one Configure at a time
	started []any      // those to close
	// ready: Configure was accepted, the kinds may be called.
	ready atomic.Bool
	// byAuthor: the author started the process, which one router after the other
	// may configure.
	byAuthor bool
}

func newServer(p *Plugin) (*server, error) {
	s := &server{plugin: p, manifest: Manifest{
		Name: p.Name, Version: p.Version, Doc: p.Doc, Reads: p.Reads, Computes: p.Computes, Lane: true, Needs: p.Needs,
	}}
	if s.manifest.Version == "" {
		s.manifest.Version = moduleVersion()
	}
	for _, k := range []struct {
		kind Kind
		impl any
		set  bool
	}{
		{KindSelector, p.Selector, p.Selector != nil},
		{KindPrechecker, p.Prechecker, p.Prechecker != nil},
		{KindProber, p.Prober, p.Prober != nil},
		{KindCache, p.Cache, p.Cache != nil},
		{KindAdapter, p.Adapter, p.Adapter != nil},
		{KindGuard, p.Guard, p.Guard != nil},
		{KindObserver, p.Observer, p.Observer != nil},
	} {
		if k.set {
			s.manifest.Kinds = append(s.manifest.Kinds, k.kind)
			s.parts = appendOnce(s.parts, k.impl)
		}
	}
	config := p.Config
	for _, part := range s.parts {
		if config == nil && hasConfigTags(part) {
			config = part
		}
	}
	var err error
	if s.schema, err = newSchema(config); err != nil {
		return nil, err
	}
	s.manifest.Fields = s.schema.describe()
	return s, s.manifest.Check()
}

// register adds the services of the plugin's kinds.
func (s *server) register(r grpc.ServiceRegistrar) {
	proto.RegisterPluginServer(r, s)
	if i := s.plugin.Selector; i != nil {
		proto.RegisterSelectorServer(r, &selectorServer{server: s, impl: i})
	}
	if i := s.plugin.Prechecker; i != nil {
		proto.RegisterPrecheckerServer(r, &precheckerServer{server: s, impl: i})
	}
	if i := s.plugin.Prober; i != nil {
		proto.RegisterProberServer(r, &proberServer{server: s, impl: i})
	}
	if i := s.plugin.Cache; i != nil {
		proto.RegisterCacheServer(r, &cacheServer{server: s, impl: i})
	}
	if i := s.plugin.Adapter; i != nil {
		proto.RegisterAdapterServer(r, &adapterServer{server: s, impl: i})
	}
	if i := s.plugin.Guard; i != nil {
		proto.RegisterGuardServer(r, &guardServer{server: s, impl: i})
	}
	if i := s.plugin.Observer; i != nil {
		proto.RegisterObserverServer(r, &observerServer{server: s, impl: i})
	}
}

// Describe is part of proto.PluginServer.
func (s *server) Describe(context.Context, *proto.DescribeRequest) (*proto.Manifest, error) {
	return manifestToProto(s.manifest), nil
}

// Configure is part of proto.PluginServer.
func (s *server) Configure(ctx context.Context, r *proto.ConfigureRequest) (*proto.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready.Load() && !s.byAuthor {
		return nil, status.Error(codes.FailedPrecondition, "the plugin is configured already")
	}
	errs := s.schema.decode(r.GetConfigJson())
	if len(errs) == 0 {
		errs = s.validate()
	}
	if len(errs) > 0 || r.GetCheckOnly() {
		return &proto.ConfigureResponse{Errors: configErrorsToProto(errs)}, nil
	}
	if err := s.closeStarted(); err != nil { // of the router before
		return nil, toStatus(err)
	}
	if err := s.start(ctx, r); err != nil {
		return nil, toStatus(errors.Join(err, s.closeStarted()))
	}
	s.ready.Store(true)
	return &proto.ConfigureResponse{}, nil
}

// Stop is part of proto.PluginServer.
func (s *server) Stop(context.Context, *proto.StopRequest) (*proto.StopResponse, error) {
	if s.protocol < StopSince {
		return nil, errOlderProtocol
	}
	if err := s.close(); err != nil {
		err = toStatus(fmt.Errorf("close: %w", err))
		s.end()
		return nil, err
	}
	s.end()
	return &proto.StopResponse{}, nil
}

var errOlderProtocol = status.Errorf(codes.Unimplemented, "since version %d of the protocol", StopSince)

// end stops serving once the answers under way are written; what hangs is not
// waited for.
func (s *server) end() {
	g := s.grpc // the next router's is another one
	go func() {
		time.AfterFunc(lastAnswersTime, g.Stop)
		g.GracefulStop()
	}()
}

// lastAnswersTime is well below the 2 s after which the router kills.
const lastAnswersTime = 500 * time.Millisecond

// Vitals is part of proto.PluginServer.
func (s *server) Vitals(_ context.Context, r *proto.VitalsRequest) (*proto.VitalsResponse, error) {
	if s.protocol < StopSince {
		return nil, errOlderProtocol
	}
	if r.GetCollect() {
		// Once for what finalizers let go of.
		runtime.GC()
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &proto.VitalsResponse{Tasks: int64(runtime.NumGoroutine()), HeapBytes: int64(m.HeapAlloc)}, nil
}

func (s *server) validate() (errs []ConfigError) {
	asked := s.parts
	if s.plugin.Config != nil {
		asked = appendOnce(slices.Clone(asked), s.plugin.Config)
	}
	for _, part := range asked {
		if v, ok := part.(Validator); ok {
			errs = append(errs, configErrors(v.Validate())...)
		}
	}
	return errs
}

// configErrors flattens what a Validator answered.
func configErrors(err error) (errs []ConfigError) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			errs = append(errs, configErrors(e)...)
		}
		return errs
	}
	var ce ConfigError
	if errors.As(err, &ce) {
		return []ConfigError{ce}
	}
	return []ConfigError{{Message: err.Error()}}
}

func (s *server) start(ctx context.Context, r *proto.ConfigureRequest) error {
	if err := s.upstream.dial(r.GetUpstreamSocket()); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	for _, part := range s.parts {
		if st, ok := part.(Starter); ok {
			if err := st.Start(ctx, Setup{DataDir: r.GetDataDir(), Grants: r.GetGrants()}); err != nil {
				return fmt.Errorf("start: %w", err)
			}
		}
		s.started = append(s.started, part)
	}
	return nil
}

// close is the orderly end.
func (s *server) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeStarted()
}

func (s *server) closeStarted() error {
	s.ready.Store(false)
	var errs []error
	for _, part := range slices.Backward(s.started) {
		if c, ok := part.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	s.started = nil
	return errors.Join(errs...)
}

// configured is asked first by each method of a kind.
func (s *server) configured() error {
	if s.ready.Load() {
		return nil
	}
	return status.Error(codes.FailedPrecondition, "the plugin is not configured yet")
}
