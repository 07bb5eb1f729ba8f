package host

import (
	"context"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

// Cache calls a cache plugin.
type Cache struct {
	plugin *Plugin
	client proto.CacheClient
}

var _ sdk.Cache = (*Cache)(nil)

// Cache is the plugin's cache.
func (p *Plugin) Cache() *Cache {
	return &Cache{plugin: p, client: proto.NewCacheClient(p.calls())}
}

// Get is part of sdk.Cache.
func (c *Cache) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	r, err := c.client.Get(ctx, &proto.GetRequest{Namespace: namespace, Key: key})
	if err != nil || r.GetEntry() == nil {
		return sdk.Entry{}, false, c.plugin.wrap(err)
	}
	return entryFromProto(r.GetEntry()), true, nil
}

// Put is part of sdk.Cache.
func (c *Cache) Put(ctx context.Context, entries ...sdk.Entry) error {
	r := &proto.PutRequest{Entries: make([]*proto.Entry, len(entries))}
	for i, e := range entries {
		r.Entries[i] = &proto.Entry{Namespace: e.Namespace, Key: e.Key, Value: e.Value, Expires: timeToProto(e.Expires)}
	}
	_, err := c.client.Put(ctx, r)
	return c.plugin.wrap(err)
}

// Delete is part of sdk.Cache.
func (c *Cache) Delete(ctx context.Context, namespace string, keys ...string) error {
	_, err := c.client.Delete(ctx, &proto.DeleteRequest{Namespace: namespace, Keys: keys})
	return c.plugin.wrap(err)
}

// Add is part of sdk.Cache.
func (c *Cache) Add(ctx context.Context, namespace, key string, delta int64, ttl time.Duration) (int64, error) {
	r, err := c.client.Add(ctx, &proto.AddRequest{Namespace: namespace, Key: key, Delta: delta, Ttl: durationpb.New(ttl)})
	return r.GetValue(), c.plugin.wrap(err)
}

// Changes is part of sdk.Cache.
func (c *Cache) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	r, err := c.client.Changes(ctx, &proto.ChangesRequest{
		Cursor: q.Cursor, Namespaces: q.Namespaces, KeysOnly: q.KeysOnly, Limit: int32(min(max(q.Limit, 0), math.MaxInt32)),
	})
	if err != nil {
		return sdk.Changes{}, c.plugin.wrap(err)
	}
	if r.GetCursor() == "" {
		return sdk.Changes{}, c.plugin.refuse("changes: the cursor is empty")
	}
	changes := sdk.Changes{Cursor: r.GetCursor(), More: r.GetMore()}
	for _, ch := range r.GetChanges() {
		changes.Changes = append(changes.Changes, sdk.Change{Entry: entryFromProto(ch.GetEntry()), Deleted: ch.GetDeleted()})
	}
	return changes, nil
}

// Stats is part of sdk.Cache.
func (c *Cache) Stats(ctx context.Context) (sdk.CacheStats, error) {
	r, err := c.client.Stats(ctx, &proto.StatsRequest{})
	if err != nil {
		return sdk.CacheStats{}, c.plugin.wrap(err)
	}
	stats := sdk.CacheStats{SetAside: r.GetSetAside(), Namespaces: make([]sdk.NamespaceStats, len(r.GetNamespaces()))}
	for i, n := range r.GetNamespaces() {
		stats.Namespaces[i] = sdk.NamespaceStats{
			Namespace: n.GetNamespace(), Entries: n.GetEntries(), Bytes: n.GetBytes(), Hits: n.GetHits(), Misses: n.GetMisses(),
			Puts: n.GetPuts(), Expired: n.GetExpired(), Evicted: n.GetEvicted(),
			Oldest: timeFromProto(n.GetOldest()), Newest: timeFromProto(n.GetNewest()),
		}
	}
	return stats, nil
}

func entryFromProto(e *proto.Entry) sdk.Entry {
	return sdk.Entry{Namespace: e.GetNamespace(), Key: e.GetKey(), Value: e.GetValue(), Expires: timeFromProto(e.GetExpires())}
}
