package router

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// watch reloads when a file of the configuration changes, where that says so,
// until ctx ends.
func (r *Router) watch(ctx context.Context) {
	for ctx.Err() == nil {
		cfg := r.present.Load().cfg
		if cfg.Reload.Watch {
			err := r.watchFiles(ctx, cfg)
			if err == nil {
				continue
			}
			r.log.Warn("files not watched, so a change needs a reload by hand", "err", err)
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
		}
	}
}

// watchFiles does so for one configuration. The folders are watched: editors and
// mounted ConfigMaps put another file in place of the one that was there.
func (r *Router) watchFiles(ctx context.Context, cfg *config.Config) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // nothing is lost with it
	for _, f := range cfg.Files {
		if err := w.Add(filepath.Dir(f)); err != nil { // again and again is fine
			return fmt.Errorf("%s: %w", filepath.Dir(f), err)
		}
	}
	settled := time.NewTimer(cfg.Reload.Debounce)
	defer settled.Stop()
	seen := *r.seen.Load()
	for {
		// They may have changed before they were watched, so one looks first.
		if now := look(cfg.Files); now != seen {
			seen = now
			settled.Reset(cfg.Reload.Debounce)
		} else if seen == *r.seen.Load() {
			settled.Stop()
		}
		select {
		case <-w.Events:
		case err := <-w.Errors: // such as that there were too many events
			r.log.Debug("watching files", "err", err)
		case <-settled.C:
			if _, err := r.Reload(ctx); err != nil {
				return nil // ctx has ended
			}
		case <-r.changed:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// look changes when a file is another one, or was written to.
func look(files []string) string {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&b, "%q is not there\n", f)
			continue
		}
		inode := uint64(0)
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = st.Ino
		}
		fmt.Fprintf(&b, "%q %d %d %d\n", f, inode, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
