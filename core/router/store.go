package router

import (
	"context"
	"sync/atomic"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// store is the cache plugin that the present configuration names. What writes to
// it outlives configurations.
type store struct {
	now atomic.Pointer[pipeline.Plugin]
}

// set answers whether the one before was another.
func (s *store) set(p pipeline.Plugin) (other bool) {
	was := s.now.Swap(&p)
	return was != nil && was.Instance != p.Instance
}

func (s *store) Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error) {
	return s.now.Load().Cache.Get(ctx, namespace, key)
}

func (s *store) Put(ctx context.Context, entries ...sdk.Entry) error {
	return s.now.Load().Cache.Put(ctx, entries...)
}

func (s *store) Delete(ctx context.Context, namespace string, keys ...string) error {
	return s.now.Load().Cache.Delete(ctx, namespace, keys...)
}

func (s *store) Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	return s.now.Load().Cache.Changes(ctx, q)
}
