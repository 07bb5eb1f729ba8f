package fleet

import (
	"cmp"
	"slices"
	"sort"
)

// party is a router that shares a limit.
type party struct {
	id string
	claim
}

// shares are what is given to parties of what is left of a limit.
type shares struct {
	of   map[string]int64
	left int64
	// keep: who wants nothing has what one request takes all the same.
	keep bool
}

// keepParts of a limit for each router are enough for those that idle to keep one:
// the others have three quarters of it at least.
const keepParts = 4

func (s *shares) give(p party, n int64) {
	if n = min(n, s.left); n > 0 {
		s.of[p.id] += n
		s.left -= n
	}
}

// fair divides a limit: equally, but to none more than it wants while another
// wants more. Where an equal part is too small for what one request takes, those
// who have spent less than that have in turn what is free, and what is too little
// for the first of them is saved up for it. What is left over is divided equally
// too, so that the next request waits nowhere. Every router that knows the same
// comes to the same.
//
// Nothing can be asked for while the store is away, so that who idles keeps a
// place where there are many.
func fair(limit int64, parties []party) map[string]int64 {
	s := &shares{make(map[string]int64, len(parties)), max(0, limit), limit >= keepParts*int64(len(parties))}
	rank := slices.Clone(parties)
	slices.SortFunc(rank, func(a, b party) int {
		return cmp.Or(cmp.Compare(uint64(a.Ticket-1), uint64(b.Ticket-1)), cmp.Compare(a.id, b.id)) // 0 comes last
	})
	free, wanting := s.left, int64(0)
	for _, p := range rank {
		free -= p.Spent
		if p.Wanted > p.Spent {
			wanting++
		}
	}
	for _, p := range rank {
		if p.Wanted > p.Spent && (p.Spent == 0 || p.Spent < limit/wanting) {
			turn := max(0, min(p.Least, free))
			free -= turn
			s.give(p, p.Spent+turn)
		}
	}
	s.level(rank)
	// By name alone, so that whose turn it is changes nothing.
	slices.SortFunc(rank, func(a, b party) int { return cmp.Compare(a.id, b.id) })
	for i, p := range rank {
		s.give(p, s.left/int64(len(rank)-i))
	}
	return s.of
}

// level gives most to who has least, until all have the same or what they want.
func (s *shares) level(rank []party) {
	lack := func(p party, level int64) int64 {
		want := p.Wanted
		if s.keep {
			want = max(want, p.Least)
		}
		return max(0, min(level, want)-s.of[p.id])
	}
	most := s.left
	for _, n := range s.of {
		most += n
	}
	tooHigh := sort.Search(int(most)+1, func(level int) bool {
		sum := int64(0)
		for _, p := range rank {
			sum += lack(p, int64(level))
		}
		return sum > s.left
	})
	for _, p := range rank {
		s.give(p, lack(p, int64(tooHigh)-1))
	}
	for _, p := range rank {
		s.give(p, lack(p, int64(tooHigh)))
	}
}
