// Command sticky is a selector: the turns of a conversation go to the same
// channel, where the prompt cache knows their beginning.
package main

import (
	"context"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type sticky struct {
	By string `config:"by" doc:"the fact that stays with a channel: prefix, key, or header:NAME"`
}

func (s *sticky) Validate() error {
	if _, err := sdk.ParseFact(s.By); err != nil {
		return sdk.ConfigError{Path: "by", Message: err.Error()}
	}
	return nil
}

func (s *sticky) Select(_ context.Context, _ sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	same, fallbacks := sdk.Split(cs, func(c sdk.Candidate) bool { return c.Fallback == 0 })
	return sdk.Spread(same...).Then(fallbacks...).Balanced(sdk.HashOf(sdk.Fact(s.By))).Because("by " + s.By), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "sticky", Doc: "Keeps each conversation at one account.", Computes: true, Selector: &sticky{By: "prefix"}})
}
