package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

func TestCheapestThatFits(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"budget": 0.10, "answer_tokens": 1000})
	target := func(name string, input, output float64, context int64) sdk.Candidate {
		return sdk.Candidate{Channel: &sdk.Channel{Name: name}, InputPrice: &input, OutputPrice: &output, ContextTokens: context}
	}
	targets := []sdk.Candidate{
		target("large", 3, 15, 1_000_000),
		target("small", 0.1, 0.4, 8_192),
		target("middle", 1, 4, 0), // its context is not known
		{Channel: &sdk.Channel{Name: "unknown price"}},
	}
	for _, test := range []struct {
		name   string
		tokens int64
		want   string // empty: none fits
	}{
		{name: "a short prompt", tokens: 1024, want: "small | middle | large"},
		{name: "too long for the small one", tokens: 8192, want: "middle | large"},
		{name: "too dear at the large one", tokens: 65536, want: "middle"},
		{name: "over the budget everywhere", tokens: 262144},
	} {
		plan, err := p.Select(sdk.Request{Model: "best", Tokens: test.tokens}, targets...)
		if got := plugintest.Channels(plan); got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s: got %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}
