package router

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// edition is one configuration at work. After a reload the one before it stays
// until its last request lets it go, so that several live side by side.
type edition struct {
	cfg     *config.Config
	plugins *catalog.Set
	state   *server.State

	feeds []*decision.Feed // to its observers
	// unadapt takes its adapters from the preparer.
	unadapt func()
	watch   func(*config.Plugin, pipeline.Plugin) pipeline.Plugin // nil: nobody does
}

// build makes an edition: its plugins run and are configured, and no request
// sees it yet. What has not changed since the last one is carried over; nil:
// there is none. After an error nothing is left of it.
func (r *Router) build(ctx context.Context, cfg *config.Config, last *edition, anew ...string) (_ *edition, err error) {
	e := &edition{cfg: cfg, watch: r.dev.Watch}
	if last != nil {
		cfg.Keep(last.cfg)
	}
	keys, err := server.NewKeys(r.data.pepper, cfg.Keys)
	if err != nil {
		return nil, err
	}
	if e.plugins, err = r.catalog.Load(ctx, cfg.Plugins, anew...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.plugins.Release()
		}
	}()
	e.state = &server.State{
		Config: cfg, Print: cfg.Fingerprint(r.data.pepper), Since: time.Now(), Keys: keys, Board: r.board, Dispatcher: r.dispatcher, Pins: r.pins, Plugins: e.plugins.Plugins, Fleet: r.fleet.Status,
		Pipelines: make(map[*config.Pipeline]*pipeline.Pipeline),
	}
	for _, c := range cfg.Pipelines {
		p, err := pipeline.New(pipeline.Options{
			Config: c, Board: r.board, Plugins: e.plugin, Preparer: r.preparer, Forms: server.Forms{}, Log: r.log.Named("pipeline"),
			Last: last.pipeline(c.Name),
		})
		if err != nil {
			return nil, err
		}
		e.state.Pipelines[c] = p
	}
	e.state.Stores = e.stores()
	return e, e.checkObservers()
}

// stores are the cache plugins in use: that of the router, and those of steps
// that keep answers.
func (e *edition) stores() []server.Store {
	plugins := []*config.Plugin{e.cfg.Store}
	for _, p := range e.cfg.Pipelines {
		for _, s := range p.Steps {
			if s.Kind == sdk.KindCache && s.TTL > 0 && !slices.Contains(plugins, s.Plugin) {
				plugins = append(plugins, s.Plugin)
			}
		}
	}
	out := make([]server.Store, len(plugins))
	for i, p := range plugins {
		out[i] = server.Store{Plugin: p.Address(), Stats: e.plugin(p).Cache.Stats}
	}
	return out
}

// plugin is a running plugin as pipelines use it.
func (e *edition) plugin(c *config.Plugin) pipeline.Plugin {
	i := e.plugins.Plugin(c.Address())
	p := pipeline.Plugin{
		Instance: i, Manifest: i.Manifest(), Selector: i.Selector(), Prechecker: i.Prechecker(),
		Prober: i.Prober(), Cache: i.Cache(), Adapter: i.Adapter(), Guard: i.Guard(), Grants: i.Grants().Given,
		Epoch: func() uint64 { return i.Status().Epoch }, SHA256: i.SHA256,
	}
	if e.watch != nil {
		p = e.watch(c, p)
	}
	return p
}

// pipeline of a name; nil: there is none.
func (e *edition) pipeline(name string) *pipeline.Pipeline {
	if e == nil {
		return nil
	}
	for _, p := range e.state.Pipelines {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

// rest ends what the steps do behind the requests that the next edition has
// not carried over. wait returns when the last of it has been written.
func (e *edition) rest(next *edition) (wait func()) {
	var ending sync.WaitGroup
	for _, p := range e.state.Pipelines {
		ending.Go(p.Rest(next.pipeline(p.Name())))
	}
	return ending.Wait
}

// checkObservers finds those that are none.
func (e *edition) checkObservers() error {
	for _, o := range e.cfg.Observers {
		if kinds := e.plugins.Plugin(o.Plugin.Address()).Manifest().Kinds; !slices.Contains(kinds, sdk.KindObserver) {
			return fmt.Errorf("observe %q: %s is no observer, its kinds are %v", o.Name, o.Plugin.Address(), kinds)
		}
	}
	return nil
}

// feed begins to hand decisions to the observers.
func (e *edition) feed(m *server.Metrics, log hclog.Logger) {
	for _, o := range e.cfg.Observers {
		i := e.plugins.Plugin(o.Plugin.Address())
		e.feeds = append(e.feeds, decision.NewFeed(decision.FeedOptions{
			Config: o, Observe: i.Observer().Observe, Prompts: slices.Contains(i.Grants().Given, sdk.NeedPrompt),
			Count: func(result string, n int) { m.Observed(o.Name, result, n) }, Log: log.Named("observe"),
		}))
	}
}

// closeFeeds hands on what waits, for as long as ctx lets it.
func (e *edition) closeFeeds(ctx context.Context) {
	for _, f := range e.feeds {
		f.Close(ctx)
	}
}

// samePlugins reports whether every plugin was carried over.
func (e *edition) samePlugins(last *edition) bool {
	for _, i := range e.plugins.Plugins() {
		if last.plugins.Plugin(i.Status().Address) != i {
			return false
		}
	}
	return len(e.plugins.Plugins()) == len(last.plugins.Plugins())
}
