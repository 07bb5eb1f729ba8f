package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

func TestFailingChannelIsLeftOut(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"max_error_rate": 0.3})
	plan, err := p.Select(sdk.Request{Model: "gpt-4o"},
		sdk.Candidate{Channel: &sdk.Channel{Name: "slow"}, TTFT: 900e6},
		sdk.Candidate{Channel: &sdk.Channel{Name: "failing"}, ErrorRate: 0.4},
		sdk.Candidate{Channel: &sdk.Channel{Name: "quick"}, TTFT: 200e6})
	if got, want := plugintest.Channels(plan), "quick | slow"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}
