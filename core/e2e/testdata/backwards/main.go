// Command backwards is a selector for tests: the candidates from the last to the
// first, and no plan for the model "poison".
package main

import (
	"context"
	"errors"
	"slices"

	"github.com/smart-ai-router/smartrouter/sdk"
)

type backwards struct{}

func (backwards) Select(_ context.Context, r sdk.Request, cs []sdk.Candidate) (sdk.Plan, error) {
	if r.Model == "poison" {
		return sdk.Plan{}, errors.New("I do not touch poison")
	}
	slices.Reverse(cs)
	return sdk.InOrder(cs...).Because("from the back"), nil
}

func main() {
	sdk.Serve(&sdk.Plugin{Name: "backwards", Version: "3.2.1", Computes: true, Reads: []sdk.Fact{sdk.FactModel}, Selector: backwards{}})
}
