// Package local is the cache that a configuration gets if it names none: one
// SQLite file in the plugin's folder.
//
// What Put, Delete and Add returned for is in the file's write-ahead log, which
// the kernel keeps when the process is killed. When the machine itself fails,
// the last writes may be lost, but the file stays whole.
//
// One goroutine writes. It commits together what waits at the same time, and
// between commits it sweeps expired entries and makes room, in small portions.
// Readers never wait for it. A file that turns out to be corrupt is set aside
// and a new one begun; while no file can be written (a full disk, a read-only
// one), reads go on and writes are errors.
//
//	local.go    the plugin and its methods
//	store.go    the file: opening, schema, setting aside
//	writer.go   the goroutine that writes
//	tx.go       what is done inside a transaction
//	changes.go  Changes and its cursors
package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/cache/tally"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// local is the plugin; its tagged fields are the config block.
type local struct {
	File          string        `config:"file" doc:"the file's name in the plugin's folder"`
	MaxSize       sdk.Size      `config:"max_size" doc:"how large all entries may grow; then those that expire first give way, in the namespace that takes most" min:"65536"`
	SweepInterval time.Duration `config:"sweep_interval" doc:"how often expired entries are removed" min:"1ms"`

	now   func() time.Time
	dir   string
	tally tally.Tally
	store holder
	jobs  chan *job
	quit  chan struct{} // closed by Close
	ended chan struct{} // closed when the writer has ended
}

// New is the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "local", Doc: "Keeps entries in an SQLite file, over restarts and kills.",
		Cache: newLocal(),
	}
}

// newLocal has the defaults.
func newLocal() *local {
	return &local{File: "cache.db", MaxSize: 256 << 20, SweepInterval: time.Minute, now: time.Now}
}

// Validate refuses a path: the file is in the plugin's own folder.
func (l *local) Validate() error {
	if l.File == "" || l.File != filepath.Base(l.File) || l.File == "." || l.File == ".." {
		return sdk.ConfigError{Path: "file", Message: fmt.Sprintf("%q is no plain file name", l.File)}
	}
	return nil
}

// Start opens the file. That it can't be opened stops nothing: it is tried
// again, and until then every call is an error.
func (l *local) Start(_ context.Context, s sdk.Setup) error {
	l.dir = s.DataDir
	l.jobs = make(chan *job, maxBatch)
	l.quit, l.ended = make(chan struct{}), make(chan struct{})
	w := &writer{local: l}
	if err := w.open(); err != nil {
		sdk.Log.Error("the cache's file cannot be opened", "file", l.path(), "err", err)
	}
	go w.run()
	return nil
}

func (l *local) path() string { return filepath.Join(l.dir, l.File) }

// Close writes what waits and closes the file.
func (l *local) Close() error {
	close(l.quit)
	<-l.ended
	return l.store.replace(nil)
}

// Get is part of sdk.Cache.
func (l *local) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	e := sdk.Entry{Namespace: namespace, Key: key}
	var expires int64
	err := l.reading(ctx, func(ctx context.Context, s *store) error {
		row := s.get.QueryRowContext(ctx, namespace, []byte(key), l.now().UnixMilli())
		return row.Scan(&expires, &e.Value)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		l.tally.Miss(namespace)
		return sdk.Entry{}, false, nil
	case err != nil:
		return sdk.Entry{}, false, err
	}
	l.tally.Hit(namespace)
	e.Expires = time.UnixMilli(expires)
	return e, true, nil
}

// Put is part of sdk.Cache.
func (l *local) Put(ctx context.Context, entries ...sdk.Entry) error {
	size := 0
	for _, e := range entries {
		switch n := sizeOf(e); {
		case e.Namespace == "":
			return l.errorf("put: an entry has no namespace")
		case e.Expires.IsZero():
			return l.errorf("put %s: an entry has no expiry", e.Namespace)
		case n > int64(l.MaxSize):
			return l.errorf("put %s: an entry of %d bytes is larger than max_size", e.Namespace, n)
		default:
			size += int(n)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return l.writing(ctx, size, func(t *tx) error {
		for _, e := range entries {
			if err := t.put(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete is part of sdk.Cache.
func (l *local) Delete(ctx context.Context, namespace string, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return l.writing(ctx, 0, func(t *tx) error {
		for _, k := range keys {
			if err := t.remove(namespace, k, deletionKept); err != nil {
				return err
			}
		}
		return nil
	})
}

// Add is part of sdk.Cache. The counter is kept as decimal text.
func (l *local) Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	if ttl <= 0 {
		return 0, l.errorf("add %s: a counter cannot live for %s", namespace, ttl)
	}
	if namespace == "" {
		return 0, l.errorf("add: there is no namespace")
	}
	sum := make(chan int64, 1)
	err := l.writing(ctx, 0, func(t *tx) error {
		v, err := t.add(namespace, key, delta, ttl)
		if err == nil {
			select {
			case <-sum: // of an attempt that was rolled back
			default:
			}
			sum <- v
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-sum, nil
}

// Stats is part of sdk.Cache. Hits and misses of the last sweep_interval are
// lost where the process is killed.
func (l *local) Stats(ctx context.Context) (sdk.CacheStats, error) {
	var stats sdk.CacheStats
	done := make(chan error, 1)
	// In the writer, so that no hit is on its way from memory to the file.
	err := l.enqueue(ctx, &job{done: done, alone: func(w *writer) (err error) {
		stats, err = w.stats()
		return err
	}})
	if err != nil {
		return sdk.CacheStats{}, err
	}
	return stats, nil
}

// reading runs f on the file that is open. One that is corrupt holds nothing.
func (l *local) reading(ctx context.Context, f func(context.Context, *store) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, release := l.store.use()
	if s == nil {
		release()
		return l.errorf("the file is not open")
	}
	// A read takes microseconds; the driver would start a goroutine to be able
	// to interrupt it.
	err := f(context.WithoutCancel(ctx), s)
	release()
	switch {
	case err == nil || errors.Is(err, sql.ErrNoRows):
		return err
	case isCorrupt(err):
		reset := &job{done: make(chan error, 1), alone: func(w *writer) error { return w.replace(s, err) }}
		if failed := l.enqueue(ctx, reset); failed != nil {
			return failed
		}
		return sql.ErrNoRows
	default:
		return l.errorf("%w", err)
	}
}

func (l *local) errorf(format string, args ...any) error {
	return fmt.Errorf("cache(local): "+format, args...)
}
