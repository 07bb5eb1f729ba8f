package sdk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

func candidates() []sdk.Candidate {
	price := func(usd float64) *float64 { return &usd }
	return []sdk.Candidate{
		{Ref: 0, Channel: &sdk.Channel{Name: "a", Tags: []string{"paid"}}, TTFT: 3 * time.Second, Weight: 2},
		{Ref: 1, Channel: &sdk.Channel{Name: "b"}, TTFT: time.Second, Weight: 1, InputPrice: price(3), OutputPrice: price(15), ContextTokens: 1000},
		{Ref: 2, Channel: &sdk.Channel{Name: "c", Tags: []string{"paid", "eu"}}, TTFT: time.Second, Weight: 1, InputPrice: price(0)},
	}
}

func TestCandidatesInOrderAndInTiers(t *testing.T) {
	t.Parallel()
	paid := func(c sdk.Candidate) bool { return c.Channel.HasTag("paid") }
	cs := candidates()
	yes, no := sdk.Split(cs, paid)
	for _, test := range []struct {
		name string
		plan sdk.Plan
		want string
	}{
		{name: "where", plan: sdk.InOrder(sdk.Where(cs, paid)...), want: "a | c"},
		{name: "split", plan: sdk.Spread(yes...).Then(no...), want: "a c | b"},
		{name: "nobody makes no tier", plan: sdk.Spread().Then(no...), want: "b"},
		{name: "equals keep their order", plan: sdk.InOrder(sdk.SortedBy(cs, func(c sdk.Candidate) time.Duration { return c.TTFT })...), want: "b | c | a"},
		{name: "what was given is not changed", plan: sdk.Spread(cs...), want: "a b c"},
	} {
		if got := plugintest.Channels(test.plan); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCostAndRoom(t *testing.T) {
	t.Parallel()
	cs := candidates()
	for i, want := range []string{"0 false true", "0.018 true false", "0 false true"} {
		usd, known := cs[i].Cost(1000, 1000)
		if got := fmt.Sprint(usd, known, cs[i].Fits(2000)); got != want {
			t.Errorf("%s: %s, want %s", cs[i], got, want)
		}
	}
}

func TestBalancedLeavesTiersThatHaveOne(t *testing.T) {
	t.Parallel()
	cs := candidates()
	sticky := sdk.HashOf(sdk.FactPrefix)
	p := sdk.Spread(cs[0]).Balanced(sdk.Weighted).Then(cs[1], cs[2]).Balanced(sticky)
	if p.Tiers[0].Balance != sdk.Weighted || p.Tiers[1].Balance != sticky {
		t.Errorf("got %+v", p)
	}
}
