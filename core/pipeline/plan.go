package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Plan is a selector's answer, ready to be carried out. It is shared by every
// request under its lease.
type Plan struct {
	tiers []tier
	// hashed are the facts that tiers are balanced by.
	hashed []sdk.Fact
	// made says how a plugin made it; zero: none did.
	made made
	// turn counts the walks.
	turn atomic.Uint64
	// shadowed: the step's shadow was asked about it.
	shadowed atomic.Bool
}

// made is what a plugin made a plan of.
type made struct {
	by   *side
	at   time.Time
	took time.Duration
	live []host.Live
	view *board.View
}

type tier struct {
	balance sdk.Balance
	fact    sdk.Fact // of a hashed tier
	picks   []pick
	// turns is the order in which a weighted tier serves: picks by index,
	// each as often as its weight, spread evenly.
	turns []uint16
}

type pick struct {
	*board.Target
	at       uint16 // in the plan
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
	offered := func(c sdk.Candidate) bool { _, ok := members[c.Ref]; return ok }
	if err := p.Check(offered); err != nil {
		return nil, err
	}
	out, n := &Plan{}, 0
	for _, t := range p.Tiers {
		if len(t.Picks) == 0 {
			continue
		}
		balance, weights := balanceOf(t)
		c := tier{balance: balance, picks: make([]pick, len(t.Picks))}
		for i, k := range t.Picks {
			m := members[k.Candidate.Ref]
			c.picks[i] = pick{Target: m.Target, at: uint16(n), fallback: m.Fallback, weight: weights[i], reason: k.Reason}
			n++
		}
		if c.balance == sdk.Weighted {
			c.turns = spread(shares(weights))
		}
		if fact, hashed := c.balance.Hash(); hashed {
			c.fact = fact
			if !slices.Contains(out.hashed, fact) {
				out.hashed = append(out.hashed, fact)
			}
		}
		out.tiers = append(out.tiers, c)
	}
	if len(out.hashed) > maxHashed {
		return nil, fmt.Errorf("the plan hashes by more than %d facts", maxHashed)
	}
	out.turn.Store(rand.Uint64N(maxTurns)) // routers do not all begin with the same
	return out, nil
}

// balanceOf is how a tier is balanced, and its weights, where the selector left
// that to the core too.
func balanceOf(t sdk.Tier) (sdk.Balance, []float64) {
	weights := make([]float64, len(t.Picks))
	for i, k := range t.Picks {
		weights[i] = cmp.Or(k.Weight, 1)
	}
	switch {
	case t.Balance != "":
		return t.Balance, weights
	case slices.Min(weights) != slices.Max(weights):
		return sdk.Weighted, weights
	default:
		return sdk.LeastLoad, weights
	}
}

// declared is the plan where no selector answers: the order of the file.
func declared(set *board.Set) *Plan {
	out := &Plan{tiers: make([]tier, len(set.Members))}
	for i, m := range set.Members {
		out.tiers[i] = tier{balance: sdk.LeastLoad, picks: []pick{
			{Target: m.Target, at: uint16(i), fallback: m.Fallback, weight: 1, reason: "declared order"},
		}}
	}
	return out
}

// shares are the smallest whole numbers in the proportions of the weights, or
// the nearest ones under maxTurns.
func shares(weights []float64) []int {
	least, most := slices.Min(weights), slices.Max(weights)
	sum := 0.0
	for _, w := range weights {
		sum += w / most // which does not overflow
	}
	whole := make([]int, len(weights))
	for _, scale := range []float64{1, 10, 100, 1000, 1 / least} {
		if !(most*scale <= maxTurns*maxTurns) {
			continue
		}
		exact, divisor, total := true, 0, 0
		for i, w := range weights {
			n := math.Round(w * scale)
			exact = exact && n >= 1 && math.Abs(n-w*scale) < 1e-9
			whole[i] = int(n)
			divisor = gcd(divisor, whole[i])
			total += whole[i]
		}
		if exact && total/divisor <= maxTurns {
			for i := range whole {
				whole[i] /= divisor
			}
			return whole
		}
	}
	for i, w := range weights {
		whole[i] = max(1, int(math.Round(w/most/sum*maxTurns)))
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

// Walk is one request's way through a plan. It implements upstream.Targets. A
// copy goes the same way, as far as the board says the same.
type Walk struct {
	plan *Plan
	// turn is the number of this walk among those of its plan.
	turn uint64
	// hashes of the facts in plan.hashed.
	hashes [maxHashed]uint64
	// head goes before the others of its tier: the pre-check found it up.
	head *board.Target
	// late channels go after all others: the pre-check did not find them up.
	late  []*board.Channel
	tried [16]uint16 // by their place in the plan
	n     int
}

// begin sets an empty walk on its way.
func (w *Walk) begin(p *Plan, q *Request) {
	w.plan, w.turn = p, p.turn.Add(1)
	for i, f := range p.hashed {
		w.hashes[i] = q.hashOf(f)
	}
}

// Next is the target to try now: of the first tier that has one, by the
// tier's balance, among those that the board lets through. Doubtful ones come
// after every other, and full ones, where a request has to wait, last of all.
// No target comes twice.
func (w *Walk) Next(now time.Time) (t *board.Target, fallback int, ok bool) {
	if w.n == len(w.tried) || w.plan == nil {
		return nil, 0, false
	}
	for _, worst := range [...]board.Admission{board.Admitted, board.Doubtful, board.Full} {
		for i := range w.plan.tiers {
			if k := w.choose(&w.plan.tiers[i], worst, now); k != nil {
				w.tried[w.n] = k.at
				w.n++
				return k.Target, k.fallback, true
			}
		}
	}
	return nil, 0, false
}

func (w *Walk) fits(k *pick, worst board.Admission, now time.Time) bool {
	return !slices.Contains(w.tried[:w.n], k.at) && k.Admit(now) <= worst &&
		(worst > board.Admitted || !slices.Contains(w.late, k.Channel))
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
		return w.weighted(t, worst, now)
	default:
		return w.leastLoad(t, worst, now)
	}
}

// weighted takes the pick whose turn it is. The turns of one that is out go to
// any other, so that they are shared by weight too.
func (w *Walk) weighted(t *tier, worst board.Admission, now time.Time) *pick {
	n := uint64(len(t.turns))
	at := w.turn % n
	for i := range uint64(4) {
		if k := &t.picks[t.turns[at]]; w.fits(k, worst, now) {
			return k
		}
		at = w.random(i) % n
	}
	for i := range t.picks {
		if k := &t.picks[(at+uint64(i))%uint64(len(t.picks))]; w.fits(k, worst, now) {
			return k
		}
	}
	return nil
}

// random is the walk's own, equal in its copies.
func (w *Walk) random(i uint64) uint64 { return mix(w.turn<<8 + uint64(w.n)<<3 + i + 1) }

// leastLoad takes the better of two random picks that fit.
func (w *Walk) leastLoad(t *tier, worst board.Admission, now time.Time) *pick {
	n := len(t.picks)
	random := w.random(0)
	first, start := -1, int(uint32(random))%n
	for i := range n {
		if at := (start + i) % n; w.fits(&t.picks[at], worst, now) {
			first = at
			break
		}
	}
	if first < 0 {
		return nil
	}
	best := &t.picks[first]
	start = int(random>>32) % (n - 1)
	for i := range n - 1 {
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
