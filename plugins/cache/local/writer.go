package local

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// maxBatch is how many jobs are committed together, and maxBatchBytes how
	// many bytes they write, about.
	maxBatch      = 64
	maxBatchBytes = 4 << 20
	// reopenAfter is the pause between two tries to open a file.
	reopenAfter = time.Second
	// warnAfter is the pause between two warnings about work behind requests.
	warnAfter = time.Minute
)

// job is what the writer is asked to do.
type job struct {
	// run is done in a transaction together with others. It may be done again
	// after a rollback. Either it or alone is set.
	run  func(*tx) error
	size int // bytes that it writes, about
	// alone is done between transactions.
	alone func(*writer) error

	err  error
	done chan error // with room for one
}

// writing has f done in a transaction.
func (l *local) writing(ctx context.Context, size int, f func(*tx) error) error {
	return l.enqueue(ctx, &job{run: f, size: size, done: make(chan error, 1)})
}

// enqueue waits for the end of the job, or of ctx; then it may still be done.
func (l *local) enqueue(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.quit:
		return l.errorf("closed")
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ended:
	}
	select {
	case err := <-j.done: // it was among the last
		return err
	default:
		return l.errorf("closed")
	}
}

// writer is the one goroutine that writes.
type writer struct {
	*local
	tried  time.Time // to open the file
	warned time.Time
}

func (w *writer) run() {
	defer close(w.ended)
	tick := time.NewTicker(w.SweepInterval)
	defer tick.Stop()
	always := make(chan struct{})
	close(always)
	var tidying chan struct{} // always while there is something to tidy up
	for {
		select {
		case j := <-w.jobs:
			if w.handle(j) {
				tidying = always
			}
		case <-tick.C:
			w.keepReads()
			tidying = always
		case <-tidying:
			// One portion of each, then it is the jobs' turn.
			if room, swept := w.makeRoom(), w.sweep(); !room && !swept {
				tidying = nil
			}
		case <-w.quit:
			w.finish()
			return
		}
	}
}

// finish does what was asked before Close.
func (w *writer) finish() {
	for {
		select {
		case j := <-w.jobs:
			w.handle(j)
		default:
			w.keepReads()
			return
		}
	}
}

// handle takes along what waits behind the first job. It reports whether the
// entries take more room than they may.
func (w *writer) handle(first *job) (full bool) {
	batch, next := w.gather(first)
	if len(batch) > 0 && w.commit(batch) {
		full = w.makeRoom()
	}
	if next != nil {
		next.done <- next.alone(w)
	}
	return full
}

// gather collects jobs that can share a transaction, and the one behind them
// that cannot.
func (w *writer) gather(first *job) (batch []*job, alone *job) {
	if first.alone != nil {
		return nil, first
	}
	batch = []*job{first}
	for size := first.size; len(batch) < maxBatch && size < maxBatchBytes; {
		select {
		case j := <-w.jobs:
			if j.alone != nil {
				return batch, j
			}
			batch = append(batch, j)
			size += j.size
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// commit does the jobs in one transaction; where that fails, each in its own.
func (w *writer) commit(batch []*job) (grew bool) {
	err := w.transact(func(t *tx) error {
		for _, j := range batch {
			j.err = j.run(t)
			if !errors.As(j.err, new(refused)) && j.err != nil {
				return j.err
			}
		}
		grew = t.grew
		return nil
	})
	if err != nil && len(batch) > 1 {
		grew = false
		for _, j := range batch {
			grew = w.commit([]*job{j}) || grew
		}
		return grew
	}
	for _, j := range batch {
		if err != nil {
			j.err = w.errorf("%w", err)
		}
		j.done <- j.err
	}
	return grew && err == nil
}

// transact does f in a transaction; where the file is corrupt, in a new one.
func (w *writer) transact(f func(*tx) error) error {
	if err := w.reopen(); err != nil {
		return err
	}
	s := w.store.s
	err := w.try(s, f)
	if err == nil || !isCorrupt(err) {
		return err
	}
	if err := w.replace(s, err); err != nil {
		return err
	}
	return w.try(w.store.s, f)
}

func (w *writer) try(s *store, f func(*tx) error) error {
	ctx := context.Background()
	if err := exec(ctx, s.write, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	t := &tx{ctx: ctx, s: &s.stmts, now: w.now().UnixMilli(), deltas: make(map[string]*sdk.NamespaceStats)}
	err := f(t)
	if err == nil {
		err = t.flush()
	}
	if err == nil {
		err = exec(ctx, s.write, "COMMIT")
	}
	if err != nil {
		// SQLite has rolled back by itself after some errors, such as a full
		// disk; that it says so is no news.
		_ = exec(ctx, s.write, "ROLLBACK")
	}
	return err
}

// open opens the file, or a new one in its place.
func (w *writer) open() error {
	w.tried = w.now()
	s, err := openStore(w.path())
	if err != nil && isStrange(err) {
		if err = w.setAside(err); err == nil {
			s, err = openStore(w.path())
		}
	}
	if err != nil {
		return err
	}
	return w.store.replace(s)
}

// reopen opens a file where none is open, but not at every call.
func (w *writer) reopen() error {
	if w.store.s != nil {
		return nil
	}
	if w.now().Sub(w.tried) < reopenAfter {
		return errors.New("the file is not open")
	}
	return w.open()
}

// replace begins a new file, unless bad was replaced already.
func (w *writer) replace(bad *store, why error) error {
	if w.store.s != bad {
		return nil
	}
	if err := w.store.replace(nil); err != nil {
		sdk.Log.Warn("the corrupt file does not close", "file", w.path(), "err", err)
	}
	if err := w.setAside(why); err != nil {
		return err
	}
	return w.open()
}

func (w *writer) setAside(why error) error {
	aside, err := setAside(w.path(), w.now())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		sdk.Log.Warn("the cache's file was of no use: a new one is begun", "err", why, "kept_as", aside)
	}
	return err
}

// sweep reports whether there is more to do at once.
func (w *writer) sweep() (more bool) {
	err := w.transact(func(t *tx) (err error) {
		more, err = t.sweep()
		return err
	})
	if err != nil {
		w.warn("expired entries are not removed", err)
		return false
	}
	return more
}

// spare is the part of the room that an eviction leaves free, so that not every
// write evicts.
const spare = 32

// makeRoom evicts one portion where the entries take more than they may, and
// reports whether they still do.
func (w *writer) makeRoom() (more bool) {
	limit := int64(w.MaxSize)
	err := w.transact(func(t *tx) error {
		total, err := t.total()
		if err != nil || total <= limit {
			more = false
			return err
		}
		freed, err := t.evict(total - limit + limit/spare)
		more = freed > 0 && total-freed > limit
		return err
	})
	if err != nil {
		w.warn("no room is made", err)
		return false
	}
	return more
}

// keepReads writes hits and misses down.
func (w *writer) keepReads() {
	list := w.tally.Pending()
	if len(list) == 0 {
		return
	}
	err := w.transact(func(t *tx) error {
		for _, c := range list {
			d := t.delta(c.Namespace)
			d.Hits, d.Misses = c.Hits, c.Misses
		}
		return nil
	})
	if err != nil {
		w.warn("hits and misses are not written", err)
		return
	}
	w.tally.Written(list)
}

// stats adds what is pending to what the file has.
func (w *writer) stats() (all sdk.CacheStats, err error) {
	if err := w.reopen(); err != nil {
		return all, w.errorf("%w", err)
	}
	list, err := namespaces(context.Background(), w.store.s.stmts.stats)
	if err != nil {
		return all, w.errorf("%w", err)
	}
	for _, p := range w.tally.Pending() {
		i, ok := slices.BinarySearchFunc(list, p.Namespace, func(c sdk.NamespaceStats, name string) int {
			return strings.Compare(c.Namespace, name)
		})
		if !ok {
			list = slices.Insert(list, i, sdk.NamespaceStats{Namespace: p.Namespace})
		}
		list[i].Hits += p.Hits
		list[i].Misses += p.Misses
	}
	aside, err := asideOf(w.path())
	if err != nil {
		return all, w.errorf("%w", err)
	}
	return sdk.CacheStats{Namespaces: list, SetAside: int64(len(aside))}, nil
}

func namespaces(ctx context.Context, query *sql.Stmt) ([]sdk.NamespaceStats, error) {
	rows, err := query.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []sdk.NamespaceStats
	for rows.Next() {
		var c sdk.NamespaceStats
		var oldest, newest int64
		if err := rows.Scan(&c.Namespace, &c.Entries, &c.Bytes, &c.Hits, &c.Misses, &c.Puts, &c.Expired, &c.Evicted, &oldest, &newest); err != nil {
			return nil, err
		}
		if c.Entries > 0 {
			c.Oldest, c.Newest = time.UnixMilli(oldest), time.UnixMilli(newest)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func (w *writer) warn(what string, err error) {
	if now := w.now(); now.Sub(w.warned) >= warnAfter {
		w.warned = now
		sdk.Log.Warn(what, "file", w.path(), "err", err)
	}
}
