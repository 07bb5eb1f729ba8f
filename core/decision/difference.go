package decision

import (
	"cmp"
	"slices"
)

// Difference is how far two plans for the same request are from each other.
type Difference struct {
	// First is the share of requests, from 0 to 1, that would go to another
	// target first: 0 where the first tiers spread them alike, 1 where they have
	// no target in common.
	First float64 `json:"first"`
	// Order: the plans differ somewhere, be it in a later tier.
	Order bool `json:"order"`
}

// Result names a difference: same, order or first.
func (d Difference) Result() string {
	switch {
	case d.First > 0:
		return "first"
	case d.Order:
		return "order"
	default:
		return "same"
	}
}

// Target is a pick's name.
type Target struct{ Channel, Model string }

// Compare tells plans apart by what they do: how picks of one tier are listed
// does not matter, as the tier's balance chooses among them.
func Compare(a, b []Tier) Difference {
	a, b = filled(a), filled(b)
	d := Difference{Order: len(a) != len(b)}
	if len(a) == 0 || len(b) == 0 {
		if d.Order {
			d.First = 1
		}
		return d
	}
	d.First = apart(Shares(a[0]), Shares(b[0]))
	for i := 0; !d.Order && i < len(a); i++ {
		d.Order = apart(Shares(a[i]), Shares(b[i])) > 0 || len(a[i].Picks) > 1 && a[i].Balance != b[i].Balance
	}
	return d
}

func filled(tiers []Tier) []Tier {
	return slices.DeleteFunc(slices.Clone(tiers), func(t Tier) bool { return len(t.Picks) == 0 })
}

// Shares of the requests that come to a tier, by target: the weights say, as far
// as the balance lets them.
func Shares(t Tier) map[Target]float64 {
	out := make(map[Target]float64, len(t.Picks))
	sum := 0.0
	for _, p := range t.Picks {
		sum += weight(p)
	}
	for _, p := range t.Picks {
		out[Target{p.Channel, p.Model}] += weight(p) / sum
	}
	return out
}

func weight(p Pick) float64 { return cmp.Or(max(0, p.Weight), 1) }

// apart is the part that two spreads do not have in common. What rounding makes
// is nothing.
func apart(a, b map[Target]float64) float64 {
	common := 0.0
	for k, share := range a {
		common += min(share, b[k])
	}
	if d := 1 - common; d > 1e-9 {
		return d
	}
	return 0
}
