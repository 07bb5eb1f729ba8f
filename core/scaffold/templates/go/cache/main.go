// Command plugin-name is a cache of Smart AI Router: a store with a time to
// live. This one is in memory, with a journal that outlives the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Get is part of sdk.Cache.
func (s *store) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Entry{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.of(namespace)
	if i, ok := s.live(namespace, key); ok {
		stats.Hits++
		return i.Entry, true, nil
	}
	stats.Misses++
	return sdk.Entry{}, false, nil
}

// Put is part of sdk.Cache.
func (s *store) Put(ctx context.Context, entries ...sdk.Entry) error {
	for _, e := range entries {
		if e.Namespace == "" || e.Expires.IsZero() {
			return fmt.Errorf("entry %q needs a namespace and an expiry", e.Key)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(ctx, entries...)
}

// Delete is part of sdk.Cache.
func (s *store) Delete(ctx context.Context, namespace string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []sdk.Entry
	for _, k := range keys {
		if _, ok := s.live(namespace, k); ok {
			gone = append(gone, sdk.Entry{Namespace: namespace, Key: k}) // no expiry: deleted
		}
	}
	return s.write(ctx, gone...)
}

// Add is part of sdk.Cache. A counter is an entry of decimal text.
func (s *store) Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	if namespace == "" || ttl <= 0 {
		return 0, errors.New("a counter needs a namespace and a time to live")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := sdk.Entry{Namespace: namespace, Key: key, Expires: time.Now().Add(ttl)}
	n := int64(0)
	if i, ok := s.live(namespace, key); ok {
		var err error
		if n, err = strconv.ParseInt(string(i.Value), 10, 64); err != nil {
			return 0, fmt.Errorf("%q is no counter", key)
		}
		e.Expires = i.Expires
	}
	if delta > 0 && n > math.MaxInt64-delta || delta < 0 && n < math.MinInt64-delta {
		return 0, fmt.Errorf("the counter %q would overflow", key)
	}
	e.Value = strconv.AppendInt(nil, n+delta, 10)
	return n + delta, s.write(ctx, e)
}

// Changes is part of sdk.Cache: of each key its newest state.
func (s *store) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Changes{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	after, limit := s.position(q.Cursor), q.Limit
	if limit <= 0 {
		limit = 1000
	}
	var found []*item
	for id, i := range s.items {
		wanted := len(q.Namespaces) == 0 || slices.Contains(q.Namespaces, id.namespace)
		if _, live := s.live(id.namespace, id.key); wanted && i.seq > after && (live || i.deleted()) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *item) int { return int(a.seq - b.seq) })
	page := sdk.Changes{Cursor: s.cursor(s.seq)}
	if len(found) > limit {
		found = found[:limit]
		page.More, page.Cursor = true, s.cursor(found[limit-1].seq)
	}
	for _, i := range found {
		c := sdk.Change{Entry: i.Entry, Deleted: i.deleted()}
		if q.KeysOnly {
			c.Entry.Value = nil
		}
		page.Changes = append(page.Changes, c)
	}
	return page, nil
}

// Stats is part of sdk.Cache.
func (s *store) Stats(context.Context) (sdk.CacheStats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all sdk.CacheStats
	for namespace, counted := range s.stats {
		st := *counted
		st.Namespace = namespace
		for id := range s.items {
			if i, ok := s.live(id.namespace, id.key); ok && id.namespace == namespace {
				st.Entries++
				st.Bytes += int64(len(i.Key) + len(i.Value))
				if st.Oldest.IsZero() || i.at.Before(st.Oldest) {
					st.Oldest = i.at
				}
				if i.at.After(st.Newest) {
					st.Newest = i.at
				}
			}
		}
		all.Namespaces = append(all.Namespaces, st)
	}
	return all, nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Keeps entries in memory.", Cache: &store{Largest: 64 << 20}})
}
