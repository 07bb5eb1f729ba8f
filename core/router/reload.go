package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// Reload reads the configuration's file again and goes over to what it says. Who
// asks while a reload is under way gets the next one, which begins after it: so
// however often it is asked for, only two of them are ever pending. A failed one
// has changed nothing. The error is ctx's, whose end does not stop the reload.
func (r *Router) Reload(ctx context.Context) (server.Reload, error) {
	t := r.reloads.ask(func() server.Reload { return r.reload(r.running) })
	select {
	case <-t.done:
		return t.result, nil
	case <-ctx.Done():
		return server.Reload{}, context.Cause(ctx)
	}
}

// reloads makes one reload of many that are asked for.
type reloads struct {
	mu      sync.Mutex
	running bool
	next    *turn // begins after the one under way

	last *server.Reload // nil: there was none
}

// turn is one reload, for all who asked for it.
type turn struct {
	done   chan struct{}
	result server.Reload // valid after done
}

func (x *reloads) ask(reload func() server.Reload) *turn {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.next == nil {
		x.next = &turn{done: make(chan struct{})}
	}
	t := x.next
	if !x.running {
		x.running = true
		go x.run(reload)
	}
	return t
}

// run goes on until nobody has asked for another one.
func (x *reloads) run(reload func() server.Reload) {
	for t := x.take(); t != nil; t = x.take() {
		t.result = reload()
		x.mu.Lock()
		x.last = &t.result
		x.mu.Unlock()
		close(t.done)
	}
}

func (x *reloads) take() *turn {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.next
	x.next, x.running = nil, t != nil
	return t
}

// LastReload is how the last one ended; nil: there was none.
func (r *Router) LastReload() *server.Reload {
	r.reloads.mu.Lock()
	defer r.reloads.mu.Unlock()
	return r.reloads.last
}

// reload carries one out and tells of it.
func (r *Router) reload(ctx context.Context) server.Reload {
	r.changing.Lock()
	defer r.changing.Unlock()
	out := server.Reload{At: time.Now(), Result: server.ReloadFailed}
	last := r.present.Load()
	cfg, err := r.read()
	if err == nil {
		seen := look(cfg.Files)
		r.seen.Store(&seen)
		out.Result, err = r.goOver(ctx, last, cfg)
	}
	out.Took = time.Since(out.At)
	switch {
	case err != nil:
		out.Error = err.Error()
		r.log.Error("not reloaded, the configuration stays as it was", "err", out.Error)
	default:
		out.Notes = notes(r.started, cfg)
		out.Changes = config.Diff(last.cfg, cfg)
		r.log.Info("configuration reloaded", "result", out.Result, "took", out.Took.Round(time.Millisecond))
	}
	r.metrics.Reloaded(&out)
	return out
}

var errClosing = errors.New("the router is shutting down")

// goOver makes the configuration the one at work, unless it is already, and its
// plugins too: a program may have been replaced on disk. Plugins among anew, by
// address, start anew whatever is known of them.
func (r *Router) goOver(ctx context.Context, last *edition, cfg *config.Config, anew ...string) (server.ReloadResult, error) {
	if ctx.Err() != nil {
		return server.ReloadFailed, errClosing
	}
	e, err := r.build(ctx, cfg, last, anew...)
	if err != nil {
		return server.ReloadFailed, err
	}
	if cfg.Hash == last.cfg.Hash && e.samePlugins(last) {
		e.plugins.Release()
		return server.ReloadUnchanged, nil
	}
	l, err := r.openUp(ctx, e, last)
	if err != nil {
		e.plugins.Release()
		return server.ReloadFailed, err
	}
	r.change(e, l)
	return server.ReloadApplied, nil
}

// openUp opens what an edition needs beside its plugins, where the router serves.
func (r *Router) openUp(ctx context.Context, e, last *edition) (l listeners, err error) {
	if r.serving == nil {
		return l, nil
	}
	if l, err = r.serving.listen(ctx, last.cfg, e.cfg); err != nil {
		return l, err
	}
	if e.state.Telemetry, err = r.telemetry(ctx, e.cfg, last); err == nil {
		err = r.openRecords(e.cfg)
	}
	if err != nil {
		l.close()
		if t := e.state.Telemetry; t != last.state.Telemetry {
			r.untelemetry(t)
		}
	}
	return l, err
}

// change makes an edition the present one: one pointer switches, and what is not
// an edition's own goes over with it. The edition before ends when its last
// request lets it go.
func (r *Router) change(e *edition, l listeners) {
	// First what both need: a request of the old one may come to a new channel.
	e.unadapt = r.preparer.Apply(e.cfg, e.plugin)
	r.board.Share(e.cfg.Shared())
	r.board.Apply(e.cfg)
	r.accounts.share(e.cfg.Shared())
	if r.store.set(e.plugin(e.cfg.Store)) {
		r.board.KeepAll()
		r.pins.KeepAll()
	}
	last := r.present.Swap(e)
	if s := r.serving; s != nil {
		s.change(e)
		s.take(l)
		r.tell(s)
	}
	r.follow(e)
	r.log.SetLevel(hclog.LevelFromString(e.cfg.Log.Level))
	r.dispatcher.Apply(r.board.View())
	r.dispatcher.Fetch(e.cfg.Fetch)
	for _, p := range e.state.Pipelines {
		r.background.Go(p.Background(r.running))
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
	if last == nil {
		return
	}
	wait := last.rest(e)
	last.state.Retire(func() {
		wait() // its last writes go to its plugins
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		last.closeFeeds(ctx)
		cancel()
		last.unadapt()
		last.plugins.Release()
		// Its last requests may have come to channels that are gone.
		r.dispatcher.Apply(r.board.View())
		if t := last.state.Telemetry; t != e.state.Telemetry {
			r.untelemetry(t)
		}
	})
}
