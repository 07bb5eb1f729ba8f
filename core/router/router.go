// Package router puts the parts together: one configuration, running.
//
// Open starts the plugins and builds what requests run on, without listening;
// a dry run needs no more. Serve listens until its context ends, then drains.
package router

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Options of a router.
type Options struct {
	Config *config.Config
	// DataDir is where the router keeps what outlives it. It is made where it
	// is missing.
	DataDir string
	// Self is the command that serves first-party plugins, without their name.
	Self []string
	Log  hclog.Logger
	// Unlogged is how many lines of the log were dropped; nil: none are.
	Unlogged func() uint64
	// Version is what telemetry says of the router.
	Version string
}

// Router is a running configuration.
type Router struct {
	cfg     *config.Config
	log     hclog.Logger
	data    dataDir
	metrics *server.Metrics
	version string
	state   *server.State

	catalog *catalog.Catalog
	plugins *catalog.Set
	board   *board.Board

	stop       context.CancelFunc // of what runs behind the requests
	background sync.WaitGroup     // of what the store gets, to the last write
}

// readyTimeout is how long the start waits for what the steps have to know
// first: clients are not to see an empty list of models.
const readyTimeout = 3 * time.Second

// Open starts the plugins and builds the pipelines.
func Open(ctx context.Context, o Options) (_ *Router, err error) {
	r := &Router{cfg: o.Config, log: o.Log, version: o.Version}
	defer func() {
		if err != nil {
			r.Close(context.WithoutCancel(ctx))
		}
	}()
	if r.data, err = openDataDir(o.DataDir); err != nil {
		return nil, err
	}
	r.metrics = server.NewMetrics(func() *server.State { return r.state })
	if o.Unlogged != nil {
		r.metrics.Unlogged(o.Unlogged)
	}
	keys, err := server.NewKeys(r.data.pepper, o.Config.Keys)
	if err != nil {
		return nil, err
	}
	r.board = board.New(nil)
	r.board.Observe(r.metrics.Bans(o.Log.Named("board")))
	r.board.Apply(o.Config)

	// Plugins start before there is a dispatcher; one that asks so early is told to wait.
	var dispatcher atomic.Pointer[upstream.Dispatcher]
	r.catalog, err = catalog.New(catalog.Options{
		Log: o.Log.Named("plugin"), Self: o.Self, Observer: r.metrics,
		DataDir: filepath.Join(o.DataDir, "plugins"), RuntimeDir: filepath.Join(o.DataDir, "run"),
		Upstream: func(ctx context.Context, _ *config.Plugin, channel string, q sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			d := dispatcher.Load()
			if d == nil {
				return sdk.UpstreamResponse{}, status.Error(codes.Unavailable, "the router is starting")
			}
			return d.Do(ctx, channel, q)
		},
	})
	if err != nil {
		return nil, err
	}
	if r.plugins, err = r.catalog.Load(ctx, o.Config.Plugins); err != nil {
		return nil, err
	}
	preparer := pipeline.NewPreparer(o.Config, r.plugin, nil)
	d := upstream.New(upstream.Options{
		Board: r.board, Preparer: preparer, Log: o.Log.Named("upstream"), Observer: r.metrics,
	})
	dispatcher.Store(d)
	r.state = &server.State{
		Config: o.Config, Keys: keys, Board: r.board, Dispatcher: d,
		Pipelines: make(map[*config.Pipeline]*pipeline.Pipeline),
		Plugins:   r.statuses,
		Pins: server.NewPins(server.PinsOptions{
			Store: r.plugin(o.Config.Store).Cache, Account: r.account, Failed: r.unstored,
		}),
	}
	for _, c := range o.Config.Pipelines {
		p, err := pipeline.New(pipeline.Options{
			Config: c, Board: r.board, Plugins: r.plugin, Preparer: preparer, Forms: server.Forms{}, Log: o.Log.Named("pipeline"),
		})
		if err != nil {
			return nil, err
		}
		r.state.Pipelines[c] = p
	}
	return r, r.start(ctx)
}

// start restores what is known and begins what runs behind the requests.
func (r *Router) start(ctx context.Context) error {
	bg, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	store := r.plugin(r.cfg.Store).Cache
	if err := r.board.Restore(ctx, store, r.account); err != nil {
		// What was known is found out anew.
		r.log.Warn("store not read", "err", err)
	}
	r.background.Go(func() { r.board.Keep(bg, store, r.account, r.unstored) })
	r.background.Go(func() { r.state.Pins.Write(bg) })
	for _, p := range r.state.Pipelines {
		r.background.Go(p.Background(bg))
	}
	wait, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, p := range r.state.Pipelines {
		p.Ready(wait)
	}
	go r.state.Dispatcher.WarmUp(bg, r.cfg.Server.WarmUp)
	return ctx.Err()
}

// unstored is told of writes that the store did not take.
func (r *Router) unstored(err error) {
	r.metrics.StoreFailed()
	r.log.Warn("store not written", "err", err)
}

// account is a channel's fingerprint for the store: the credential is in it,
// and can't be found from it.
func (r *Router) account(c *config.Channel) string {
	h := hmac.New(sha256.New, r.data.pepper)
	for _, part := range []string{c.Provider.Name, c.BaseURL, c.Secret.Reveal()} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// plugin is a running plugin as pipelines use it.
func (r *Router) plugin(c *config.Plugin) pipeline.Plugin {
	i := r.plugins.Plugin(c.Address())
	return pipeline.Plugin{
		Manifest: i.Manifest(), Selector: i.Selector(), Prechecker: i.Prechecker(),
		Prober: i.Prober(), Cache: i.Cache(), Adapter: i.Adapter(),
		Epoch: func() uint64 { return i.Status().Epoch },
	}
}

// statuses of the plugins now.
func (r *Router) statuses() []catalog.Status {
	var out []catalog.Status
	for _, i := range r.plugins.Plugins() {
		out = append(out, i.Status())
	}
	return out
}

// State is what requests run on.
func (r *Router) State() *server.State { return r.state }

// Serve listens until ctx ends, then drains. ready is called with the
// addresses when both listeners are open.
func (r *Router) Serve(ctx context.Context, ready func(public, admin net.Addr)) error {
	batches, err := batch.Open(batch.Options{
		Dir: r.data.dir, Config: r.cfg.Batch, MaxLine: r.cfg.Server.MaxBody, Log: r.log.Named("batch"),
	})
	if err != nil {
		return err
	}
	defer batches.Close()
	follow, err := telemetry.New(ctx, &r.cfg.Telemetry, r.version, r.log.Named("telemetry"))
	if err != nil {
		return err
	}
	defer r.flush(ctx, follow)
	s := server.New(server.Options{
		Log: r.log.Named("server"), Metrics: r.metrics, AdminToken: r.data.token, State: r.state, Batches: batches, Telemetry: follow,
	})
	var listen net.ListenConfig
	public, err := listen.Listen(ctx, "tcp", r.cfg.Server.Address)
	if err != nil {
		return fmt.Errorf("server.address: %w", err)
	}
	var admin net.Listener
	failed := make(chan error, 2)
	var adminAddr net.Addr
	if r.cfg.Admin.Address != "" {
		if admin, err = listen.Listen(ctx, "tcp", r.cfg.Admin.Address); err != nil {
			public.Close()
			return fmt.Errorf("admin.address: %w", err)
		}
		adminAddr = admin.Addr()
		go func() { failed <- s.ServeAdmin(admin) }()
	}
	go func() { failed <- s.ServePublic(public) }()
	working, rest := context.WithCancel(ctx)
	defer rest()
	go batches.Run(working, s)
	ready(public.Addr(), adminAddr)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Server.DrainTimeout)
	defer cancel()
	rest()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		batches.Drain(drain)
	}()
	defer func() { <-drained }()
	if derr := s.Drain(drain); derr != nil && !errors.Is(derr, context.DeadlineExceeded) {
		err = errors.Join(err, derr)
	}
	return err
}

// flush sends what is left of the telemetry, once the last request has ended.
func (r *Router) flush(ctx context.Context, t *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		r.log.Warn("telemetry not sent", "err", err)
	}
}

// closeTimeout bounds the end of the plugins.
const closeTimeout = 5 * time.Second

// Close ends everything that Open began.
func (r *Router) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if r.stop != nil {
		r.stop()
		r.background.Wait()
	}
	if r.state != nil {
		r.state.Dispatcher.Close()
	}
	var err error
	if r.catalog != nil {
		err = r.catalog.Close(ctx)
	}
	r.data.close()
	return err
}

// Check starts the configured plugins in a folder of their own, has them check
// their config blocks, and stops them.
func Check(ctx context.Context, cfg *config.Config, self []string, log hclog.Logger) error {
	dir, err := os.MkdirTemp("", "smartrouter-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := catalog.New(catalog.Options{
		Log: log.Named("plugin"), Self: self, RuntimeDir: dir, DataDir: dir,
		Upstream: func(context.Context, *config.Plugin, string, sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			return sdk.UpstreamResponse{}, status.Error(codes.Unavailable, "the configuration is only being checked")
		},
	})
	if err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err = c.Check(ctx, cfg.Plugins)
	return errors.Join(err, c.Close(ending))
}
