package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestProbeTellsHealthKeyAndModels(t *testing.T) {
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Host {
		case "good":
			fmt.Fprint(w, `{"data": [{"id": "gpt-4o"}]}`)
		case "refused":
			w.WriteHeader(http.StatusUnauthorized)
		case "page":
			fmt.Fprint(w, "<html>")
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	p := plugintest.Start(t, ".", nil, plugintest.UpstreamHTTP(upstream))
	for _, want := range []struct {
		channel string
		state   sdk.HealthState
		key     sdk.KeyState
		models  int
	}{
		{channel: "good", state: sdk.HealthUp, key: sdk.KeyValid, models: 1},
		{channel: "refused", state: sdk.HealthUp, key: sdk.KeyInvalid},
		{channel: "page", state: sdk.HealthMisconfigured},
		{channel: "down", state: sdk.HealthDown},
	} {
		got, err := p.Probe(sdk.Channel{Name: want.channel})
		if err != nil || got.State != want.state || got.Key != want.key || len(got.Models) != want.models {
			t.Errorf("%s: got %+v, %v", want.channel, got, err)
		}
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
