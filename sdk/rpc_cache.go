package sdk

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

type cacheServer struct {
	proto.UnimplementedCacheServer
	*server
	impl Cache
}

// Get is part of proto.CacheServer.
func (s *cacheServer) Get(ctx context.Context, r *proto.GetRequest) (*proto.GetResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.GetResponse, error) {
		e, ok, err := s.impl.Get(ctx, r.GetNamespace(), r.GetKey())
		if err != nil || !ok {
			return &proto.GetResponse{}, err
		}
		return &proto.GetResponse{Entry: entryToProto(e)}, nil
	})
}

// Put is part of proto.CacheServer.
func (s *cacheServer) Put(ctx context.Context, r *proto.PutRequest) (*proto.PutResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.PutResponse, error) {
		entries := make([]Entry, len(r.GetEntries()))
		for i, e := range r.GetEntries() {
			entries[i] = entryFromProto(e)
		}
		return &proto.PutResponse{}, s.impl.Put(ctx, entries...)
	})
}

// Delete is part of proto.CacheServer.
func (s *cacheServer) Delete(ctx context.Context, r *proto.DeleteRequest) (*proto.DeleteResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.DeleteResponse, error) {
		return &proto.DeleteResponse{}, s.impl.Delete(ctx, r.GetNamespace(), r.GetKeys()...)
	})
}

// Add is part of proto.CacheServer.
func (s *cacheServer) Add(ctx context.Context, r *proto.AddRequest) (*proto.AddResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.AddResponse, error) {
		v, err := s.impl.Add(ctx, r.GetNamespace(), r.GetKey(), r.GetDelta(), r.GetTtl().AsDuration())
		return &proto.AddResponse{Value: v}, err
	})
}

// Changes is part of proto.CacheServer.
func (s *cacheServer) Changes(ctx context.Context, r *proto.ChangesRequest) (*proto.ChangesResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.ChangesResponse, error) {
		c, err := s.impl.Changes(ctx, ChangesQuery{
			Cursor: r.GetCursor(), Namespaces: r.GetNamespaces(), KeysOnly: r.GetKeysOnly(), Limit: int(r.GetLimit()),
		})
		if err != nil {
			return nil, err
		}
		p := &proto.ChangesResponse{Cursor: c.Cursor, More: c.More}
		for _, ch := range c.Changes {
			p.Changes = append(p.Changes, &proto.Change{Entry: entryToProto(ch.Entry), Deleted: ch.Deleted})
		}
		return p, nil
	})
}

// Stats is part of proto.CacheServer.
func (s *cacheServer) Stats(ctx context.Context, _ *proto.StatsRequest) (*proto.StatsResponse, error) {
	return ask(ctx, s.server, func(ctx context.Context) (*proto.StatsResponse, error) {
		stats, err := s.impl.Stats(ctx)
		if err != nil {
			return nil, err
		}
		p := &proto.StatsResponse{SetAside: stats.SetAside}
		for _, n := range stats.Namespaces {
			p.Namespaces = append(p.Namespaces, &proto.NamespaceStats{
				Namespace: n.Namespace, Entries: n.Entries, Bytes: n.Bytes, Hits: n.Hits, Misses: n.Misses, Puts: n.Puts,
				Expired: n.Expired, Evicted: n.Evicted, Oldest: timeToProto(n.Oldest), Newest: timeToProto(n.Newest),
			})
		}
		return p, nil
	})
}

func entryToProto(e Entry) *proto.Entry {
	return &proto.Entry{Namespace: e.Namespace, Key: e.Key, Value: e.Value, Expires: timeToProto(e.Expires)}
}

func entryFromProto(e *proto.Entry) Entry {
	return Entry{Namespace: e.GetNamespace(), Key: e.GetKey(), Value: e.GetValue(), Expires: timeFromProto(e.GetExpires())}
}
