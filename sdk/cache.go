package sdk

import (
	"context"
	"time"
)

// Cache is a store with a time to live, by namespace. What Put returned for is
// kept, also over a kill.
type Cache interface {
	// Get reports false for what is not there or has expired.
	Get(ctx context.Context, namespace, key string) (Entry, bool, error)
	// Put keeps all entries or none.
	Put(ctx context.Context, entries ...Entry) error
	Delete(ctx context.Context, namespace string, keys ...string) error
	// Add adds to a counter and answers its new value. One that is not there
	// or has expired starts at zero and lives for ttl from then on.
	Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error)
	// Changes lists what was written after q.Cursor, oldest first.
	Changes(ctx context.Context, q ChangesQuery) (Changes, error)
	Stats(ctx context.Context) ([]CacheStats, error)
}

// Entry is one kept value.
type Entry struct {
	Namespace string
	Key       string
	Value     []byte
	Expires   time.Time
}

// ChangesQuery says which changes are wanted.
type ChangesQuery struct {
	// Cursor is that of the last answer; empty: all that is there now.
	Cursor string
	// Namespaces; none: every one.
	Namespaces []string
	// KeysOnly leaves the values out.
	KeysOnly bool
	// Limit is the most entries of one answer; 0: 1,000.
	Limit int
}

// Changes is what was written since a cursor.
type Changes struct {
	Changes []Change
	// Cursor is for the next query, and never empty.
	Cursor string
	// More: there are more changes behind Cursor right now.
	More bool
}

// Change is one write or removal.
type Change struct {
	Entry   Entry
	Deleted bool
}

// CacheStats are the figures of one namespace since the store was made.
type CacheStats struct {
	Namespace string
	Entries   int64
	Bytes     int64
	Hits      int64
	Misses    int64
	Puts      int64
	// Expired entries were swept after their time, evicted ones before it.
	Expired int64
	Evicted int64
}
