package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// write puts a file into a folder of the test's own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestValidateNamesLineAndRemedy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, hcl, want string }{
		{
			name: "a reference that is misspelt",
			hcl:  "channel \"a\" {\n  provider = provider.opnai\n  api_key  = \"sk-1\"\n}\n",
			want: `router.hcl:2: unknown provider "opnai"; did you mean "openai"?`,
		},
		{
			name: "a plugin's own attribute that is misspelt",
			hcl: `channel "demo" { provider = provider.demo }
plugin "selector" "mine" {
  use = plugin.selector.smart
  config {
    max_eror_rate = 0.5
  }
}
pipeline "default" {
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}
`,
			want: `did you mean max_error_rate?`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := cli(t, "validate", "--config", write(t, "router.hcl", test.hcl))
			if err == nil || !strings.Contains(out, test.want) || !regexp.MustCompile(`router\.hcl:\d+: `).MatchString(out) {
				t.Errorf("got %v\n%s\nwant %s", err, out, test.want)
			}
		})
	}
	out, err := cli(t, "validate", "--config", "../../router.hcl")
	if err != nil || !strings.Contains(out, "is valid: ") || !strings.Contains(out, "OPENAI_API_KEY is not set") {
		t.Errorf("our own router.hcl: %v\n%s", err, out)
	}
}

func TestFmtChangesLayoutOnly(t *testing.T) {
	t.Parallel()
	path := write(t, "router.hcl", "channel   \"demo\"   {\nprovider=provider.demo\n}\n")
	if out, err := cli(t, "fmt", "--check", path); err == nil {
		t.Errorf("--check found nothing:\n%s", out)
	}
	if out, err := cli(t, "fmt", path); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(path)
	if want := "channel \"demo\" {\n  provider = provider.demo\n}\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if out, err := cli(t, "fmt", "--check", path); err != nil {
		t.Errorf("formatted twice: %v\n%s", err, out)
	}
}

func TestExplainCallsNoModel(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	hcl := listen + channel("a", w.URL(), upstreamKey)
	request := write(t, "request.json", `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`)

	// On a busy machine the first call of a process may take longer than its step.
	alone := write(t, "router.hcl", hcl+`
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" { run = plugin.cache.local }
  step "choose" {
    run     = plugin.selector.smart
    timeout = "10s"
  }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}
`)
	out, err := cli(t, "explain", "--config", alone, "--data-dir", filepath.Join(t.TempDir(), "data"), request)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"health (prober)  plugin.prober.models", "answers (cache)  plugin.cache.local", "choose (selector)  plugin.selector.smart",
		"tier 1", "a/m", "lease: asked; fresh for", "precheck (prechecker)  plugin.prechecker.race",
		"call (adapter)  plugin.adapter.openai", "would get the request: POST " + w.URL() + "/chat/completions",
		"forward to a/m, decided in ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}

	// With a router running the same command asks that one.
	r := startRouter(t, strings.ReplaceAll(hcl, `admin  { address = "127.0.0.1:0" }`, `admin { address = "`+freeAddress(t)+`" }`))
	out, err = r.command("explain", "--json", request)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var e server.Explanation
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Verdict != "forward to a/m" || len(e.Steps) != 5 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = r.command("plugin", "list")
	if err != nil || strings.Count(out, "ready") != 5 {
		t.Errorf("plugin list: %v\n%s", err, out)
	}
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost {
			t.Errorf("the provider was asked %s %s", q.Method, q.Path)
		}
	}
}

// The block that the command prints serves on every router of a fleet, each with
// a data folder of its own.
func TestKeyFromTheCommandLineOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	block, err := cli(t, "key", "alice")
	if err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	key := regexp.MustCompile(`sr-\S+`).FindString(block)
	for range 2 {
		r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+block)
		for _, test := range []struct {
			header, value string
			status        int
		}{
			{"Authorization", "Bearer " + key, 200},
			{"X-Api-Key", key, 200},
			{"Authorization", "Bearer " + key + "x", 401},
			{"Authorization", "Bearer " + upstreamKey, 401},
		} {
			resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"), test.header, test.value)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status {
				t.Errorf("%s: %s %s", test.header, resp.Status, body)
			}
		}
	}
}

func TestTwoRoutersDoNotShareADataFolder(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	out, err := r.command("serve")
	if err == nil || !strings.Contains(out, "another router uses it") {
		t.Errorf("%v\n%s", err, out)
	}
}
