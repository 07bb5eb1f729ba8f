package local

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/cache/cachetest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// open starts a cache in dir, with what change makes of the defaults.
func open(t testing.TB, dir string, change func(*local)) *local {
	t.Helper()
	l := newLocal()
	if change != nil {
		change(l)
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), sdk.Setup{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestContract(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(t *testing.T) sdk.Cache { return open(t, t.TempDir(), nil) })
}
