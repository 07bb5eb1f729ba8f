// Command cheapest is a selector: the cheapest target that a request fits, within
// a budget.
package main

import (
	"context"
	"fmt"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type cheapest struct {
	Budget float64 `config:"budget" min:"0" doc:"US dollars that one request may cost"`
	Answer int64   `config:"answer_tokens" min:"1" doc:"the length of an answer to reckon with"`
}

func (s *cheapest) Select(_ context.Context, r sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	cost := func(c sdk.Candidate) float64 { usd, _ := c.Cost(r.Tokens, s.Answer); return usd }
	fits := sdk.Where(cs, func(c sdk.Candidate) bool {
		_, known := c.Cost(r.Tokens, s.Answer)
		return known && cost(c) <= s.Budget && c.Fits(r.Tokens+s.Answer)
	})
	if len(fits) == 0 {
		return sdk.Plan{}, fmt.Errorf("no target takes %d tokens for $%g", r.Tokens+s.Answer, s.Budget)
	}
	return sdk.InOrder(sdk.SortedBy(fits, cost)...).Because("cheapest that fits"), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "cheapest", Doc: "The cheapest that fits, within a budget.", Computes: true, Reads: []sdk.Fact{sdk.FactTokens}, Selector: &cheapest{Budget: 0.10, Answer: 1000}})
}
