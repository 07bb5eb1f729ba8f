package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The selector in examples decides as it stands there, config file included.
func TestExampleSelectorDecides(t *testing.T) {
	t.Parallel()
	const example = "../../examples/selector/steadiest"
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "steadiest"), ".")
	build.Dir = example
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	hcl, err := os.ReadFile(filepath.Join(example, "router.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "router.hcl")
	if err := os.WriteFile(config, append(hcl, listen...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRouterAt(t, config, filepath.Join(dir, "data"))
	for _, stream := range []bool{false, true} {
		if err := r.ask(t.Context(), "demo", stream, "hello"); err != nil {
			t.Error(err)
		}
	}
	if p := pluginAt(r, "plugin.selector.steadiest"); p.Calls == 0 || p.Errors > 0 {
		t.Errorf("the selector was asked %d times with %d errors", p.Calls, p.Errors)
	}
	if n := r.metric("smartrouter_step_answers_total", `step="choose"`, `source="failed"`); n > 0 {
		t.Errorf("%v plans were made without the selector", n)
	}
}

// The drop-in clients need nothing but the router that `make run` starts.
func TestExampleClientsThroughTheRouter(t *testing.T) {
	t.Parallel()
	const clients, question = "../../examples/clients", "how are you"
	r := startRouter(t, listen+`channel "demo" { provider = provider.demo }`)
	env := []string{"OPENAI_BASE_URL=" + r.URL, "OPENAI_API_KEY=any"}
	for _, example := range []struct {
		name, folder string
		command      []string
	}{
		{name: "node", folder: filepath.Join(clients, "node"), command: []string{"node", "chat.mjs", question}},
		{name: "go", folder: filepath.Join(clients, "go"), command: []string{"go", "run", ".", question}},
		{name: "curl", folder: clients, command: []string{"./curl.sh", question}},
	} {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			if example.name == "node" {
				installNode(t, example.folder)
			}
			said := run(t, example.folder, env, example.command[0], example.command[1:]...)
			for _, word := range strings.Fields(question) {
				if !strings.Contains(said, word) {
					t.Fatalf("no %q in %s", word, said)
				}
			}
		})
	}
}
