// Command plugin-name is a selector of Smart AI Router: it says which targets a
// request goes to, and in what order.
package main

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// selector has the config block's attributes, with their defaults in main.
type selector struct {
	MaxErrorRate float64 `config:"max_error_rate" min:"0" max:"1" doc:"targets that fail more often go last"`
}

// Select answers for every request with the same facts, until its lease ends.
func (s *selector) Select(_ context.Context, _ sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	steady, shaky := sdk.Split(cs, func(c sdk.Candidate) bool { return c.ErrorRate <= s.MaxErrorRate })
	return sdk.Spread(steady...).Because("steady").Then(shaky...).Because("fails often"), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "plugin-name", Doc: "Tries steady targets first.", Computes: true, Selector: &selector{MaxErrorRate: 0.2}})
}
