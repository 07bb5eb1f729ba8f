package board

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Memory is how the router does with one kind of what it remembers.
type Memory struct {
	// Kind, such as "health" or "plans".
	Kind    string
	Entries int64
	// Hits found what they looked for, StaleHits found it past its time, and
	// Misses found nothing.
	Hits, StaleHits, Misses int64
	// Evicted entries gave way to others before their time was over.
	Evicted int64
	// Oldest and Newest are when the entries were learned; zero: not known.
	Oldest, Newest time.Time
}

// Kinds of what is known of channels.
const (
	MemoryHealth       = "health"
	MemoryKey          = "key"
	MemoryModels       = "models"
	MemorySpecs        = "specs"
	MemoryPrices       = "prices"
	MemoryAvailability = "availability"
)

// Add takes the figures of the same kind of another place in.
func (m *Memory) Add(o Memory) {
	m.Entries += o.Entries
	m.Hits += o.Hits
	m.StaleHits += o.StaleHits
	m.Misses += o.Misses
	m.Evicted += o.Evicted
	m.ages(o.Oldest, o.Newest)
}

// MergeMemory adds figures to those of the same kind.
func MergeMemory(all []Memory, m Memory) []Memory {
	i := slices.IndexFunc(all, func(o Memory) bool { return o.Kind == m.Kind })
	if i < 0 {
		return append(all, m)
	}
	all[i].Add(m)
	return all
}

// Entry takes one entry in that was learned then.
func (m *Memory) Entry(learned time.Time) {
	m.Entries++
	m.ages(learned, learned)
}

func (m *Memory) ages(oldest, newest time.Time) {
	if !oldest.IsZero() && (m.Oldest.IsZero() || oldest.Before(m.Oldest)) {
		m.Oldest = oldest
	}
	if newest.After(m.Newest) {
		m.Newest = newest
	}
}

// reads count in what state the knowledge was that tries went by.
type reads struct{ health, key, models, specs, prices read }

type read struct{ hits, stale, misses atomic.Int64 }

// count counts a look at what is known until then; zero: until something else
// is found out.
func (r *read) count(known bool, until, now time.Time) {
	switch {
	case !known:
		r.misses.Add(1)
	case until.IsZero() || now.Before(until):
		r.hits.Add(1)
	default:
		r.stale.Add(1)
	}
}

func (r *read) memory(kind string) Memory {
	return Memory{Kind: kind, Hits: r.hits.Load(), StaleHits: r.stale.Load(), Misses: r.misses.Load()}
}

// recall counts what a try at the target goes by. What the configuration says
// need not be remembered.
func (t *Target) recall(now time.Time) {
	c, h := t.Channel, t.Channel.health.Load()
	if c.reads == nil {
		return // a target of no board
	}
	c.reads.health.count(h.State != sdk.HealthUnknown, h.Until, now)
	if c.Config.Secret != "" {
		c.reads.key.count(h.Key != sdk.KeyUnknown, h.KeyUntil, now)
	}
	if c.Config.Models == nil {
		c.reads.models.count(h.Listed, h.ModelsUntil, now)
	}
	c.reads.specs.count(t.specs, h.SpecsUntil, now)
	if !t.ownPrice {
		c.reads.prices.count(t.Price != nil, h.PricesUntil, now)
	}
}

// Unknown counts a request for a model that no channel has.
func (b *Board) Unknown() { b.reads.models.misses.Add(1) }

// Memories are those of what is known of channels, by kind.
func (b *Board) Memories() []Memory {
	health, key, models := b.reads.health.memory(MemoryHealth), b.reads.key.memory(MemoryKey), b.reads.models.memory(MemoryModels)
	specs, prices := b.reads.specs.memory(MemorySpecs), b.reads.prices.memory(MemoryPrices)
	availability := Memory{Kind: MemoryAvailability} // precheckers look at it
	for _, c := range b.View().Channels {
		if c.Config.Off != "" {
			continue
		}
		h := c.Health()
		for _, part := range []struct {
			known   bool
			memory  *Memory
			learned time.Time
		}{
			{h.State != sdk.HealthUnknown, &health, h.Learned.Health},
			{h.Key != sdk.KeyUnknown, &key, h.Learned.Key},
			{h.Listed, &models, h.Learned.Models},
			{!h.SpecsUntil.IsZero(), &specs, h.Learned.Specs},
			{!h.PricesUntil.IsZero(), &prices, h.Learned.Prices},
		} {
			if part.known {
				part.memory.Entry(part.learned)
			}
		}
		if a := c.Availability(); a != nil {
			availability.Entry(a.Learned)
		}
	}
	return []Memory{health, key, models, specs, prices, availability}
}
