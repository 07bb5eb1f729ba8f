package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	// On a busy machine a plan may come too late.
	wait(t, "the selector has decided", func() bool {
		p := pluginAt(r, "plugin.selector.steadiest")
		return p.Calls > p.Errors || r.ask(t.Context(), "demo", false, "hello") != nil
	})
	if p := pluginAt(r, "plugin.selector.steadiest"); p.Calls == p.Errors || crashed(p) {
		t.Errorf("%d of %d calls failed, %d restarts: %s", p.Errors, p.Calls, p.Restarts, p.LastExit)
	}
}

// The translator in examples speaks to a provider of plain text, for clients of
// each format, over the death of its process, be it in the middle of a stream.
func TestExampleAdapterTranslates(t *testing.T) {
	t.Parallel()
	killed := make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		said, err := strconv.Unquote(strings.TrimPrefix(lines[len(lines)-1], "user "))
		if err != nil || r.URL.Path != "/say" || r.Header.Get("Content-Type") != "text/plain" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "no \"I do not understand %s\"\n", r.URL.Path)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "+ \"You said: \"\n+ %q", said)
		if said == "Slowly" {
			http.NewResponseController(w).Flush()
			<-killed
		}
		io.WriteString(w, "\n.\n")
	}))
	t.Cleanup(provider.Close)
	const example = "../../examples/adapter/plain"
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "plain"), ".")
	build.Dir = example
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	hcl, err := os.ReadFile(filepath.Join(example, "router.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "router.hcl")
	text := strings.Replace(string(hcl), "http://127.0.0.1:9000", provider.URL, 1)
	if err := os.WriteFile(config, []byte(text+listen), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRouterAt(t, config, filepath.Join(dir, "data"))
	ask := func() {
		for name, client := range reach {
			for _, stream := range []bool{false, true} {
				if said := client(t, r, "plain", stream); said != "You said: Hello" {
					t.Errorf("%s, streamed %v: it says %q", name, stream, said)
				}
			}
		}
	}
	ask()
	s, err := r.open(t.Context(), "plain", "Slowly", func() {
		if err := syscall.Kill(pluginAt(r, "plugin.adapter.plain").PID, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		close(killed)
	})
	if err != nil || s.text != "You said: Slowly" {
		t.Errorf("a stream over the plugin's death: %+v, %v", s, err)
	}
	wait(t, "the plugin was started anew", func() bool { p := pluginAt(r, "plugin.adapter.plain"); return p.Restarts > 0 && p.State == "ready" })
	ask()
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
