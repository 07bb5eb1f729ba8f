package main

import (
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/cache/cachetest"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// What every cache must do. The plugin runs as the router runs it: in a process
// of its own, over RPC.
func TestCache(t *testing.T) {
	cachetest.Run(t, func(t *testing.T) sdk.Cache { return plugintest.Start(t, ".", nil).Cache() })
}

func TestWhatWasPutOutlivesAKill(t *testing.T) {
	dir := plugintest.DataDir(t.TempDir())
	p := plugintest.Start(t, ".", plugintest.Config{"largest": 1024}, dir)
	for _, value := range []string{"old", "new"} {
		e := sdk.Entry{Namespace: "ns", Key: "k", Value: []byte(value), Expires: time.Now().Add(time.Hour)}
		if err := p.Cache().Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	p.Kill()
	p = plugintest.Start(t, ".", nil, dir)
	if e, ok, err := p.Cache().Get(t.Context(), "ns", "k"); err != nil || !ok || string(e.Value) != "new" {
		t.Errorf("got %q, %v, %v", e.Value, ok, err)
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
