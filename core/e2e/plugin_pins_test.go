package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/sdk/conform"
)

// pinned is a folder with a router.hcl whose selector is steadiest.
func pinned(t *testing.T) (dir, config, program string) {
	t.Helper()
	dir = t.TempDir()
	program, err := conform.Build(t.Context(), "../../examples/selector/steadiest", dir)
	if err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(dir, "router.hcl")
	if err := os.WriteFile(config, []byte(listen+`
channel "demo" { provider = provider.demo }
plugin "selector" "mine" {
  command = ["./steadiest"]
  config { max_error_rate = 0.5 }
}
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, config, program
}

// ends runs a command and says what is missing in its output.
func (r command) ends(t *testing.T, wantOK bool, want ...string) string {
	t.Helper()
	out, err := cli(t, r...)
	if (err == nil) != wantOK {
		t.Errorf("%v: %v\n%s", []string(r), err, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%v: no %q in\n%s", []string(r), w, out)
		}
	}
	return out
}

type command []string

func TestChangedPluginIsRefusedUntilItIsInstalled(t *testing.T) {
	t.Parallel()
	dir, config, program := pinned(t)
	at := []string{"--config", config}
	plugin := func(args ...string) command { return append(append(command{"plugin"}, args...), at...) }

	plugin("verify").ends(t, false, "there is no "+filepath.Join(dir, "plugins.lock.hcl")+"; smartrouter plugin install writes it")
	plugin("install").ends(t, true, "plugin.selector.mine ", "  new\n", "pinned in ")
	plugin("install", program).ends(t, true, "as before")
	plugin("verify").ends(t, true, "ok    plugin.selector.mine", "steadiest: as installed")
	plugin("info", "selector.mine").ends(t, true, "lock", "steadiest: as installed", "max_error_rate", "no router of this configuration answers")
	command{"validate", "--config", config}.ends(t, true, "is valid")

	r := startRouterAt(t, config, filepath.Join(dir, "data"))
	if err := r.ask(t.Context(), "demo", false, "hello"); err != nil {
		t.Fatal(err)
	}
	data := []string{"--data-dir", filepath.Join(dir, "data")}
	append(plugin("list"), data...).ends(t, true, "P99", "MEMORY", "LAST ERROR", "plugin.selector.mine", " MiB ")
	append(plugin("info", "plugin.selector.mine"), data...).ends(t, true, "ready, pid ", " restarts", "memory")
	var listed []catalog.Status
	if err := json.Unmarshal([]byte(append(plugin("list", "--json"), data...).ends(t, true)), &listed); err != nil || len(listed) == 0 || listed[0].Memory == 0 {
		t.Errorf("list --json: %v, %+v", err, listed)
	}

	// Another file in its place, while the router runs.
	bytes, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	other := program + ".new"
	if err := os.WriteFile(other, append(bytes, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, program); err != nil {
		t.Fatal(err)
	}
	const refused = "as in plugins.lock.hcl; it was not started; if that is wanted: smartrouter plugin install"
	plugin("verify").ends(t, false, "FAIL  plugin.selector.mine", "has changed: its sha256 is ")
	command{"validate", "--config", config}.ends(t, false, "selector(mine): program "+program+": its sha256 is ", refused)
	command{"serve", "--config", config, "--data-dir", filepath.Join(dir, "other")}.ends(t, false, refused)
	r.killPlugin("plugin.selector.mine")
	wait(t, "it is not started again, and the list says why", func() bool {
		out, err := cli(t, append(plugin("list"), data...)...)
		return err == nil && strings.Contains(out, refused)
	})
	if err := r.ask(t.Context(), "demo", false, "hello"); err != nil {
		t.Errorf("without its selector: %v", err)
	}
	// What is installed now the running router takes with its configuration.
	plugin("install", program).ends(t, true, "changed", "smartrouter reload has a running router take it")
	append(plugin("reload", "selector.mine"), data...).ends(t, false,
		"plugins.lock.hcl says something else of it than when the configuration was read; smartrouter reload takes both")
	planned := append(command{"plan", "--config", config}, data...).ends(t, true, "lock: ", " steadiest ", "plugin.selector.mine restarts")
	if strings.Contains(planned, "{") {
		t.Errorf("the plan is not for people:\n%s", planned)
	}
	append(command{"reload", "--config", config}, data...).ends(t, true, "reloaded in")
	wait(t, "it is back", func() bool { return pluginAt(r, "plugin.selector.mine").State == catalog.Ready })
	plugin("verify").ends(t, true, "as installed")
	command{"validate", "--config", config}.ends(t, true, "is valid")
}

func TestInstallOfAFolderThatNoBlockNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "router.hcl")
	install := command{"plugin", "install", "--config", config, "../../examples/selector/steadiest"}
	out := install.ends(t, true, "built "+filepath.Join(dir, "bin", "steadiest"), "plugin.selector.steadiest", "names it nowhere yet. Add:", "max_error_rate = 0.2")
	_, block, _ := strings.Cut(out, "Add:\n\n")
	// What it prints is what works, and pinned.
	if err := os.WriteFile(config, []byte(`
channel "demo" { provider = provider.demo }
pipeline "default" {
  step "choose" { run = plugin.selector.steadiest }
  step "call" { run = provider.adapter }
}
`+block), 0o600); err != nil {
		t.Fatal(err)
	}
	command{"validate", "--config", config}.ends(t, true, "is valid")
	command{"plugin", "verify", "--config", config}.ends(t, true, "ok    plugin.selector.steadiest")
}

func TestDocsOfAPlugin(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "router.hcl")
	command{"plugin", "docs", "--config", none, "selector.smart"}.ends(t, true, "# smart\n", "## config\n", "| `max_error_rate` | float |", "; from 0 to 1 |", "### config.weights", "use = plugin.selector.smart")
	command{"plugin", "docs", "../../examples/selector/steadiest"}.ends(t, true, "# steadiest\n", "channels that fail more often are left out")
	command{"plugin", "docs", "--config", none, "selector.smrt"}.ends(t, false, "there is no plugin selector.smrt")
	out := command{"plugin", "docs", "--config", none, "--schema", "cache.local"}.ends(t, true)
	var schema struct {
		Schema               string `json:"$schema"`
		Type                 string
		AdditionalProperties any
		Properties           map[string]struct {
			Type, Pattern, Description string
			Default                    any
			Minimum, Maximum           *float64
		}
	}
	if err := json.Unmarshal([]byte(out), &schema); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	size, interval := schema.Properties["max_size"], schema.Properties["sweep_interval"]
	if schema.Type != "object" || schema.AdditionalProperties != false || size.Type != "string" || size.Pattern == "" ||
		!strings.HasSuffix(fmt.Sprint(size.Default), "iB") || interval.Pattern == "" || interval.Description == "" {
		t.Errorf("schema is\n%s", out)
	}
	out = command{"plugin", "docs", "--config", none, "--schema", "selector.smart"}.ends(t, true)
	if err := json.Unmarshal([]byte(out), &schema); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if rate := schema.Properties["max_error_rate"]; rate.Minimum == nil || *rate.Minimum != 0 || rate.Maximum == nil || *rate.Maximum != 1 {
		t.Errorf("the schema has no bounds:\n%s", out)
	}
}

// The kit from the command line: any program, its report, its exit code.
func TestPluginTestCommand(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad")
	if out, err := exec.Command("go", "build", "-o", bad, "../../sdk/conform/testdata/bad").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	test := command{"plugin", "test", "--calls", "200", "--slack", "10"}
	append(test, bad).ends(t, true, "ok    handshake", "keeps the contract")
	append(test, bad, "lease-below-zero").ends(t, false, "FAIL  leases (unary)", "\n      remedy: a lease is from 0", "does not keep the contract")
	append(test, filepath.Dir(bad)).ends(t, false, "holds neither Go source nor a package.json with a name")
	append(test, bad+"-none").ends(t, false, "FAIL  handshake", "no such file")
	config := filepath.Join(filepath.Dir(bad), "config.hcl")
	if err := os.WriteFile(config, []byte("\nlevel = \"high\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	append(test, "--config", config, bad).ends(t, false, "FAIL  config", config+":2: ")
	out, err := cli(t, append(test, "--json", bad, "answer-at-random")...)
	var report conform.Report
	if jerr := json.Unmarshal([]byte(out), &report); jerr != nil || err == nil || report.Plugin != "bad" || report.Failed == 0 {
		t.Errorf("--json: %v, %v\n%s", err, jerr, out)
	}
}
