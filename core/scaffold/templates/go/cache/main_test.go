package main

import (
	"os"
	"path/filepath"
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

// A journal that can't be put in its place costs the write, and no open file.
func TestJournalThatIsNotRewrittenIsClosed(t *testing.T) {
	s := &store{Largest: 1024}
	if err := s.Start(t.Context(), sdk.Setup{DataDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		files, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := open()
	for range 10 {
		if err := s.rewrite(); err == nil {
			t.Fatal("it was rewritten")
		}
	}
	if now := open(); now > before {
		t.Errorf("%d files are open, %d were", now, before)
	}
}

// What the router asks of every plugin; see smartrouter plugin test.
func TestContract(t *testing.T) {
	plugintest.Conform(t, ".", nil)
}
