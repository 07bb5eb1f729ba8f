// Package router puts the parts together: one router, running.
//
//	router.go   Router: what lives as long as the process; Open, Close
//	edition.go  one configuration at work: its plugins, pipelines and state
//	reload.go   going over to another configuration, plan.go: what that would change
//	watch.go    doing so when a file changes
//	plugins.go  orders about single plugins
//	serve.go    Serve: listens until its context ends, then drains
//	follow.go   who gets the decisions
//	store.go    where state is kept, whatever configuration is at work
//	check.go    a configuration's plugins, only asked whether it is right
//	fleet.go    following the other routers; accounts.go: how they know accounts
//	data.go     the folder of what outlives the router
//
// Open starts the plugins and builds what requests run on, without listening;
// a dry run needs no more.
package router

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/fleet"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/server"
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
	Dev     Dev
}

// Dev is for those who write a plugin; a router in service has none of it.
type Dev struct {
	// Adapt changes each configuration that is read.
	Adapt func(*config.Config)
	// Watch puts itself between the pipelines and a plugin.
	Watch func(*config.Plugin, pipeline.Plugin) pipeline.Plugin
	// Follow is given each request at its end.
	Follow func(*decision.Decision)
	// Reattach has the plugins whose process their author started.
	Reattach map[string]sdk.Reattach
}

// Router is what lives as long as the process. What a configuration decides is
// its present edition's.
type Router struct {
	log     hclog.Logger
	data    dataDir
	metrics *server.Metrics
	desk    *decision.Desk
	records *decision.File
	version string
	dev     Dev

	catalog    *catalog.Catalog
	board      *board.Board
	preparer   *pipeline.Preparer
	dispatcher *upstream.Dispatcher
	store      store
	accounts   *accounts
	fleet      *fleet.Fleet
	away       atomic.Bool // the store, when others' changes were looked for last
	pins       *server.Pins

	present atomic.Pointer[edition]
	// changing is held while one edition takes the place of another, and
	// serving, which is nil before Serve, goes with it.
	changing sync.Mutex
	serving  *serving
	reloads  reloads
	started  *config.Config
	// seen is how the configuration's files looked when they were read, and
	// changed is told when another edition is at work.
	seen    atomic.Pointer[string]
	changed chan struct{}

	running    context.Context // of what runs behind the requests
	stop       context.CancelFunc
	background sync.WaitGroup // of what the store gets, to the last write
}

// readyTimeout is how long the start waits for what the steps have to know
// first: clients are not to see an empty list of models.
const readyTimeout = 3 * time.Second

// Open starts the plugins and builds the pipelines.
func Open(ctx context.Context, o Options) (_ *Router, err error) {
	r := &Router{log: o.Log, version: o.Version, started: o.Config, changed: make(chan struct{}, 1), dev: o.Dev}
	seen := look(o.Config.Files)
	r.seen.Store(&seen)
	r.adapt(o.Config)
	r.running, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.data, err = openDataDir(o.DataDir); err != nil {
		return nil, err
	}
	r.desk, r.records = decision.NewDesk(), decision.NewFile(o.Log.Named("record"))
	r.metrics = server.NewMetrics(r.State)
	r.metrics.Decisions(r.desk, r.records)
	if o.Unlogged != nil {
		r.metrics.Unlogged(o.Unlogged)
	}
	r.board = board.New(nil)
	r.board.Share(o.Config.Shared())
	r.board.Observe(r.metrics.Bans(o.Log.Named("board")))
	r.board.Apply(o.Config)
	r.preparer = pipeline.NewPreparer(nil)
	r.dispatcher = upstream.New(upstream.Options{
		Board: r.board, Preparer: r.preparer, Log: o.Log.Named("upstream"), Observer: r.metrics,
	})
	r.accounts = newAccounts(r.data.pepper)
	r.fleet = fleet.New(fleet.Options{Store: &r.store, Board: r.board, Account: r.accounts.fingerprint, Terms: r.terms})
	r.pins = server.NewPins(server.PinsOptions{Store: &r.store, Account: r.accounts.fingerprint, Failed: r.unstored})
	r.catalog, err = catalog.New(catalog.Options{
		Log: o.Log.Named("plugin"), Self: o.Self, Observer: r.metrics, Reattach: o.Dev.Reattach,
		DataDir: filepath.Join(o.DataDir, "plugins"), RuntimeDir: filepath.Join(o.DataDir, "run"),
		Secret: r.secret,
		Upstream: func(ctx context.Context, _ *config.Plugin, channel string, q sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			if r.present.Load() == nil { // plugins start before there are adapters
				return sdk.UpstreamResponse{}, status.Error(codes.Unavailable, "the router is starting")
			}
			return r.dispatcher.Do(ctx, channel, q)
		},
	})
	if err != nil {
		return nil, err
	}
	e, err := r.build(ctx, o.Config, nil)
	if err != nil {
		return nil, err
	}
	return r, r.start(ctx, e)
}

// read is what the configuration's file says now.
func (r *Router) read() (*config.Config, error) {
	cfg, err := config.Load(r.started.Path)
	if err == nil {
		r.adapt(cfg)
	}
	return cfg, err
}

func (r *Router) adapt(c *config.Config) {
	if r.dev.Adapt != nil {
		r.dev.Adapt(c)
	}
}

// start restores what is known and begins what runs behind the requests.
func (r *Router) start(ctx context.Context, e *edition) error {
	r.accounts.share(e.cfg.Shared())
	r.store.set(e.plugin(e.cfg.Store))
	if err := r.board.Restore(ctx, &r.store, r.accounts.fingerprint); err != nil {
		// What was known is found out anew.
		r.log.Warn("store not read", "err", err)
	}
	r.change(e, listeners{})
	r.background.Go(func() { r.board.Keep(r.running, &r.store, r.accounts.fingerprint, r.unstored) })
	r.background.Go(func() { r.pins.Write(r.running) })
	r.background.Go(func() { r.fleet.Run(r.running) })
	go r.board.Follow(r.running, &r.store, r.accounts.fingerprint, r.poll, r.looked)
	wait, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, p := range e.state.Pipelines {
		p.Ready(wait)
	}
	go r.dispatcher.WarmUp(r.running, e.cfg.Server.WarmUp)
	return ctx.Err()
}

// unstored is told of writes that the store did not take.
func (r *Router) unstored(err error) {
	r.metrics.StoreFailed()
	r.log.Warn("store not written", "err", err)
}

// secret is a channel's credential, for plugins that are granted it.
func (r *Router) secret(channel string) config.Secret {
	for _, c := range r.board.View().Channels {
		if c.Config.Name == channel {
			return c.Config.Secret
		}
	}
	return ""
}

// State is what requests run on; nil: nothing does yet.
func (r *Router) State() *server.State {
	if e := r.present.Load(); e != nil {
		return e.state
	}
	return nil
}

// closeTimeout bounds the end of the plugins.
const closeTimeout = 5 * time.Second

// Close ends everything that Open began. It takes no context, as that of who
// ends the router has usually ended: what waits is written and the plugins end
// in order, within closeTimeout.
func (r *Router) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	r.stop()
	r.changing.Lock() // until a reload under way has given up
	defer r.changing.Unlock()
	r.background.Wait()
	if r.dispatcher != nil {
		r.dispatcher.Close()
	}
	if r.desk != nil {
		r.desk.Close(ctx)
		if e := r.present.Load(); e != nil {
			e.closeFeeds(ctx)
		}
		r.records.Close(ctx)
	}
	var err error
	if r.catalog != nil {
		err = r.catalog.Close(ctx)
	}
	r.data.close()
	return err
}
