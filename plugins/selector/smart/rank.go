package smart

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// class says whether a candidate can take the request. It comes before all else.
type class uint8

const (
	able class = iota
	failing
	tooShort
	misconfigured
	down
)

// classOf a candidate. The request's tokens are rounded up to a power of two,
// so only a context of at most half of them is surely too short.
func (s *selector) classOf(c *sdk.Candidate, tokens int64) class {
	switch {
	case c.Health == sdk.HealthDown:
		return down
	case c.Health == sdk.HealthMisconfigured:
		return misconfigured
	case c.ContextTokens > 0 && c.ContextTokens <= tokens/2:
		return tooShort
	case c.ErrorRate > s.MaxErrorRate:
		return failing
	default:
		return able
	}
}

// ranked is a candidate with its place.
type ranked struct {
	// group holds class, fallback and priority, so that they are compared at once.
	group uint64
	score float64
	index int32
	band  uint8 // of distance, the lower the nearer
}

func groupOf(cl class, c *sdk.Candidate) uint64 {
	fallback := uint64(min(max(c.Fallback, 0), math.MaxUint16))
	priority := uint64(min(max(c.Priority, math.MinInt32), math.MaxInt32) - math.MinInt32)
	return uint64(cl)<<48 | fallback<<32 | priority
}

func (g ranked) class() class { return class(g.group >> 48) }

// compare is negative where a goes before b. Equals keep their order.
func compare(a, b ranked) int {
	if a.group != b.group {
		return cmp.Compare(a.group, b.group)
	}
	if a.band != b.band {
		return cmp.Compare(a.band, b.band)
	}
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	return cmp.Compare(a.index, b.index)
}

// best ranks the candidates and keeps MaxTargets of them, and the best of each
// channel that would have none: a plan over many models must not hang on the
// one channel that has the best.
func (s *selector) best(cs []sdk.Candidate, tokens int64, from origin) []ranked {
	all := make([]ranked, len(cs))
	var last *sdk.Channel // the models of a channel stand together
	band := from.band(nil)
	s.known.each(s, cs, func(i int, fixed float64) {
		c := &cs[i]
		if c.Channel != last {
			last, band = c.Channel, from.band(c.Channel)
		}
		all[i] = ranked{
			group: groupOf(s.classOf(c, tokens), c),
			score: fixed + live(c, &s.shares),
			index: int32(i),
			band:  band,
		}
	})
	kept := all
	if len(all) > s.MaxTargets {
		kept = cut(all, s.MaxTargets)
		kept = append(kept, s.missing(kept, all, cs)...)
	}
	slices.SortFunc(kept, compare)
	return kept
}

// cut returns the n best of all, in no order. They are kept in a heap whose
// root is the worst, so most candidates cost one comparison.
func cut(all []ranked, n int) []ranked {
	heap := slices.Clone(all[:n])
	for i := n/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	for _, r := range all[n:] {
		if compare(r, heap[0]) < 0 {
			heap[0] = r
			sink(heap, 0)
		}
	}
	return heap
}

// sink moves heap[i] down to its place.
func sink(heap []ranked, i int) {
	for {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if compare(heap[child], heap[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		heap[i], heap[worst] = heap[worst], heap[i]
		i = worst
	}
}

// missing is the best candidate of each channel that kept has none of.
func (s *selector) missing(kept, all []ranked, cs []sdk.Candidate) []ranked {
	has := make(map[*sdk.Channel]bool)
	for _, r := range kept {
		has[cs[r.index].Channel] = true
	}
	bests := make(map[*sdk.Channel]ranked)
	for _, r := range all {
		ch := cs[r.index].Channel
		if has[ch] {
			continue
		}
		if b, ok := bests[ch]; !ok || compare(r, b) < 0 {
			bests[ch] = r
		}
	}
	list := make([]ranked, 0, len(bests))
	for _, r := range bests {
		list = append(list, r)
	}
	return list
}

// memo keeps the traits and the fixed part of scores by the candidates' refs. A
// ref means something else in the next generation, so an entry is believed only
// for the same channel, of which each generation has its own, and model.
type memo struct {
	mu     sync.RWMutex
	scores []fixedScore
	traits []traits // apart, as all scores are read for a plan and few traits
}

type fixedScore struct {
	channel *sdk.Channel
	model   string
	score   float64
}

// maxRef bounds the memory of a memo.
const maxRef = 1 << 17

// each calls use with the index and the fixed score of every candidate.
func (m *memo) each(s *selector, cs []sdk.Candidate, use func(i int, fixed float64)) {
	var fresh []int
	m.mu.RLock()
	for i := range cs {
		if c := &cs[i]; m.has(c) {
			use(i, m.scores[c.Ref].score)
		} else {
			fresh = append(fresh, i)
		}
	}
	m.mu.RUnlock()
	if len(fresh) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range fresh {
		c := &cs[i]
		t := s.traitsOf(c)
		score := t.fixed(&s.shares)
		use(i, score)
		if c.Ref >= maxRef {
			continue
		}
		if n := int(c.Ref) + 1; n > len(m.scores) {
			m.scores = slices.Grow(m.scores, n-len(m.scores))[:n]
			m.traits = slices.Grow(m.traits, n-len(m.traits))[:n]
		}
		m.scores[c.Ref], m.traits[c.Ref] = fixedScore{c.Channel, c.Model, score}, t
	}
}

// has reports whether the entry at the candidate's ref is its own. The lock is held.
func (m *memo) has(c *sdk.Candidate) bool {
	if int(c.Ref) >= len(m.scores) {
		return false
	}
	k := &m.scores[c.Ref]
	return k.channel == c.Channel && k.model == c.Model
}

// traitsOf a candidate that was scored.
func (m *memo) traitsOf(s *selector, c *sdk.Candidate) traits {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.has(c) {
		return m.traits[c.Ref]
	}
	return s.traitsOf(c)
}
