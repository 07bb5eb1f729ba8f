package main

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// The plugin runs as the router runs it: in a process of its own, over RPC.
func TestPrepare(t *testing.T) {
	p := plugintest.Start(t, ".", plugintest.Config{"max_tokens": 100})
	c := sdk.Channel{Name: "acme", BaseURL: "https://acme.example/v1"}
	got, err := p.Prepare(c, "acme-large", sdk.Chat, true)
	if err != nil || got.URL != "https://acme.example/v1/chat/completions" || got.Auth.Kind != sdk.AuthBearer {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(got.Edits) != 1 || string(got.Edits[0].Value) != "100" {
		t.Errorf("edits %+v", got.Edits)
	}
	if _, err := p.Prepare(c, "acme-large", sdk.Speech, false); !sdk.IsUnsupported(err) {
		t.Errorf("speech: %v", err)
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
