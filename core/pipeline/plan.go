package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Plan is a selector's answer, ready to be carried out. It is shared by every
// request under its lease.
type Plan struct {
	tiers []tier
	// hashed are the facts that tiers are balanced by.
	hashed []sdk.Fact
}

type tier struct {
	balance sdk.Balance
	fact    sdk.Fact // of a hashed tier
	picks   []pick
	// turns is the order in which a weighted tier serves: picks by index,
	// each as often as its weight, spread evenly.
	turns []uint16
	turn  *atomic.Uint32
}

type pick struct {
	*board.Target
	fallback int
	weight   float64
	reason   string
}

// maxTurns bounds the memory of a weighted tier. Shares are exact where the
// weights have a common measure with at most so many parts in all.
const maxTurns = 1024

// maxHashed bounds the facts that a plan balances by.
const maxHashed = 4

// compile turns a selector's answer into a plan over the set it was asked
// about.
func compile(p sdk.Plan, set *board.Set) (*Plan, error) {
	members := make(map[uint32]board.Member, len(set.Members))
	for _, m := range set.Members {
		members[m.Ref] = m
	}
	out := &Plan{}
	for i, t := range p.Tiers {
		c := tier{balance: t.Balance}
		var weights []float64
		for _, k := range t.Picks {
			m, ok := members[k.Candidate.Ref]
			if !ok {
				return nil, fmt.Errorf("tier %d has a target that was not offered", i+1)
			}
			w := k.Weight
			if w == 0 {
				w = 1
			}
			if w < 0 || math.IsNaN(w) || math.IsInf(w, 0) {
				return nil, fmt.Errorf("tier %d gives %s the weight %v", i+1, m.Name(), w)
			}
			weights = append(weights, w)
			c.picks = append(c.picks, pick{m.Target, m.Fallback, w, k.Reason})
		}
		if len(c.picks) == 0 {
			continue
		}
		if c.balance == "" {
			c.balance = sdk.LeastLoad
			for _, w := range weights {
				if w != weights[0] {
					c.balance = sdk.Weighted
				}
			}
		}
		switch fact, hashed := strings.CutPrefix(string(c.balance), "hash:"); {
		case hashed:
			c.fact = sdk.Fact(fact)
			if !slices.Contains(out.hashed, c.fact) {
				out.hashed = append(out.hashed, c.fact)
			}
			if len(out.hashed) > maxHashed {
				return nil, fmt.Errorf("the plan hashes by more than %d facts", maxHashed)
			}
		case c.balance == sdk.Weighted:
			c.turns = spread(shares(weights))
			c.turn = new(atomic.Uint32)
			c.turn.Store(rand.Uint32N(uint32(len(c.turns))))
		case c.balance != sdk.LeastLoad:
			return nil, fmt.Errorf("tier %d has the unknown balance %q", i+1, c.balance)
		}
		out.tiers = append(out.tiers, c)
	}
	if len(out.tiers) == 0 {
		return nil, fmt.Errorf("the plan is empty")
	}
	return out, nil
}

// declared is the plan where no selector answers: the order of the file.
func declared(set *board.Set) *Plan {
	out := &Plan{tiers: make([]tier, len(set.Members))}
	for i, m := range set.Members {
		out.tiers[i] = tier{balance: sdk.LeastLoad, picks: []pick{{m.Target, m.Fallback, 1, "declared order"}}}
	}
	return out
}

// shares are the smallest whole numbers in the proportions of the weights, or
// the nearest ones under maxTurns.
func shares(weights []float64) []int {
	sum, least := 0.0, math.Inf(1)
	for _, w := range weights {
		sum += w
		least = min(least, w)
	}
	whole := make([]int, len(weights))
	for _, scale := range []float64{1, 10, 100, 1000} {
		if sum*scale > 1<<30 {
			break
		}
		exact, g := true, 0
		for i, w := range weights {
			n := math.Round(w * scale)
			exact = exact && n >= 1 && math.Abs(n-w*scale) < 1e-9
			whole[i] = int(n)
			g = gcd(g, whole[i])
		}
		if !exact {
			continue
		}
		total := 0
		for i := range whole {
			whole[i] /= g
			total += whole[i]
		}
		if total <= maxTurns {
			return whole
		}
	}
	for i, w := range weights {
		whole[i] = max(1, int(math.Round(w/sum*maxTurns)))
	}
	return whole
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// spread orders the shares so that each pick's turns lie evenly (smooth
// weighted round robin).
func spread(shares []int) []uint16 {
	total := 0
	for _, n := range shares {
		total += n
	}
	turns := make([]uint16, 0, total)
	credit := make([]int, len(shares))
	for range total {
		best := 0
		for i, n := range shares {
			credit[i] += n
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= total
		turns = append(turns, uint16(best))
	}
	return turns
}

// Walk is one request's way through a plan. It implements upstream.Targets.
type Walk struct {
	plan *Plan
	// hashes of the facts in plan.hashed.
	hashes [maxHashed]uint64
	// head goes before the others of its tier: the pre-check found it up.
	head  *board.Target
	tried [16]*board.Target
	n     int
}

// Next is the target to try now: of the first tier that has one, by the
// tier's balance, among those that the board lets through. Doubtful ones come
// after every other. No target comes twice.
func (w *Walk) Next(now time.Time) (t *board.Target, fallback int, ok bool) {
	if w.n == len(w.tried) || w.plan == nil {
		return nil, 0, false
	}
	for _, worst := range [...]board.Admission{board.Admitted, board.Doubtful} {
		for i := range w.plan.tiers {
			if k := w.choose(&w.plan.tiers[i], worst, now); k != nil {
				w.tried[w.n] = k.Target
				w.n++
				return k.Target, k.fallback, true
			}
		}
	}
	return nil, 0, false
}

func (w *Walk) fits(k *pick, worst board.Admission, now time.Time) bool {
	for _, t := range w.tried[:w.n] {
		if t == k.Target {
			return false
		}
	}
	return k.Admit(now) <= worst
}

func (w *Walk) choose(t *tier, worst board.Admission, now time.Time) *pick {
	if w.head != nil {
		for i := range t.picks {
			if k := &t.picks[i]; k.Target == w.head && w.fits(k, worst, now) {
				return k
			}
		}
	}
	switch {
	case len(t.picks) == 1:
		if k := &t.picks[0]; w.fits(k, worst, now) {
			return k
		}
		return nil
	case t.fact != "":
		return w.hashed(t, worst, now)
	case t.turns != nil:
		start := t.turn.Add(1)
		for i := range t.turns {
			k := &t.picks[t.turns[(int(start)+i)%len(t.turns)]]
			if w.fits(k, worst, now) {
				return k
			}
		}
		return nil
	default:
		return w.leastLoad(t, worst, now)
	}
}

// leastLoad takes the better of two random picks that fit.
func (w *Walk) leastLoad(t *tier, worst board.Admission, now time.Time) *pick {
	n := len(t.picks)
	first := -1
	for i, start := 0, rand.IntN(n); i < n; i++ {
		if at := (start + i) % n; w.fits(&t.picks[at], worst, now) {
			first = at
			break
		}
	}
	if first < 0 {
		return nil
	}
	best := &t.picks[first]
	for i, start := 0, rand.IntN(n-1); i < n-1; i++ {
		// Every place but the first one's.
		k := &t.picks[(first+1+(start+i)%(n-1))%n]
		if w.fits(k, worst, now) {
			if k.Load() < best.Load() {
				return k
			}
			break
		}
	}
	return best
}

// hashed is rendezvous hashing with weights: a pick that goes out moves only
// its own share.
func (w *Walk) hashed(t *tier, worst board.Admission, now time.Time) *pick {
	var fact uint64
	for i, f := range w.plan.hashed {
		if f == t.fact {
			fact = w.hashes[i]
		}
	}
	var best *pick
	lowest := math.Inf(1)
	for i := range t.picks {
		k := &t.picks[i]
		if !w.fits(k, worst, now) {
			continue
		}
		u := (float64(mix(k.Seed^fact)>>11) + 1) / (1 << 53)
		if s := -math.Log(u) / k.weight; s < lowest {
			best, lowest = k, s
		}
	}
	return best
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
