package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestWordsAreRejected(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"words": []string{"falcon"}}, plugintest.Grants(sdk.NeedPrompt))
	for text, rejected := range map[string]bool{"Hello": false, "What is Falcon?": true} {
		prompt := `{"messages": [{"role": "user", "content": "` + text + `"}]}`
		got, err := p.Inspect(sdk.Request{Model: "gpt-4o"}, prompt)
		if err != nil || (got.Rejection != nil) != rejected {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil, plugintest.Grants(sdk.NeedPrompt))
}
