package conform

import (
	"context"
	"slices"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// variations change one fact each. The header stands for all that there may be.
var variations = []struct {
	fact   sdk.Fact
	change func(*sdk.Request, int)
}{
	{sdk.FactModel, func(r *sdk.Request, n int) { r.Model = []string{"m-2", "gpt-4o"}[n] }},
	{sdk.FactEndpoint, func(r *sdk.Request, n int) { r.Endpoint = []sdk.Endpoint{sdk.Responses, sdk.Embeddings}[n] }},
	{sdk.FactStream, func(r *sdk.Request, _ int) { r.Stream = !r.Stream }},
	{sdk.FactSize, func(r *sdk.Request, n int) { r.Size = []int64{1, 64 << 20}[n] }},
	{sdk.FactTokens, func(r *sdk.Request, n int) { r.Tokens = []int64{1, 1 << 20}[n] }},
	{sdk.FactTools, func(r *sdk.Request, _ int) { r.Tools = !r.Tools }},
	{sdk.FactImages, func(r *sdk.Request, _ int) { r.Images = !r.Images }},
	{sdk.FactJSON, func(r *sdk.Request, _ int) { r.JSON = !r.JSON }},
	{sdk.FactKey, func(r *sdk.Request, n int) { r.Key = []string{"", "team-b"}[n] }},
	{sdk.FactRegion, func(r *sdk.Request, n int) { r.Region = []string{"", "us-east"}[n] }},
	{sdk.FactPrefix, func(r *sdk.Request, n int) { r.Prefix += uint64(n) + 12345 }},
	{sdk.FactNow, func(r *sdk.Request, n int) { r.Now = r.Now.Add([]time.Duration{11 * time.Hour, 75 * time.Hour}[n]) }},
	{sdk.HeaderFact("x-team"), func(r *sdk.Request, n int) { r.Headers = map[string]string{"x-team": []string{"", "b"}[n]} }},
}

// facts finds what a selector reads and does not declare. A router sends it
// only the declared facts, and gives its answer to every request in which
// these are equal.
func (r *runner) facts(ctx context.Context, s *session, a *asker) Result {
	if a.kind != sdk.KindSelector || r.unsteady[a.kind] {
		return Result{}
	}
	reads := s.plugin.Manifest().Reads
	p, g := s.plugin.Selector(), targets()
	ask := func(q sdk.Request, n int) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, s.limits.call)
		defer cancel()
		answer, err := p.Select(ctx, g, q, live(n))
		return picks(answer), err
	}
	end := time.Now().Add(patience)
	for n := range questions {
		if time.Now().After(end) {
			break
		}
		usual, err := ask(request(n), n)
		if err != nil {
			return failed(answerRemedy, "%v", s.because(err))
		}
		for _, v := range variations {
			if slices.Contains(reads, v.fact) {
				continue
			}
			for other := range 2 {
				q := request(n)
				v.change(&q, other)
				got, err := ask(q, n)
				switch {
				case err != nil && s.broke(err):
					return failed(answerRemedy, "%v", s.because(err))
				case err != nil:
					got = err.Error()
				}
				if got != usual {
					return failed("declare what is read: Reads in Go, reads in the manifest",
						"with another %s the plan is %s, not %s, and the manifest does not read it: a router will never send it", v.fact, got, usual)
				}
			}
		}
	}
	return fine("nothing is read that is not declared; declared: %v", reads)
}
