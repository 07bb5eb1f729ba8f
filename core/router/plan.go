package router

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// Plan says what a reload would change now. The plugins that it would start are
// asked whether their config is right, in processes of their own. An error is
// what the reload would fail with.
func (r *Router) Plan(ctx context.Context) (*server.Plan, error) {
	last := r.present.Load()
	cfg, err := r.read()
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, err
	}
	p := &server.Plan{Path: path, Changes: config.Diff(last.cfg, cfg), Notes: notes(r.started, cfg)}
	var starting []*config.Plugin
	here := make(map[string]bool)
	for _, c := range cfg.Plugins {
		fate, why, err := r.catalog.Foresee(c)
		if err != nil {
			return nil, err
		}
		if fate != catalog.Carried {
			starting = append(starting, c)
		}
		here[c.Address()] = true
		p.Plugins = append(p.Plugins, server.PluginFate{Address: c.Address(), Fate: fate, Why: why})
	}
	for _, c := range last.cfg.Plugins {
		if !here[c.Address()] {
			p.Plugins = append(p.Plugins, server.PluginFate{Address: c.Address(), Fate: catalog.Stops, Why: "nothing needs it any more"})
		}
	}
	if err := r.catalog.Check(ctx, starting); err != nil {
		return nil, fmt.Errorf("a reload would fail: %w", err)
	}
	return p, nil
}

// notes are worth saying of a configuration that a running router takes.
func notes(started, cfg *config.Config) (out []string) {
	for _, w := range cfg.Warnings {
		out = append(out, w.Error())
	}
	// Every part of the router has a logger already, in one of the two forms.
	if started.Log.JSON != cfg.Log.JSON {
		out = append(out, "log.json has changed and needs a restart of the router; until then it stays as it was")
	}
	return out
}
