package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Store is a cache plugin in use.
type Store struct {
	// Plugin is its address in the configuration.
	Plugin string
	Stats  func(context.Context) (sdk.CacheStats, error)
}

// CacheStats is what the router remembers, by kind, and what its stores hold.
type CacheStats struct {
	Kinds  []KindStats  `json:"kinds"`
	Stores []StoreStats `json:"stores"`
}

// KindStats are the figures of one kind since the router's start, or since its
// pipelines were built.
type KindStats struct {
	Kind    string `json:"kind"`
	Entries int64  `json:"entries"`
	// Hits found what they looked for, StaleHits found it past its time, and
	// Misses found nothing.
	Hits      int64 `json:"hits"`
	StaleHits int64 `json:"stale_hits"`
	Misses    int64 `json:"misses"`
	// Evicted gave way to others before their time was over.
	Evicted int64 `json:"evicted"`
	Ages
}

// Ages of entries, in seconds; nil: there is none, or it is not known.
type Ages struct {
	Oldest *float64 `json:"oldest_seconds,omitempty"`
	Newest *float64 `json:"newest_seconds,omitempty"`
}

// StoreStats are the figures of a cache plugin since its store was made.
type StoreStats struct {
	Plugin string `json:"plugin"`
	// Error is why it gave no figures.
	Error string `json:"error,omitempty"`
	// SetAside is how many damaged stores wait for somebody to look at them.
	SetAside   int64            `json:"set_aside"`
	Namespaces []NamespaceStats `json:"namespaces,omitempty"`
}

// NamespaceStats are the figures of one kind of entries in a store.
type NamespaceStats struct {
	Namespace string `json:"namespace"`
	Entries   int64  `json:"entries"`
	Bytes     int64  `json:"bytes"`
	Hits      int64  `json:"hits"`
	Misses    int64  `json:"misses"`
	Puts      int64  `json:"puts"`
	// Expired were swept after their time, Evicted removed before it for room.
	Expired int64 `json:"expired"`
	Evicted int64 `json:"evicted"`
	Ages
}

const (
	memoryResponseIDs = "response_ids"
	// storeTimeout bounds a look at the figures of a store.
	storeTimeout = time.Second
	// maxNamespaces bounds what is told of a store; the rest is otherNamespaces.
	// The router itself has a handful.
	maxNamespaces   = 20
	otherNamespaces = "other"
)

// Caches are the figures of what is remembered. Each store is asked.
func (s *State) Caches(ctx context.Context, now time.Time) CacheStats {
	stores := make([]sdk.CacheStats, len(s.Stores))
	out := CacheStats{Stores: make([]StoreStats, len(s.Stores))}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var all sync.WaitGroup
	for i, store := range s.Stores {
		all.Go(func() {
			o := &out.Stores[i]
			o.Plugin = store.Plugin
			var err error
			if stores[i], err = store.Stats(ctx); err != nil {
				o.Error = err.Error()
				return
			}
			stores[i].Namespaces = bounded(stores[i].Namespaces)
			o.SetAside = stores[i].SetAside
			for _, n := range stores[i].Namespaces {
				o.Namespaces = append(o.Namespaces, NamespaceStats{
					Namespace: n.Namespace, Entries: n.Entries, Bytes: n.Bytes, Hits: n.Hits, Misses: n.Misses, Puts: n.Puts,
					Expired: n.Expired, Evicted: n.Evicted, Ages: agesOf(now, n.Oldest, n.Newest),
				})
			}
		})
	}
	all.Wait()
	for _, m := range s.memories(now) {
		switch m.Kind {
		case pipeline.MemoryAnswers:
			inStores(&m, stores, pipeline.NamespaceAnswers)
		case memoryResponseIDs:
			entries := inStores(&m, stores[:min(1, len(stores))], NamespaceResponses)
			m.Entries = entries
		}
		out.Kinds = append(out.Kinds, KindStats{
			Kind: m.Kind, Entries: m.Entries, Hits: m.Hits, StaleHits: m.StaleHits, Misses: m.Misses, Evicted: m.Evicted,
			Ages: agesOf(now, m.Oldest, m.Newest),
		})
	}
	return out
}

// memories are all kinds, those of channels first.
func (s *State) memories(now time.Time) []board.Memory {
	all := s.Board.Memories()
	pipelines := slices.Collect(maps.Values(s.Pipelines))
	slices.SortFunc(pipelines, func(a, b *pipeline.Pipeline) int { return strings.Compare(a.Name(), b.Name()) })
	for _, m := range append(pipeline.Memories(now, pipelines...), s.Pins.Memory()) {
		all = board.MergeMemory(all, m)
	}
	return all
}

// inStores adds what the stores know of the entries of a kind: which were
// evicted, and when those that are there were written. It answers how many
// those are.
func inStores(m *board.Memory, stores []sdk.CacheStats, namespace string) (entries int64) {
	for _, s := range stores {
		for _, n := range s.Namespaces {
			if n.Namespace == namespace {
				entries += n.Entries
				m.Add(board.Memory{Evicted: n.Evicted, Oldest: n.Oldest, Newest: n.Newest})
			}
		}
	}
	return entries
}

// bounded is the first namespaces, and the sum of the others.
func bounded(all []sdk.NamespaceStats) []sdk.NamespaceStats {
	if len(all) <= maxNamespaces {
		return all
	}
	rest := sdk.NamespaceStats{Namespace: otherNamespaces}
	for _, n := range all[maxNamespaces:] {
		rest.Entries += n.Entries
		rest.Bytes += n.Bytes
		rest.Hits += n.Hits
		rest.Misses += n.Misses
		rest.Puts += n.Puts
		rest.Expired += n.Expired
		rest.Evicted += n.Evicted
	}
	first := all[:maxNamespaces:maxNamespaces]
	return append(slices.DeleteFunc(slices.Clone(first), func(n sdk.NamespaceStats) bool { return n.Namespace == otherNamespaces }), rest)
}

func agesOf(now, oldest, newest time.Time) (a Ages) {
	age := func(at time.Time) *float64 {
		if at.IsZero() {
			return nil
		}
		// A store has a clock of its own.
		seconds := max(0, now.Sub(at).Seconds())
		return &seconds
	}
	return Ages{Oldest: age(oldest), Newest: age(newest)}
}
