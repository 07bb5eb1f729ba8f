package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// How long a removal is kept for who polls for changes, unless the entry would
// have expired before. Who missed an eviction asks once for what is not there;
// who missed a deletion might go on using what should be gone.
const (
	deletionKept = time.Hour
	evictionKept = time.Minute
)

// overhead of an entry in the file, about, in bytes.
const overhead = 100

// portion is how many rows one transaction sweeps or evicts.
const portion = 500

func sizeOf(e sdk.Entry) int64 { return int64(len(e.Key)+len(e.Value)) + overhead }

// refused is the error of one job that changed nothing: those committed with it
// go on.
type refused struct{ error }

// tx is what is done inside one transaction. Jobs that share it see each other.
type tx struct {
	ctx    context.Context
	s      *statements
	now    int64 // Unix milliseconds
	deltas map[string]*sdk.NamespaceStats
	grew   bool
}

// delta is what the transaction adds to the figures of a namespace.
func (t *tx) delta(namespace string) *sdk.NamespaceStats {
	d := t.deltas[namespace]
	if d == nil {
		d = &sdk.NamespaceStats{Namespace: namespace}
		t.deltas[namespace] = d
	}
	return d
}

// found is a row of entries.
type found struct {
	seq, expires, size int64
}

func (f found) living() bool { return f.size >= 0 }

func (t *tx) find(namespace, key string) (f found, ok bool, err error) {
	err = t.s.find.QueryRowContext(t.ctx, namespace, []byte(key)).Scan(&f.seq, &f.expires, &f.size)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	return f, err == nil, err
}

// forget takes the old entry's value and figures away.
func (t *tx) forget(namespace string, old found) error {
	if !old.living() {
		return nil
	}
	d := t.delta(namespace)
	d.Entries--
	d.Bytes -= old.size
	_, err := t.s.deleteBody.ExecContext(t.ctx, old.seq)
	return err
}

func (t *tx) put(e sdk.Entry) error {
	expires := e.Expires.UnixMilli()
	if expires <= t.now {
		return t.remove(e.Namespace, e.Key, deletionKept)
	}
	return t.write(e.Namespace, e.Key, e.Value, expires)
}

func (t *tx) write(namespace, key string, value []byte, expires int64) error {
	old, ok, err := t.find(namespace, key)
	if err != nil {
		return err
	}
	if ok {
		if err := t.forget(namespace, old); err != nil {
			return err
		}
	}
	size := int64(len(key) + len(value))
	row, err := t.s.entry.ExecContext(t.ctx, namespace, []byte(key), expires, size, t.now)
	if err != nil {
		return err
	}
	seq, err := row.LastInsertId()
	if err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	if _, err := t.s.body.ExecContext(t.ctx, seq, value); err != nil {
		return err
	}
	d := t.delta(namespace)
	d.Entries++
	d.Bytes += size
	d.Puts++
	t.grew = true
	return nil
}

// remove leaves a trace for kept at most, but never beyond the entry's expiry:
// then all know by themselves that it is gone.
func (t *tx) remove(namespace, key string, kept time.Duration) error {
	old, ok, err := t.find(namespace, key)
	if err != nil || !ok || !old.living() {
		return err
	}
	if err := t.forget(namespace, old); err != nil {
		return err
	}
	if old.expires <= t.now {
		_, err = t.s.deleteEntry.ExecContext(t.ctx, old.seq)
		return err
	}
	until := min(old.expires, t.now+kept.Milliseconds())
	_, err = t.s.entry.ExecContext(t.ctx, namespace, []byte(key), until, -1, t.now)
	return err
}

func (t *tx) add(namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	old, ok, err := t.find(namespace, key)
	if err != nil {
		return 0, err
	}
	var sum int64
	expires := t.now + max(1, ttl.Milliseconds())
	if ok && old.living() && old.expires > t.now {
		var value []byte
		if err := t.s.value.QueryRowContext(t.ctx, old.seq).Scan(&value); err != nil {
			return 0, err
		}
		if sum, err = strconv.ParseInt(string(value), 10, 64); err != nil {
			return 0, refused{fmt.Errorf("cache(local): add %s: the entry is no counter", namespace)}
		}
		expires = old.expires
	}
	if delta > 0 && sum > math.MaxInt64-delta || delta < 0 && sum < math.MinInt64-delta {
		return 0, refused{fmt.Errorf("cache(local): add %s: the counter would overflow", namespace)}
	}
	sum += delta
	return sum, t.write(namespace, key, strconv.AppendInt(nil, sum, 10), expires)
}

// sweep removes a portion of what has expired, and reports whether there may
// be more.
func (t *tx) sweep() (more bool, err error) {
	namespaces, err := column[string](t.ctx, t.s.namespaces)
	if err != nil {
		return false, err
	}
	for _, ns := range namespaces {
		if _, err := t.s.sweepBodies.ExecContext(t.ctx, ns, t.now, portion); err != nil {
			return false, err
		}
		sizes, err := column[int64](t.ctx, t.s.sweepEntries, ns, t.now, portion)
		if err != nil {
			return false, err
		}
		if len(sizes) == 0 {
			continue
		}
		d := t.delta(ns)
		for _, size := range sizes {
			d.Entries--
			d.Expired++
			d.Bytes -= size
		}
		more = more || len(sizes) == portion
	}
	traces, err := t.s.sweepRemoved.ExecContext(t.ctx, t.now, portion)
	if err != nil {
		return false, err
	}
	n, err := traces.RowsAffected()
	return more || n == portion, err
}

// total is what all entries take.
func (t *tx) total() (n int64, err error) {
	return n, t.s.total.QueryRowContext(t.ctx, overhead).Scan(&n)
}

// evict makes room for the wanted bytes, as far as one portion goes: in the
// namespace that takes most, so that a flood in one harms no other, and there of
// what expires first.
func (t *tx) evict(wanted int64) (freed int64, err error) {
	var namespace string
	if err := t.s.largest.QueryRowContext(t.ctx, overhead).Scan(&namespace); err != nil {
		return 0, err
	}
	keys, err := column[[]byte](t.ctx, t.s.first, namespace, portion)
	if err != nil {
		return 0, err
	}
	d := t.delta(namespace)
	before := *d
	for _, key := range keys {
		if freed >= wanted {
			break
		}
		if err := t.remove(namespace, string(key), evictionKept); err != nil {
			return 0, err
		}
		d.Evicted++
		freed = before.Bytes - d.Bytes + overhead*(before.Entries-d.Entries)
	}
	return freed, nil
}

// flush adds the deltas to the figures in the file.
func (t *tx) flush() error {
	for _, d := range t.deltas {
		if _, err := t.s.count.ExecContext(t.ctx, d.Namespace, d.Entries, d.Bytes, d.Hits, d.Misses, d.Puts, d.Expired, d.Evicted); err != nil {
			return err
		}
	}
	return nil
}

// column reads the one column of a query.
func column[T any](ctx context.Context, s *sql.Stmt, args ...any) ([]T, error) {
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// statements are those of the writer.
type statements struct {
	find, value, entry, body, deleteEntry, deleteBody *sql.Stmt
	namespaces, sweepBodies, sweepEntries             *sql.Stmt
	sweepRemoved, largest, first, count, total, stats *sql.Stmt

	all []*sql.Stmt
}

// close ends all: a connection with a statement is not closed, and keeps the
// file and its log open.
func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

func (s *statements) prepare(ctx context.Context, c *sql.Conn) error {
	const swept = `SELECT seq FROM entries WHERE namespace = ? AND size >= 0 AND expires <= ? ORDER BY expires, seq LIMIT ?`
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&s.find, `SELECT seq, expires, size FROM entries WHERE namespace = ? AND key = ?`},
		{&s.value, `SELECT value FROM bodies WHERE seq = ?`},
		{&s.entry, `INSERT OR REPLACE INTO entries (namespace, key, expires, size, written) VALUES (?, ?, ?, ?, ?)`},
		{&s.body, `INSERT INTO bodies (seq, value) VALUES (?, ?)`},
		{&s.deleteEntry, `DELETE FROM entries WHERE seq = ?`},
		{&s.deleteBody, `DELETE FROM bodies WHERE seq = ?`},
		{&s.namespaces, `SELECT namespace FROM stats WHERE entries > 0`},
		{&s.sweepBodies, `DELETE FROM bodies WHERE seq IN (` + swept + `)`},
		{&s.sweepEntries, `DELETE FROM entries WHERE seq IN (` + swept + `) RETURNING size`},
		{&s.sweepRemoved, `DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE size < 0 AND expires <= ? LIMIT ?)`},
		{&s.largest, `SELECT namespace FROM stats ORDER BY bytes + entries * ? DESC LIMIT 1`},
		{&s.first, `SELECT key FROM entries WHERE namespace = ? AND size >= 0 ORDER BY expires LIMIT ?`},
		{&s.count, `INSERT INTO stats (namespace, entries, bytes, hits, misses, puts, expired, evicted) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes,
			hits = hits + excluded.hits, misses = misses + excluded.misses, puts = puts + excluded.puts,
			expired = expired + excluded.expired, evicted = evicted + excluded.evicted`},
		{&s.total, `SELECT CAST(coalesce(sum(bytes + entries * ?), 0) AS INTEGER) FROM stats`},
		{&s.stats, `SELECT namespace, entries, bytes, hits, misses, puts, expired, evicted,
			coalesce((SELECT min(written) FROM entries e WHERE e.namespace = stats.namespace AND size >= 0), 0),
			coalesce((SELECT max(written) FROM entries e WHERE e.namespace = stats.namespace AND size >= 0), 0)
			FROM stats ORDER BY namespace`},
	} {
		stmt, err := c.PrepareContext(ctx, p.query)
		if err != nil {
			return err
		}
		*p.to = stmt
		s.all = append(s.all, stmt)
	}
	return nil
}
