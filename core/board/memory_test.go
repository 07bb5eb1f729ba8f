package board

import (
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Tries count what they go by: fresh, past its time, or not known. What the
// configuration says is not looked for.
func TestTriesCountWhatTheyGoBy(t *testing.T) {
	t.Parallel()
	open := channel("open")
	open.Secret = "sk-1"
	declared := channel("declared", "d")
	declared.Secret = ""
	declared.Prices = []config.Price{{Model: "*", Input: 1, Output: 2}}
	b, clock := newBoard(t, conf(open, declared))
	base := b.now()
	b.SetHealth(b.View().Channel("open"), Health{
		State: sdk.HealthUp, Until: base.Add(5 * time.Minute), Key: sdk.KeyValid, KeyUntil: base.Add(30 * time.Minute),
		Listed: true, ModelsUntil: base.Add(time.Hour), SpecsUntil: base.Add(2 * time.Hour), PricesUntil: base.Add(10 * time.Minute),
		Models: []sdk.ModelInfo{{ID: "m", ContextTokens: 8000, Price: sdk.Price{Known: true, Input: 1}}, {ID: "bare"}},
	})
	try := func(channel, model string) {
		t.Helper()
		x := target(t, b, channel, model)
		if !x.Begin(b.now()) {
			t.Fatalf("%s on %s takes nothing", model, channel)
		}
		x.Leave()
	}
	try("open", "m")
	try("open", "bare")
	try("declared", "d")
	clock.move(20 * time.Minute) // health and prices have run out
	try("open", "m")
	b.Unknown()

	end := base.Add(20 * time.Minute)
	b.SetHealth(b.View().Channel("open"), Health{Key: sdk.KeyValid, KeyUntil: end.Add(time.Hour)})
	for _, want := range []Memory{
		{Kind: MemoryHealth, Entries: 1, Hits: 2, StaleHits: 1, Misses: 1, Oldest: base, Newest: base},
		{Kind: MemoryKey, Entries: 1, Hits: 3, Oldest: end, Newest: end}, // the one that was found out anew
		{Kind: MemoryModels, Entries: 1, Hits: 3, Misses: 1, Oldest: base, Newest: base},
		{Kind: MemorySpecs, Entries: 1, Hits: 2, Misses: 2, Oldest: base, Newest: base},
		{Kind: MemoryPrices, Entries: 1, Hits: 1, StaleHits: 1, Misses: 1, Oldest: base, Newest: base},
		{Kind: MemoryAvailability, Entries: 1, Oldest: base, Newest: base},
	} {
		for _, got := range b.Memories() {
			if got.Kind == want.Kind && got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
	}
}

// A listed price is one where the configuration has none, and what plans rest
// on.
func TestListedPrices(t *testing.T) {
	t.Parallel()
	own := channel("own")
	own.Prices = []config.Price{{Model: "a", Input: 7, Output: 8}}
	b, _ := newBoard(t, conf(own))
	list := func(input float64) bool {
		price := sdk.Price{Known: true, Input: input, Output: 2}
		until := b.now().Add(time.Hour)
		return b.SetHealth(b.View().Channel("own"), Health{
			Listed: true, ModelsUntil: until, PricesUntil: until,
			Models: []sdk.ModelInfo{{ID: "a", Price: price}, {ID: "b", Price: price}, {ID: "c"}},
		})
	}
	if list(1); list(1) {
		t.Error("the same prices make a new view")
	}
	for name, want := range map[string]*config.Price{"a": {Model: "a", Input: 7, Output: 8}, "b": {Model: "b", Input: 1, Output: 2}, "c": nil} {
		x := target(t, b, "own", name)
		c := b.View().Candidates[x.Ref]
		switch {
		case want == nil:
			if x.Price != nil || c.InputPrice != nil || c.OutputPrice != nil {
				t.Errorf("%s has a price: %+v", name, x.Price)
			}
		case x.Price == nil || *x.Price != *want || *c.InputPrice != want.Input || *c.OutputPrice != want.Output:
			t.Errorf("%s costs %+v, want %+v", name, x.Price, want)
		}
	}
	was := b.View().Generation
	if !list(3) || b.View().Generation == was {
		t.Error("another price is no news for plans")
	}
}
