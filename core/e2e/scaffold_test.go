package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/scaffold"
)

// What `plugin new` writes is a whole project of each kind and language: it
// passes its test, and decides a request of a real router, as it is.
func TestNewPluginDecidesARequest(t *testing.T) {
	t.Parallel()
	for _, language := range scaffold.Languages {
		for _, kind := range scaffold.Kinds(language) {
			t.Run(language+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				const name = "my-own"
				dir := filepath.Join(t.TempDir(), "project")
				out, err := cli(t, "plugin", "new", string(kind), name, "--lang", language, "--dir", dir, "--sdk", "../..")
				if err != nil || !strings.Contains(out, "router.hcl") {
					t.Fatalf("%v\n%s", err, out)
				}
				config := filepath.Join(dir, "router.hcl")
				if out, err := cli(t, "fmt", "--check", config); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				switch language {
				case "go":
					run(t, dir, nil, "go", "vet", ".")
					run(t, dir, nil, "go", "test", ".")
					run(t, dir, nil, "go", "build", "-o", name, ".")
				case "node":
					run(t, dir, nil, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline")
					run(t, dir, nil, "npm", "test")
					if out, err := cli(t, "plugin", "test", "--calls", "1000", "--slack", "10", dir); err != nil {
						t.Errorf("%v\n%s", err, out)
					}
				}
				decides(t, config, "plugin."+string(kind)+"."+name)
			})
		}
	}
}

// decides runs a router with a configuration whose model is "demo", and checks
// that it is answered with the help of the plugin.
func decides(t *testing.T, config, plugin string) {
	t.Helper()
	address := freeAddress(t)
	hcl, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s\nserver { address = %q }\nadmin { address = \"127.0.0.1:0\" }\n", hcl, address)
	with := filepath.Join(filepath.Dir(config), "test.hcl")
	if err := os.WriteFile(with, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	model := "demo"
	if strings.HasPrefix(plugin, "plugin.adapter.") {
		_, model, _ = strings.Cut(strings.TrimPrefix(plugin, "plugin."), ".")
	}
	r := startRouterAt(t, with, filepath.Join(t.TempDir(), "data"), "PROVIDER_URL=http://"+address+"/v1")
	for _, stream := range []bool{false, true} {
		if err := r.ask(t.Context(), model, stream, "hello"); err != nil {
			t.Error(err)
		}
	}
	// On a busy machine a call may come too late for its step.
	wait(t, plugin+" has answered", func() bool {
		p := pluginAt(r, plugin)
		return p.Calls > p.Errors || r.ask(t.Context(), model, false, "hello") != nil
	})
	if p := pluginAt(r, plugin); p.Calls == p.Errors || crashed(p) {
		t.Errorf("%d of %d calls failed, %d restarts: %s", p.Errors, p.Calls, p.Restarts, p.LastExit)
	}
}

func TestNewPluginRefuses(t *testing.T) {
	t.Parallel()
	full := filepath.Dir(write(t, "mine.txt", "mine"))
	for _, test := range []struct {
		name, want string
		args       []string
	}{
		{name: "a kind that is none", args: []string{"selecter", "mine"}, want: "the kinds are selector, prechecker"},
		{name: "a language that is none", args: []string{"selector", "mine", "--lang", "cobol"}, want: "in go, node; for others see smartrouter plugin proto"},
		{name: "a kind that is not written in it", args: []string{"cache", "mine", "--lang", "node"}, want: "a cache is written in go; in node: selector, prechecker"},
		{name: "a name with a slash", args: []string{"selector", "../mine"}, want: "is no name for a plugin"},
		{name: "a name of a file of ours", args: []string{"selector", "smartrouter", "--lang", "node"}, want: "smartrouter.js would be another one's"},
		{name: "a folder with something in it", args: []string{"selector", "mine", "--dir", full}, want: "is not empty: mine.txt is in it"},
		{name: "a source that is none", args: []string{"selector", "mine", "--dir", filepath.Join(t.TempDir(), "p"), "--sdk", full}, want: "is not the source of Smart AI Router"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := cli(t, append([]string{"plugin", "new"}, test.args...)...)
			if err == nil || !strings.Contains(out, test.want) {
				t.Errorf("%v\n%s\nwant %s", err, out, test.want)
			}
		})
	}
	if _, err := os.Stat("mine"); err == nil {
		t.Error("a folder was made for a project that was refused")
	}
}

// The contract compiles as it is written, with nothing else beside it.
func TestContractIsComplete(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "contract")
	if out, err := cli(t, "plugin", "proto", "--dir", dir); err != nil || !strings.Contains(out, "selector.proto") {
		t.Fatalf("%v\n%s", err, out)
	}
	compiled := filepath.Join(t.TempDir(), "contract.pb")
	buf := exec.Command("go", "run", "github.com/bufbuild/buf/cmd/buf@v1.75.0", "build", dir, "-o", compiled)
	if out, err := buf.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
