package decision_test

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// planOf reads "a b|c": tiers by a bar, picks by a space, "a*3" with a weight.
func planOf(s string) (tiers []decision.Tier) {
	for text := range strings.SplitSeq(s, "|") {
		t := decision.Tier{Balance: sdk.LeastLoad}
		for _, name := range strings.Fields(text) {
			name, heavy := strings.CutSuffix(name, "*3")
			p := decision.Pick{Channel: name, Model: "m", Weight: 1}
			if heavy {
				p.Weight, t.Balance = 3, sdk.Weighted
			}
			t.Picks = append(t.Picks, p)
		}
		tiers = append(tiers, t)
	}
	return tiers
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, a, b, result string
		first              float64
	}{
		{name: "the same", a: "a b|c", b: "a b|c", result: "same"},
		{name: "a tier listed otherwise", a: "a b|c", b: "b a|c", result: "same"},
		{name: "an empty tier", a: "a||b", b: "a|b", result: "same"},
		{name: "both empty", a: "", b: "", result: "same"},
		{name: "another first", a: "a|b", b: "b|a", result: "first", first: 1},
		{name: "one of two is gone", a: "a b", b: "b", result: "first", first: 0.5},
		{name: "other shares", a: "a*3 b", b: "a b", result: "first", first: 0.25},
		{name: "another order behind", a: "a|b|c", b: "a|c|b", result: "order"},
		{name: "a shorter plan", a: "a|b", b: "a", result: "order"},
		{name: "no plan", a: "a", b: "", result: "first", first: 1},
		{name: "one tier of three", a: "a b c", b: "c|b|a", result: "first", first: 2.0 / 3},
	}
	for _, tt := range tests {
		for _, way := range []struct{ name, a, b string }{{"there", tt.a, tt.b}, {"back", tt.b, tt.a}} {
			got := decision.Compare(planOf(way.a), planOf(way.b))
			if got.Result() != tt.result || got.First < tt.first-1e-9 || got.First > tt.first+1e-9 {
				t.Errorf("%s, %s: %s by %v, want %s by %v", tt.name, way.name, got.Result(), got.First, tt.result, tt.first)
			}
		}
	}
	hashed := planOf("a b")
	hashed[0].Balance = sdk.HashOf(sdk.FactKey)
	if got := decision.Compare(planOf("a b"), hashed); got.Result() != "order" {
		t.Errorf("another balance: %s", got.Result())
	}
}
