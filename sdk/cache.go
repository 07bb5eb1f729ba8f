package sdk

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
	Stats(ctx context.Context) (CacheStats, error)
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

// CacheStats are the figures of a store.
type CacheStats struct {
	Namespaces []NamespaceStats
	// SetAside is how many damaged stores were set aside and are still there to
	// be looked at. It is an alarm until somebody removes them.
	SetAside int64
}

// NamespaceStats are the figures of one namespace since the store was made.
type NamespaceStats struct {
	Namespace string
	Entries   int64
	Bytes     int64
	Hits      int64
	Misses    int64
	Puts      int64
	// Expired entries were swept after their time, evicted ones before it.
	Expired int64
	Evicted int64
	// Oldest is when that of the entries was written that was written longest
	// ago, Newest that of the last; zero where there is none. Those that have
	// expired may count until they are swept.
	Oldest, Newest time.Time
}

// storeGone begins the text of such an error, for plugins in any language.
const storeGone = "store gone: "

// StoreGone is a cache's error where it knows that nobody can reach its store
// now, such as that nothing listens where the only server is. A call that only
// got no answer is no proof: others may get one.
func StoreGone(text string) error { return status.Error(codes.Unavailable, storeGone+text) }

// IsStoreGone reports whether err came of [StoreGone], on either side.
func IsStoreGone(err error) bool {
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Unavailable && strings.Contains(s.Message(), storeGone)
}
