package main

import (
	"net/http"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestWhoListsModelsIsAvailable(t *testing.T) {
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	p := plugintest.Start(t, ".", nil, plugintest.UpstreamHTTP(upstream))
	for channel, available := range map[string]bool{"good": true, "broken": false} {
		got, err := p.Check(sdk.Channel{Name: channel}, "gpt-4o")
		if err != nil || got.Available != available {
			t.Errorf("%s: got %+v, %v", channel, got, err)
		}
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
