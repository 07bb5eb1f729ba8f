package sdk

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Balance says how the core spreads requests over the picks of a tier. It does
// so at each request with the figures of that moment, while a plan is leased.
type Balance string

// The balances. [HashOf] makes the third.
const (
	// Weighted gives each pick the exact share of its weight. It is the
	// default where weights differ.
	Weighted Balance = "weighted"
	// LeastLoad takes the better of two random picks, by time to first token
	// and requests in flight. It is the default where weights are equal.
	LeastLoad Balance = "least_load"
)

// HashOf sends requests in which the fact is equal to the same pick, as long
// as it is there (rendezvous hashing): for sticky sessions and prompt caches.
func HashOf(f Fact) Balance { return Balance(hashOf + string(f)) }

const hashOf = "hash:"

// Hash is the fact of a [HashOf]; false for every other balance.
func (b Balance) Hash() (Fact, bool) {
	f, ok := strings.CutPrefix(string(b), hashOf)
	return Fact(f), ok
}

func (b Balance) check() error {
	switch b {
	case "", Weighted, LeastLoad:
		return nil
	}
	f, ok := b.Hash()
	if !ok {
		return fmt.Errorf("unknown balance %q", string(b))
	}
	if _, err := ParseFact(string(f)); err != nil {
		return fmt.Errorf("balance %q: %w", string(b), err)
	}
	return nil
}

// Plan is a selector's answer.
type Plan struct {
	// Tiers in the order in which they are tried.
	Tiers []Tier
	Lease Lease
}

// Tier is a group of equals. The next tier is tried when all its picks failed
// or are out.
type Tier struct {
	Balance Balance
	Picks   []Pick
}

// Pick is one target of a tier.
type Pick struct {
	Candidate Candidate
	// Weight is the share inside the tier; 0 is 1.
	Weight float64
	// Reason is for people, such as "cheapest".
	Reason string
}

// InOrder is a plan that tries the candidates one after the other.
func InOrder(cs ...Candidate) Plan {
	var p Plan
	for _, c := range cs {
		p.Tiers = append(p.Tiers, Tier{Picks: []Pick{{Candidate: c}}})
	}
	return p
}

// Spread is a plan of one tier, shared by the candidates' weights.
func Spread(cs ...Candidate) Plan {
	var p Plan
	return p.Then(cs...)
}

// Then appends a tier that is shared by the candidates' weights. No candidates,
// no tier.
func (p Plan) Then(cs ...Candidate) Plan {
	if len(cs) == 0 {
		return p
	}
	t := Tier{Picks: make([]Pick, len(cs))}
	for i, c := range cs {
		t.Picks[i] = Pick{Candidate: c, Weight: c.Weight}
	}
	p.Tiers = append(p.Tiers, t)
	return p
}

// Because sets the reason of every pick that has none.
func (p Plan) Because(reason string) Plan {
	for _, t := range p.Tiers {
		for i := range t.Picks {
			if t.Picks[i].Reason == "" {
				t.Picks[i].Reason = reason
			}
		}
	}
	return p
}

// Balanced sets the balance of every tier that has none, such as
// HashOf(FactPrefix) for prompt caches.
func (p Plan) Balanced(b Balance) Plan {
	for i := range p.Tiers {
		if p.Tiers[i].Balance == "" {
			p.Tiers[i].Balance = b
		}
	}
	return p
}

// For sets the lease.
func (p Plan) For(l Lease) Plan {
	p.Lease = l
	return p
}

// Check says what the router refuses in p: a plan of no picks, a pick that is
// none of offered, is there twice or has a weight that is no share, and an
// unknown balance. offered reports whether the router offered a candidate.
func (p Plan) Check(offered func(Candidate) bool) error {
	seen := make(map[uint32]bool)
	for i, t := range p.Tiers {
		if err := t.Balance.check(); err != nil {
			return fmt.Errorf("plan: tier %d: %w", i+1, err)
		}
		for _, pick := range t.Picks {
			c := pick.Candidate
			switch {
			case !offered(c):
				return fmt.Errorf("plan: tier %d: %s was not offered", i+1, c)
			case seen[c.Ref]:
				return fmt.Errorf("plan: tier %d: %s is in the plan already", i+1, c)
			case pick.Weight < 0 || math.IsNaN(pick.Weight) || math.IsInf(pick.Weight, 0):
				return fmt.Errorf("plan: tier %d: %s has the weight %v", i+1, c, pick.Weight)
			}
			seen[c.Ref] = true
		}
	}
	if len(seen) == 0 {
		return errors.New("plan: no picks; where no candidate fits, answer an error that says why")
	}
	return nil
}
