package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// guardedBy is a router whose prompts are looked at for bombs and keys.
func guardedBy(t *testing.T, w *wall.Wall, step, answers string) *router {
	t.Helper()
	return startRouter(t, listen+channel("a", w.URL(), upstreamKey)+`
plugin "guard" "regex" {
  config {
    deny "bombs" {
      pattern = "(?i)bomb"
      message = "No bombs here."
    }
    mask "keys" {
      pattern = "sk-[a-z0-9]+"
      with    = "[key]"
    }
  }
}
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "patterns" {
    run = plugin.guard.regex
    `+cmp.Or(step, `timeout = "10s"`)+`
  }
  step "answers" {
    run     = plugin.cache.local
    timeout = "10s"
    `+answers+`
  }
  step "choose" {
    run     = plugin.selector.smart
    timeout = "10s"
  }
  step "call" { run = provider.adapter }
}
`)
}

// saw is the last chat that a wall was asked.
func saw(t *testing.T, w *wall.Wall) string {
	t.Helper()
	last := ""
	for _, q := range w.Requests() {
		if q.Method == http.MethodPost && q.Path == "/v1/chat/completions" {
			last = string(q.Body)
		}
	}
	return last
}

func TestGuardRejectsAndMasks(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", "")
	client := openai.NewClient(option.WithBaseURL(r.URL), option.WithAPIKey("any"), option.WithMaxRetries(0))
	chat := func(text string, stream bool) error {
		params := openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
		if !stream {
			_, err := client.Chat.Completions.New(t.Context(), params)
			return err
		}
		events := client.Chat.Completions.NewStreaming(t.Context(), params)
		for events.Next() {
		}
		return events.Err()
	}
	for _, stream := range []bool{false, true} {
		before := len(chatsAt(w))
		err := chat("how is a b\u006fmb made?", stream)
		var refused *openai.Error
		if e, ok := err.(*openai.Error); ok {
			refused = e
		}
		if refused == nil || refused.StatusCode != 400 || refused.Code != "content_policy_violation" || refused.Message != "No bombs here." {
			t.Errorf("stream %t: got %v", stream, err)
		}
		if len(chatsAt(w)) != before {
			t.Errorf("stream %t: the upstream was asked", stream)
		}
		if err := chat("my key is sk-secret1, keep it", stream); err != nil {
			t.Errorf("stream %t: %v", stream, err)
		}
		if body := saw(t, w); strings.Contains(body, "sk-secret1") || !strings.Contains(body, "my key is [key], keep it") {
			t.Errorf("stream %t: the upstream saw %s", stream, body)
		}
		if err := chat("nothing special", stream); err != nil {
			t.Errorf("stream %t: %v", stream, err)
		}
	}
	r.counts(2, "smartrouter_guarded_requests_total", `ruling="rejected"`)
	r.counts(2, "smartrouter_guarded_requests_total", `ruling="edited"`)
	out, err := r.command("explain", "--model", "m")
	if err != nil || !strings.Contains(out, "lets it pass") {
		t.Errorf("explain: %v\n%s", err, out)
	}
}

// What a tool says of itself is read by the model, so the guard reads it too, in
// whichever format it comes.
func TestGuardReadsDefinitionsOfTools(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", "")
	for path, tool := range map[string]string{
		"/chat/completions": `{"type":"function","function":{"name":"f","description":%q}}`,
		"/messages":         `{"name":"f","description":%q,"input_schema":{"type":"object"}}`,
		"/responses":        `{"type":"function","name":"f","description":%q,"parameters":{"type":"object"}}`,
	} {
		body := func(says string) []byte {
			return fmt.Appendf(nil, `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hello"}],"input":"hello","tools":[`+tool+`]}`, says)
		}
		resp, answer, err := r.post(t.Context(), path, body("builds a bomb"))
		if err != nil || resp.StatusCode != 400 || !bytes.Contains(answer, []byte("No bombs here.")) {
			t.Errorf("%s: %v, %s", path, err, answer)
		}
	}
	if len(chatsAt(w)) != 0 {
		t.Error("the upstream was asked")
	}
	body := `{"model":"m","messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"f","description":%q}}]}`
	r.asks(fmt.Appendf(nil, body, "sends sk-abc"))
	if got, want := saw(t, w), fmt.Sprintf(body, "sends [key]"); got != want {
		t.Errorf("the upstream saw\n%s\nwant\n%s", got, want)
	}
}

// What nobody edits leaves as it came, byte for byte.
func TestGuardChangesNothingElse(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", "")
	const body = `{ "model" : "m","unheard_of": [1.0, 1e3 , "\u00e4"],"messages":[{"role":"user","content":%s},{"content":"b","role":"user"}] }`
	r.asks(fmt.Appendf(nil, body, `"\u0073k-abc\n"`))
	if got, want := saw(t, w), fmt.Sprintf(body, `"[key]\n"`); got != want {
		t.Errorf("the upstream saw\n%s\nwant\n%s", got, want)
	}
}

// A key that is there twice means one text for the guard and another for the
// model.
func TestGuardIsNotFooledByDoubleKeys(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", "")
	body := `{"model":"m","messages":[{"role":"user","content":"a bomb","content":"flowers"}]}`
	resp, answer, err := r.post(t.Context(), "/chat/completions", []byte(body))
	if err != nil || resp.StatusCode != 400 || !bytes.Contains(answer, []byte("twice")) {
		t.Errorf("%v, %s", err, answer)
	}
	if len(chatsAt(w)) != 0 {
		t.Error("the upstream was asked")
	}
}

// The cache and shared calls go by what the guard left of a request.
func TestCacheSeesWhatTheGuardLeft(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", `ttl = "10m"`)
	if x, _, _ := r.asks(chatBody("m", false, "use sk-one")); x != "miss" {
		t.Errorf("x-cache is %s", x)
	}
	wait(t, "the answer is stored", func() bool { return r.metric("smartrouter_answers_known") == 1 })
	if x, _, _ := r.asks(chatBody("m", false, "use sk-two")); x != "hit" {
		t.Errorf("x-cache is %s", x)
	}
}

func TestGuardKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := guardedBy(t, w, "", "")
	for range 3 {
		was := r.killPlugin("plugin.guard.regex")
		if errs := r.load(t.Context(), 16, 200, "m"); len(errs) > 0 {
			t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		wait(t, "the plugin is back", func() bool {
			p := pluginAt(r, "plugin.guard.regex")
			return p.State == catalog.Ready && p.PID != was.PID
		})
	}
}

// A guard that hangs fails closed, or open where the step says so.
func TestGuardThatHangs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, step, text string
		well, hung       int
	}{
		{name: "closed", step: `timeout = "200ms"`, text: "hello", well: 200, hung: 503},
		{name: "open", step: "timeout = \"200ms\"\non_error = \"skip\"", text: "a bomb", well: 400, hung: 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
			r := guardedBy(t, w, tc.step, "")
			// It is replaced within 2 s, perhaps before the request comes to it.
			wait(t, "a request finds it hung", func() bool {
				if p := pluginAt(r, "plugin.guard.regex"); p.PID > 0 {
					_ = syscall.Kill(p.PID, syscall.SIGSTOP)
				}
				before := len(chatsAt(w))
				resp, answer, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, tc.text))
				if err != nil || resp.StatusCode != tc.well && resp.StatusCode != tc.hung {
					t.Fatalf("%v, %s", err, answer)
				}
				if resp.StatusCode == 503 && (!bytes.Contains(answer, []byte("step_unavailable")) || len(chatsAt(w)) != before) {
					t.Fatalf("%s, and the upstream was asked", answer)
				}
				return resp.StatusCode == tc.hung
			})
		})
	}
}

// Without its grant the guard can't see what it is to judge, and says so.
func TestGuardWithoutItsGrantRefusesToStart(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "router.hcl")
	text := listen + channel("a", "http://127.0.0.1:1/v1", upstreamKey) + `
plugin "guard" "regex" {
  grants = []
  config {
    deny "x" { pattern = "x" }
  }
}
pipeline "default" {
  step "patterns" { run = plugin.guard.regex }
  step "choose"   { run = plugin.selector.smart }
  step "call"     { run = provider.adapter }
}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cli(t, "serve", "--config", config, "--data-dir", filepath.Join(t.TempDir(), "data"))
	if err == nil || !strings.Contains(out, `guard(regex): start: sees no prompt, so it would let everything pass; add grants = ["prompt"] to its block`) {
		t.Errorf("%v\n%s", err, out)
	}
	// A mistake in a pattern has its line.
	broken := strings.Replace(strings.Replace(text, "  grants = []\n", "", 1), `pattern = "x"`, `pattern = "("`, 1)
	if err := os.WriteFile(config, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = cli(t, "validate", "--config", config)
	if line := strings.Count(broken[:strings.Index(broken, "pattern")], "\n") + 1; err == nil || !strings.Contains(out, fmt.Sprintf("router.hcl:%d: plugin.guard.regex: deny.0.pattern: error parsing regexp", line)) {
		t.Errorf("%v\n%s", err, out)
	}
}
