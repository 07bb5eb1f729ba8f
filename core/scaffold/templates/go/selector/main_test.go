package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestTargetsThatFailGoLast(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"max_error_rate": 0.3})
	plan, err := p.Select(sdk.Request{Model: "gpt-4o"},
		sdk.Candidate{Channel: &sdk.Channel{Name: "failing"}, ErrorRate: 0.4},
		sdk.Candidate{Channel: &sdk.Channel{Name: "good"}, ErrorRate: 0.01},
		sdk.Candidate{Channel: &sdk.Channel{Name: "new"}})
	if got, want := plugintest.Channels(plan), "good new | failing"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestRatesAreShares(t *testing.T) {
	if errs := plugintest.ConfigErrors(t, ".", plugintest.Config{"max_error_rate": 30}); len(errs) != 1 {
		t.Errorf("a rate of 30 was answered with %v", errs)
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
