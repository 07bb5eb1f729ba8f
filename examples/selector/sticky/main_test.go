package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

func TestFallbacksComeAfterAllChannelsOfTheModel(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"by": "header:x-session"})
	plan, err := p.Select(sdk.Request{Model: "gpt-4o"},
		sdk.Candidate{Channel: &sdk.Channel{Name: "a"}},
		sdk.Candidate{Channel: &sdk.Channel{Name: "other"}, Model: "gpt-4o-mini", Fallback: 1},
		sdk.Candidate{Channel: &sdk.Channel{Name: "b"}})
	if got, want := plugintest.Channels(plan), "a b | other"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
	for _, tier := range plan.Tiers {
		if tier.Balance != sdk.HashOf(sdk.HeaderFact("x-session")) {
			t.Errorf("a tier is balanced by %q", tier.Balance)
		}
	}
}

func TestUnknownFactIsRefused(t *testing.T) {
	errs := plugintest.ConfigErrors(t, ".", plugintest.Config{"by": "prompt"})
	if len(errs) != 1 || errs[0].Path != "by" {
		t.Errorf("got %v", errs)
	}
}
