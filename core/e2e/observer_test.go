package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// observedIn reads what plugin.observer.jsonl has written.
func observedIn(t *testing.T, r *router) (out []decision.Decision) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.data, "plugins", "plugins", "observer.jsonl", "requests.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var d decision.Decision
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, d)
	}
	return out
}

const observing = `
observe "log" {
  run      = plugin.observer.jsonl
  interval = "10ms"
}
`

func TestObserverIsToldOfFinishedRequests(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+observing)
	if err := r.ask(t.Context(), "m", true, "a secret thing"); err != nil {
		t.Fatal(err)
	}
	resp, _, err := r.post(t.Context(), "/chat/completions", chatBody("nobody's", false, "x"))
	if err != nil || resp.StatusCode != 404 {
		t.Fatal(resp, err)
	}
	wait(t, "both are told of", func() bool { return len(observedIn(t, r)) == 2 })
	all := observedIn(t, r)
	if d := all[0]; d.Facts.Model != "m" || !d.Facts.Stream || d.Outcome.Status != 200 || !d.Outcome.Complete || d.Outcome.Channel != "a" || len(d.Attempts) != 1 || d.Prompt != nil {
		t.Errorf("got %+v", d)
	}
	if d := all[1]; d.ID != resp.Header.Get("X-Smartrouter-Decision") || d.Outcome.Status != 404 || d.Outcome.Error != "model_not_found" {
		t.Errorf("got %+v", d)
	}
	r.counts(2, "smartrouter_observed_requests_total", `result="taken"`)
}

// SIGTERM is an orderly end for plugins too: observers get what waits for their
// next batch, decisions are written, and a cache closes its file.
func TestSIGTERMEndsPluginsInOrder(t *testing.T) {
	t.Parallel()
	const requests = 20
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	records := filepath.Join(t.TempDir(), "decisions.jsonl")
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+strings.Replace(observing, "10ms", "1h", 1)+
		fmt.Sprintf("record { file = %q }\n", records)+answersPipeline(`ttl = "10m"`))
	if errs := r.load(t.Context(), 4, requests, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	if n := len(observedIn(t, r)); n != 0 {
		t.Errorf("%d are told of before the interval is over", n)
	}
	r.stop(syscall.SIGTERM)
	if n := len(observedIn(t, r)); n != requests {
		t.Errorf("the observer was told of %d requests, of %d", n, requests)
	}
	written, err := os.ReadFile(records)
	if n := bytes.Count(written, []byte("\n")); err != nil || n != requests {
		t.Errorf("%d decisions are written, of %d: %v", n, requests, err)
	}
	// SQLite puts its log into the file when that is closed.
	store := filepath.Join(r.data, "plugins", "plugins", "cache.local", "cache.db")
	if log, err := os.Stat(store + "-wal"); err != nil || log.Size() > 0 {
		t.Errorf("the cache was killed, not closed: %v %+v", err, log)
	}
}

// The prompt is there by grant only, and as guards have left it.
func TestObserverSeesPromptsByGrantOnly(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+observing+`
plugin "observer" "jsonl" { grants = ["prompt"] }
plugin "guard" "regex" {
  config {
    mask "keys" {
      pattern = "sk-[a-z]+"
      with    = "[key]"
    }
  }
}
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "patterns" {
    run     = plugin.guard.regex
    timeout = "10s"
  }
  step "choose" { run = plugin.selector.smart }
  step "call"   { run = provider.adapter }
}
`)
	if err := r.ask(t.Context(), "m", false, "keep sk-abc"); err != nil {
		t.Fatal(err)
	}
	wait(t, "it is told of", func() bool { return len(observedIn(t, r)) == 1 })
	if got := string(observedIn(t, r)[0].Prompt); !strings.Contains(got, "keep [key]") || strings.Contains(got, "sk-abc") {
		t.Errorf("the prompt is %s", got)
	}
}

// An observer that is killed again and again costs no request, and is told of
// all of them once it is back.
func TestObserverKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+observing)
	const each = 200
	for range 3 {
		was := r.killPlugin("plugin.observer.jsonl")
		if errs := r.load(t.Context(), 16, each, "m"); len(errs) > 0 {
			t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		wait(t, "the plugin is back", func() bool {
			p := pluginAt(r, "plugin.observer.jsonl")
			return p.State == catalog.Ready && p.PID != was.PID
		})
	}
	wait(t, "it is told of all", func() bool { return r.metric("smartrouter_observed_requests_total", `result="taken"`) == 3*each })
	ids := map[string]bool{}
	for _, d := range observedIn(t, r) {
		ids[d.ID] = true
	}
	if len(ids) != 3*each {
		t.Errorf("%d requests are in the file, not %d", len(ids), 3*each)
	}
}
