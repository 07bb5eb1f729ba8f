package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/clients/golang"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// The clients talk to the simulated provider itself here. What fails through the router, but not here, is its fault.

const directKey = "sk-direct"

func TestNodeClientsDirect(t *testing.T) {
	t.Parallel()
	w := simulateProvider(t, directKey)
	runNodeClients(t, w.URL(), directKey)
	t.Cleanup(func() { sawClientsLeave(t, w) })
}

func TestGoClientDirect(t *testing.T) {
	t.Parallel()
	w := simulateProvider(t, directKey)
	golang.Run(t, w.URL(), directKey, simulatedModels())
	t.Cleanup(func() { sawClientsLeave(t, w) })
}

// sawClientsLeave checks that the aborts of the clients reached the provider, on all that never would have ended.
func sawClientsLeave(t *testing.T, w *wall.Wall) {
	t.Helper()
	m := simulatedModels()
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience) // that of the test is over in a clean-up
	defer cancel()
	unended := func(r wall.Request) bool { return r.Model == m.Silent || r.Model == m.Stalling }
	seen := map[string]int{}
	err := w.Wait(ctx, func(all []wall.Request) bool {
		clear(seen)
		for _, r := range all {
			if unended(r) && !r.Left {
				return false
			}
			seen[r.Model]++
		}
		return true
	})
	if err != nil || seen[m.Silent] == 0 || seen[m.Stalling] == 0 {
		t.Errorf("aborts at the provider: %v, requests %v", err, seen)
	}
}

func TestExamplesDirect(t *testing.T) {
	t.Parallel()
	const examples, question = "../../examples/clients", "how are you"
	w := wall.Start(t, wall.Key(directKey), wall.Models("demo"))
	env := []string{"OPENAI_BASE_URL=" + w.URL(), "OPENAI_API_KEY=" + directKey}
	for _, example := range []struct {
		name    string
		install bool
		folder  string
		run     []string
	}{
		{name: "node", install: true, folder: filepath.Join(examples, "node"), run: []string{"node", "chat.mjs", question}},
		{name: "go", folder: filepath.Join(examples, "go"), run: []string{"go", "run", ".", question}},
		{name: "curl", folder: examples, run: []string{"./curl.sh", question}},
	} {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			if example.install {
				installNode(t, example.folder)
			}
			said := run(t, example.folder, env, example.run[0], example.run[1:]...)
			// curl shows the events as they are, a word in each.
			for _, word := range strings.Fields(question) {
				if !strings.Contains(said, word) {
					t.Errorf("no %q in %q", word, said)
				}
			}
		})
	}
}

// A lock must not tell where this machine gets its packages: others get them elsewhere.
func TestLocksNameNoMirror(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"clients/node/package-lock.json", "../../examples/clients/node/package-lock.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if bytes.Contains(line, []byte(`"resolved"`)) && !bytes.Contains(line, []byte(`"https://registry.npmjs.org/`)) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
