package models

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// flags are the channels that answered for a made-up model. They outlive the
// process in a file; where that can't be written they are kept in memory, so
// that the worst is one more probe in the next process.
type flags struct {
	path string

	mu   sync.Mutex
	seen map[string]time.Time
}

// flagKey is of the address too: another one at the same channel is asked anew.
func flagKey(c sdk.Channel) string { return c.Name + " " + c.BaseURL }

func (f *flags) open(dir string) {
	f.seen = make(map[string]time.Time)
	if dir == "" {
		return
	}
	f.path = filepath.Join(dir, "ignores-model-names.json")
	b, err := os.ReadFile(f.path)
	if err == nil {
		err = json.Unmarshal(b, &f.seen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		sdk.Log.Warn("flags not read", "err", err)
	}
	if f.seen == nil { // the file says null
		f.seen = make(map[string]time.Time)
	}
}

func (f *flags) get(c sdk.Channel) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	since, ok := f.seen[flagKey(c)]
	return since, ok
}

func (f *flags) set(c sdk.Channel, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = make(map[string]time.Time)
	}
	f.seen[flagKey(c)] = now
	if f.path == "" {
		return
	}
	if err := f.write(); err != nil {
		sdk.Log.Warn("flags not written", "err", err)
	}
}

// write replaces the file at once, so that a kill leaves the old or the new.
func (f *flags) write() error {
	b, err := json.Marshal(f.seen)
	if err != nil {
		return err
	}
	next := f.path + ".new"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, f.path)
}
