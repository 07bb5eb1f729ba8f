// Command steadiest is a selector: the channels that fail seldom, quickest first.
package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type steadiest struct {
	MaxErrorRate float64 `config:"max_error_rate" min:"0" max:"1" doc:"channels that fail more often are left out"`
}

func (s *steadiest) Select(_ context.Context, _ sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	cs = slices.DeleteFunc(cs, func(c sdk.Candidate) bool { return c.ErrorRate > s.MaxErrorRate })
	slices.SortStableFunc(cs, func(a, b sdk.Candidate) int { return cmp.Compare(a.TTFT, b.TTFT) })
	return sdk.InOrder(cs...).Because("steady and quick"), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "steadiest", Doc: "Tries targets first that fail seldom.", Computes: true, Selector: &steadiest{MaxErrorRate: 0.2}})
}
