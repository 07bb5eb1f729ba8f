package e2e

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// A plugin that can't live within its memory dies alone, again and again:
// requests are answered without it, and it can be seen why.
func TestPluginOverItsMemoryCostsNoRequest(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+`
plugin "selector" "smart" { memory = "1MiB" }
`)
	wait(t, "it was killed", func() bool {
		return r.metric("smartrouter_plugin_memory_kills_total", `plugin="plugin.selector.smart"`) > 0
	})
	if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
		t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
	}
	wait(t, "the reason is told", func() bool {
		p := pluginAt(r, "plugin.selector.smart")
		return strings.Contains(p.LastExit, `MiB of memory, and memory = "1MiB"`)
	})
	if n := r.metric("smartrouter_plugin_memory_kills_total", `plugin="plugin.cache.local"`); n != 0 {
		t.Errorf("its neighbour was killed %v times", n)
	}
}
