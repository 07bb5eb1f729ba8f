package local

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is the file's user_version.
const schemaVersion = 2

// The values have a table of their own, so that keys are listed and entries
// swept without touching them. A row of entries is written anew at each change:
// its seq, which never comes again, orders the changes. What was removed stays
// for a while, with the size -1, for who polls for changes.
const schema = `
CREATE TABLE store (id TEXT NOT NULL);
CREATE TABLE entries (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT,
	namespace TEXT    NOT NULL,
	key       BLOB    NOT NULL,
	expires   INTEGER NOT NULL, -- Unix milliseconds
	size      INTEGER NOT NULL, -- of key and value, in bytes
	written   INTEGER NOT NULL DEFAULT 0, -- Unix milliseconds
	UNIQUE (namespace, key)
);
CREATE INDEX living  ON entries (namespace, expires) WHERE size >= 0;
CREATE INDEX removed ON entries (expires) WHERE size < 0;
CREATE INDEX written ON entries (namespace, written) WHERE size >= 0;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE stats (
	namespace TEXT PRIMARY KEY,
	entries INTEGER NOT NULL DEFAULT 0,
	bytes   INTEGER NOT NULL DEFAULT 0,
	hits    INTEGER NOT NULL DEFAULT 0,
	misses  INTEGER NOT NULL DEFAULT 0,
	puts    INTEGER NOT NULL DEFAULT 0,
	expired INTEGER NOT NULL DEFAULT 0,
	evicted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;`

// since1 takes a file of the version 1 along, which had no time of writing:
// what is in it counts as written now.
const since1 = `
ALTER TABLE entries ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET written = CAST(unixepoch('subsec') * 1000 AS INTEGER);
CREATE INDEX written ON entries (namespace, written) WHERE size >= 0;`

// store is one open file.
type store struct {
	id   string // of this file, as part of its cursors
	read *sql.DB
	get  *sql.Stmt

	writeDB *sql.DB
	write   *sql.Conn // the writer's alone
	stmts   statements
}

// readers is how many reads go on at once. Each has a cache of its own.
const readers = 2

// dsn of a connection. Page caches are small: the kernel has the file cached.
func dsn(path string, cacheKiB int) string {
	q := url.Values{"_pragma": {
		"busy_timeout(2000)", // a process that is being replaced may have the file open
		"journal_mode(WAL)",
		"synchronous(NORMAL)",
		"journal_size_limit(8388608)",
		"mmap_size(0)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
	}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func openStore(path string) (_ *store, err error) {
	s := &store{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ctx := context.Background()
	if s.writeDB, err = sql.Open("sqlite", dsn(path, 2048)); err != nil {
		return nil, err
	}
	if s.write, err = s.writeDB.Conn(ctx); err != nil {
		return nil, err
	}
	if err := s.write.Raw(keepLog); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		return nil, err
	}
	if err := s.write.QueryRowContext(ctx, "SELECT id FROM store").Scan(&s.id); err != nil {
		return nil, err
	}
	if err := s.stmts.prepare(ctx, s.write); err != nil {
		return nil, err
	}
	if s.read, err = sql.Open("sqlite", dsn(path, 1024)); err != nil {
		return nil, err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	s.get, err = s.read.PrepareContext(ctx, `
		SELECT e.expires, b.value FROM entries e JOIN bodies b USING (seq)
		WHERE e.namespace = ? AND e.key = ? AND e.expires > ? AND e.size >= 0`)
	return s, err
}

// keepLog has the write-ahead log stay when the file is closed, empty: without
// it SQLite does not open the file in a folder that has become read-only.
func keepLog(conn any) error {
	c, ok := conn.(sqlite.FileControl)
	if !ok {
		return fmt.Errorf("a connection of type %T", conn)
	}
	_, err := c.FileControlPersistWAL("main", 1)
	return err
}

// migrate makes the schema in a new file, and that of now in an older one.
func (s *store) migrate(ctx context.Context) error {
	version := func() (v int, err error) {
		return v, s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	}
	if v, err := version(); err != nil || v == schemaVersion {
		return err
	} else if v != 0 && v != 1 {
		return otherVersion(v)
	}
	if _, err := s.write.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	// Another process may have been faster.
	v, err := version()
	steps := []string{schema, fmt.Sprintf("INSERT INTO store VALUES ('%s')", rand.Text())}
	if v == 1 {
		steps = []string{since1}
	}
	if err != nil || v == schemaVersion {
		return errors.Join(err, exec(ctx, s.write, "ROLLBACK"))
	}
	if err := exec(ctx, s.write, append(steps, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion), "COMMIT")...); err != nil {
		return errors.Join(err, exec(ctx, s.write, "ROLLBACK"))
	}
	return nil
}

func exec(ctx context.Context, c *sql.Conn, queries ...string) error {
	for _, q := range queries {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// otherVersion is the error for a file of another version of this plugin.
type otherVersion int

func (v otherVersion) Error() string {
	return fmt.Sprintf("the file's schema has the version %d, not %d", int(v), schemaVersion)
}

func (s *store) close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.stmts.close(), s.write.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	return errors.Join(errs...)
}

// isCorrupt: what the file says makes no sense, so nothing it says is of use.
func isCorrupt(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		// A column that is not of its type; database/sql has no error type for it.
		return err != nil && strings.HasPrefix(err.Error(), "sql: Scan error")
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT:
		return true
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return true // no statement here breaks a rule unless the tables contradict each other
	default:
		return e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ
	}
}

// isStrange: the file can be read, but it is not one of ours.
func isStrange(err error) bool {
	var version otherVersion
	if errors.As(err, &version) || errors.Is(err, sql.ErrNoRows) || isCorrupt(err) {
		return true
	}
	var e *sqlite.Error // such as "no such table"
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}

// keptAside is how many corrupt files are kept for who wants to look.
const keptAside = 3

// setAside renames the file and what belongs to it, and removes older ones.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".corrupt-" + now.UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+part, aside+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return aside, err
		}
	}
	all, err := asideOf(path)
	if err != nil {
		return aside, err
	}
	for _, old := range all[:max(0, len(all)-keptAside)] {
		for _, part := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(old + part); err != nil && !errors.Is(err, os.ErrNotExist) {
				return aside, err
			}
		}
	}
	return aside, nil
}

// asideOf lists the files that were set aside, the oldest first.
func asideOf(path string) ([]string, error) {
	all, err := filepath.Glob(globEscape(path) + ".corrupt-*Z")
	slices.Sort(all)
	return all, err
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// holder has the store that is open now, and lets it be replaced when nobody
// uses it.
type holder struct {
	mu sync.RWMutex
	s  *store
}

// use is the store, or nil, until release.
func (h *holder) use() (s *store, release func()) {
	h.mu.RLock()
	return h.s, h.mu.RUnlock
}

// replace closes the store that is there.
func (h *holder) replace(next *store) error {
	h.mu.Lock()
	old := h.s
	h.s = next
	h.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.close()
}
