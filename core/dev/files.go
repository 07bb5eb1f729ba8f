package dev

import (
	"context"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pollEvery is how soon a save is noticed. A change is taken once nothing has
// changed for as long: editors write in several steps.
const pollEvery = 200 * time.Millisecond

// version of a file.
type version struct {
	size int64
	time time.Time
}

// files are those of a project, by path, that may change what the plugin does.
type files map[string]version

// look walks the folder. What can't be read is as good as not there: it may be
// gone a moment later.
func (p *Project) look(not ...string) files {
	seen := make(files)
	_ = filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // as good as not there
		}
		name := d.Name()
		if d.IsDir() {
			if path != p.dir && (strings.HasPrefix(name, ".") || name == "node_modules" || slices.Contains(not, path)) {
				return fs.SkipDir
			}
			return nil
		}
		if p.matters(name) && !slices.Contains(not, path) {
			if info, err := d.Info(); err == nil {
				seen[path] = version{info.Size(), info.ModTime()}
			}
		}
		return nil
	})
	return seen
}

// matters tells what is compiled or run from what is not, such as a test, the
// program that was built, or an editor's file.
func (p *Project) matters(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), strings.Contains(name, "_test."), strings.Contains(name, ".test."):
		return false
	}
	switch filepath.Ext(name) {
	case ".md", ".log", ".new", ".swp", ".tmp":
		return false
	case "":
		return !p.builds
	}
	return true
}

// changed waits until files differ from those of the last look, and then stay as
// they are. It names one of them; "": ctx has ended.
func changed(ctx context.Context, last *files, look func() files) string {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	before := *last
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-tick.C:
		}
		now := look()
		if name := difference(*last, now); name != "" && maps.Equal(now, before) {
			*last = now
			return name
		}
		before = now
	}
}

func difference(a, b files) string {
	for path, v := range b {
		if a[path] != v {
			return path
		}
	}
	for path := range a {
		if _, there := b[path]; !there {
			return path
		}
	}
	return ""
}
