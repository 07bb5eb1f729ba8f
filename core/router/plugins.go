package router

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
)

// ReloadPlugin starts a plugin anew, with the program that is on disk now and the
// configuration that is at work: the new process is configured and checked beside
// the old one, which ends after its last call. A failure changes nothing.
func (r *Router) ReloadPlugin(ctx context.Context, name string) (catalog.Status, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	last := r.present.Load()
	i, err := last.find(name)
	if err != nil {
		return catalog.Status{}, err
	}
	address, was, began := i.Status().Address, i.Status().PID, time.Now()
	same := *last.cfg
	if _, err := r.goOver(r.running, last, &same, address); err != nil {
		if relocked(last.cfg, address) {
			err = fmt.Errorf("%s says something else of it than when the configuration was read; smartrouter reload takes both", config.LockName)
		}
		return catalog.Status{}, fmt.Errorf("%s stays as it was: %w", address, err)
	}
	now := r.present.Load().plugins.Plugin(address).Status()
	r.log.Info("plugin reloaded", "plugin", address, "pid", now.PID, "was", was, "version", now.Version,
		"took", time.Since(began).Round(time.Millisecond))
	return now, nil
}

// relocked reports whether the plugin was installed anew since the configuration
// was read.
func relocked(cfg *config.Config, address string) bool {
	p := cfg.Plugin(address)
	lock, err := config.ReadLock(config.LockPath(cfg.Path))
	return err == nil && p != nil && len(p.Command) > 0 && !reflect.DeepEqual(lock.Find(p.Kind, p.Name), p.Lock)
}

// QuarantinePlugin takes a plugin out of service until [Router.ReleasePlugin], or
// until the router ends: its steps go on by their on_error.
func (r *Router) QuarantinePlugin(name, reason string) (catalog.Status, error) {
	i, err := r.present.Load().find(name)
	if err != nil {
		return catalog.Status{}, err
	}
	if reason == "" {
		reason = "by hand"
	}
	i.Quarantine(reason)
	r.log.Warn("plugin quarantined by hand", "plugin", i.Status().Address, "reason", reason)
	return i.Status(), nil
}

// ReleasePlugin puts it back, also one that is in quarantine as it crashed too
// often. lifted is false where it was in none.
func (r *Router) ReleasePlugin(name string) (st catalog.Status, lifted bool, err error) {
	i, err := r.present.Load().find(name)
	if err != nil {
		return catalog.Status{}, false, err
	}
	if lifted = i.Release(); lifted {
		r.log.Info("quarantine lifted by hand", "plugin", i.Status().Address)
	}
	return i.Status(), lifted, nil
}

// find is a running plugin by its address, plugin.selector.mine, or by as much of
// its end as names only one.
func (e *edition) find(name string) (*catalog.Instance, error) {
	var all, found []string
	for _, i := range e.plugins.Plugins() {
		address := i.Status().Address
		all = append(all, address)
		if address == name || strings.HasSuffix(address, "."+name) {
			found = append(found, address)
		}
	}
	switch {
	case len(found) == 1:
		return e.plugins.Plugin(found[0]), nil
	case len(found) > 1:
		return nil, fmt.Errorf("%q may be %s: say which", name, strings.Join(found, " or "))
	}
	slices.Sort(all)
	return nil, fmt.Errorf("there is no plugin %q; there are %s", name, strings.Join(all, ", "))
}
