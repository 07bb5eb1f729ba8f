package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// startExample runs an example as it stands there, configuration included.
func startExample(t *testing.T, name string) *router {
	t.Helper()
	source := filepath.Join("../../examples/selector", name)
	dir := t.TempDir()
	if _, err := os.Stat(filepath.Join(source, "main.go")); err == nil {
		run(t, source, nil, "go", "build", "-o", filepath.Join(dir, name), ".")
	} else {
		installNode(t, source)
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
	}
	hcl, err := os.ReadFile(filepath.Join(source, "router.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "router.hcl")
	if err := os.WriteFile(config, append(hcl, listen...), 0o600); err != nil {
		t.Fatal(err)
	}
	return startRouterAt(t, config, filepath.Join(dir, "data"))
}

// answeredBy is the channel and the model that answered, or the status.
func (r *router) answeredBy(body []byte, header ...string) string {
	r.t.Helper()
	resp, said, err := r.post(r.t.Context(), "/chat/completions", body, header...)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		r.t.Logf("%s", said)
		return fmt.Sprint(resp.StatusCode)
	}
	return resp.Header.Get("X-Smartrouter-Channel") + "/" + resp.Header.Get("X-Smartrouter-Model")
}

func TestExampleCheapestKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	r := startExample(t, "cheapest")
	for _, test := range []struct {
		name  string
		words int
		want  string
	}{
		{name: "a short prompt", words: 10, want: "demo/demo-fast"},
		{name: "too long for the cheapest model", words: 36_000, want: "demo/demo"},
		{name: "over the budget at every model", words: 120_000, want: "503"},
	} {
		body := chatBody("best", false, strings.Repeat("word ", test.words))
		// On a busy machine a plan may come too late, which is an error too.
		wait(t, test.name+" is answered by "+test.want, func() bool { return r.answeredBy(body) == test.want })
	}
}

// The turns of a conversation stay at one channel, conversations are spread over
// all, and none of it costs a call: there is one lease for the model.
func TestExampleStickyKeepsConversationsTogether(t *testing.T) {
	t.Parallel()
	r := startExample(t, "sticky")
	// On a busy machine the first plan may come too late; it holds from then on.
	asked := func() uint64 { return pluginAt(r, "plugin.selector.sticky").Calls }
	wait(t, "there is a plan", func() bool {
		r.mustAsk("demo-fast")
		p := pluginAt(r, "plugin.selector.sticky")
		return p.Calls > p.Errors
	})
	before := asked()
	const conversations, turns = 24, 3
	channels := make(map[string]int)
	for c := range conversations {
		messages := []map[string]string{
			{"role": "system", "content": fmt.Sprintf("You are assistant %d.", c)},
			{"role": "user", "content": "Hello"},
		}
		home := ""
		for turn := range turns {
			body, err := json.Marshal(map[string]any{"model": "demo-fast", "messages": messages})
			if err != nil {
				t.Fatal(err)
			}
			by := r.answeredBy(body)
			if turn > 0 && by != home {
				t.Errorf("conversation %d went from %s to %s", c, home, by)
			}
			home = by
			messages = append(messages, map[string]string{"role": "assistant", "content": "Hi"}, map[string]string{"role": "user", "content": "And then?"})
		}
		channels[home]++
	}
	if len(channels) != 3 {
		t.Errorf("conversations by channel: %v", channels)
	}
	if n := asked() - before; n > conversations {
		t.Errorf("the selector was asked %d times for %d requests", n, conversations*turns)
	}
}

func TestExampleHoursKeepsEuropeAtHome(t *testing.T) {
	t.Parallel()
	r := startExample(t, "hours")
	body := chatBody("demo-fast", false, "hello")
	for range 5 {
		wait(t, "Frankfurt answers a caller in Europe", func() bool {
			return r.answeredBy(body, "X-Smartrouter-Region", "eu-west-1") == "frankfurt/demo-fast"
		})
	}
	if by := r.answeredBy(body, "X-Smartrouter-Region", "us-east-1"); by == "503" {
		t.Errorf("a caller elsewhere got %s", by)
	}
	if p := pluginAt(r, "plugin.selector.hours"); crashed(p) {
		t.Errorf("%d restarts: %s", p.Restarts, p.LastExit)
	}
}

func TestExampleInNodePassesItsTests(t *testing.T) {
	t.Parallel()
	const dir = "../../examples/selector/hours"
	installNode(t, dir)
	run(t, dir, nil, "npm", "test")
}

// What the example has beside its own files is what `plugin new` writes now.
func TestExampleInNodeIsUpToDate(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "hours")
	if out, err := cli(t, "plugin", "new", "selector", "hours", "--lang", "node", "--dir", fresh); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	own := []string{"README.md", "hours.js", "hours.test.js", "router.hcl", "package.json", ".gitignore"}
	err := filepath.WalkDir(fresh, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(fresh, path)
		if err != nil || d.IsDir() || slices.Contains(own, rel) {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join("../../examples/selector/hours", rel))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as plugin new writes it (%v): copy it", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
