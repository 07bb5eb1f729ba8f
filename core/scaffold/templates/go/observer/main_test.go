package main

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestSlowRequestsAreLogged(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"slow": "1s"})
	err := p.Observe(`{"id": "d-1", "outcome": {"duration_ms": 20}}`, `{"id": "d-2", "outcome": {"duration_ms": 2000}}`)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Logged("d-2") || strings.Contains(p.Logs(), "d-1") {
		t.Errorf("the log has %s", p.Logs())
	}
}
