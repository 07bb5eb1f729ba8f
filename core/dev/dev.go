package dev

import (
	"context"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/router"
	"github.com/smart-ai-router/smartrouter/core/server"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Options of a run.
type Options struct {
	Project *Project
	// Config is the configuration's file.
	Config  string
	DataDir string
	Self    []string
	Version string
	// Reattach is the process to use, for a debugger; nil: the plugin is built and
	// run.
	Reattach *sdk.Reattach
	// Out is told what happens, and Log gets the router's log.
	Out io.Writer
	Log func(config.Log) hclog.Logger
	// Ready is called when the router listens.
	Ready func(st server.Status, public, admin net.Addr, warnings config.Diagnostics)
}

const (
	// drainTimeout is how long requests may go on after the end.
	drainTimeout = 2 * time.Second
	// debugTimeout is what a call to a plugin may take whose author looks at it
	// with a debugger.
	debugTimeout = time.Hour
	// buildEnv changes with every save, so that what was read at the start is read
	// again.
	buildEnv = "SMARTROUTER_DEV_BUILD"
)

// session is one run.
type session struct {
	Options
	saves atomic.Int64
	steps atomic.Pointer[map[string]*config.Step] // by their plugin's address
	tell  *teller
	files files
}

// Run runs a router with the project's plugin until ctx ends.
func Run(ctx context.Context, o Options) error {
	s := &session{Options: o, tell: newTeller(o.Out)}
	s.files = s.look()
	r := s.open(ctx)
	if r == nil {
		return nil
	}
	defer r.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go s.follow(ctx, r)
	return r.Serve(ctx, func(public, admin net.Addr) {
		o.Ready(r.State().Status(), public, admin, r.State().Config.Warnings)
	})
}

// look leaves out what the router writes.
func (s *session) look() files {
	data, err := filepath.Abs(s.DataDir)
	if err != nil {
		data = s.DataDir
	}
	seen := s.Project.look(data)
	if path, err := filepath.Abs(s.Config); err == nil {
		if info, err := os.Stat(path); err == nil {
			seen[path] = version{info.Size(), info.ModTime()}
		}
	}
	return seen
}

// open builds the plugin and starts a router, as often as it takes: what keeps
// it from starting may be mended by the next save. No router: ctx has ended.
func (s *session) open(ctx context.Context) *router.Router {
	for {
		r, err := s.try(ctx)
		switch {
		case err == nil:
			return r
		case ctx.Err() != nil:
			return nil
		}
		s.tell.problem(err, "it is tried again when you save")
		if changed(ctx, &s.files, s.look) == "" {
			return nil
		}
	}
}

func (s *session) try(ctx context.Context) (*router.Router, error) {
	cfg, err := config.Load(s.Config)
	if err != nil {
		return nil, err
	}
	own, err := s.Project.Plugins(cfg)
	if err != nil {
		return nil, err
	}
	dev := router.Dev{Adapt: s.adapt, Watch: s.watch, Follow: s.tell.request}
	if s.Reattach != nil {
		dev.Reattach = Guests(own, *s.Reattach)
	} else if err := s.Project.Build(ctx, own); err != nil {
		return nil, err
	}
	return router.Open(ctx, router.Options{
		Config: cfg, DataDir: s.DataDir, Self: s.Self, Log: s.Log(cfg.Log), Version: s.Version, Dev: dev,
	})
}

// adapt changes a configuration for somebody who looks on.
func (s *session) adapt(c *config.Config) {
	c.Server.DrainTimeout = drainTimeout
	own := make(map[*config.Plugin]bool)
	for _, p := range c.Plugins {
		if len(p.Command) == 0 || !s.Project.has(p.Command[0]) {
			continue
		}
		own[p] = true
		if s.Reattach != nil {
			p.StartTimeout = debugTimeout
			continue
		}
		p.Env = maps.Clone(p.Env)
		if p.Env == nil {
			p.Env = make(config.Env)
		}
		p.Env[buildEnv] = strconv.FormatInt(s.saves.Load(), 10)
	}
	steps := make(map[string]*config.Step)
	s.steps.Store(&steps)
	for _, p := range c.Pipelines {
		for _, step := range p.Steps {
			if own[step.Plugin] {
				steps[step.Plugin.Address()] = step
			}
			if s.Reattach != nil && (own[step.Plugin] || step.Plugin == nil) {
				step.Timeout = debugTimeout
			}
		}
	}
}

// lease of answers that name none.
func (s *session) lease(p *config.Plugin) sdk.Lease {
	step := (*s.steps.Load())[p.Address()]
	switch {
	case step == nil:
		return sdk.Lease{}
	case step.Kind == sdk.KindProber:
		return sdk.For(step.Interval)
	default:
		return sdk.Lease{Fresh: step.Fresh, Stale: step.Stale}
	}
}

// follow takes over each save.
func (s *session) follow(ctx context.Context, r *router.Router) {
	for {
		name := changed(ctx, &s.files, s.look)
		if name == "" {
			return
		}
		s.saved(ctx, r, name)
	}
}

func (s *session) saved(ctx context.Context, r *router.Router, name string) {
	if rel, err := filepath.Rel(s.Project.dir, name); err == nil {
		name = rel
	}
	began := time.Now()
	if s.Reattach == nil {
		own, err := s.Project.Plugins(r.State().Config)
		if err == nil {
			err = s.Project.Build(ctx, own)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.tell.problem(err, name+" was saved, and not taken: the one before goes on")
			}
			return
		}
	}
	s.saves.Add(1)
	result, err := r.Reload(ctx)
	switch {
	case err != nil: // ctx has ended
	case result.Result == server.ReloadFailed:
		s.tell.say("%s was saved, and not taken: the one before goes on", name) // the log says why
	default:
		s.tell.say("%s was saved: swapped in %s", name, time.Since(began).Round(time.Millisecond))
	}
}
