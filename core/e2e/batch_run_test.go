package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

func TestBatchRunByTheCommandLine(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "silent"), wall.Faults(wall.Silent().ForModel("silent")))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+twoCallers+"batch { grace = \"1ms\" }\n")
	key := "SMARTROUTER_API_KEY=sk-ann-0123456789abcdef"

	t.Run("to its end", func(t *testing.T) {
		file := write(t, "requests.jsonl", chatLines(50, "m"))
		said, err := commandWith(t, key, "batch", "run", file, "--base-url", r.URL, "--every", "20ms")
		stem := strings.TrimSuffix(file, ".jsonl")
		if err != nil || !strings.Contains(said, "50 completed, 0 failed") || !strings.Contains(said, "output: "+stem+".out.jsonl") || !strings.Contains(said, "50 of 50") {
			t.Fatalf("%v\n%s", err, said)
		}
		if out := linesOf(t, stem+".out.jsonl"); len(out) != 50 || out[49].CustomID != "line-49" {
			t.Errorf("%+v", out)
		}
	})
	t.Run("a mistake", func(t *testing.T) {
		file := write(t, "requests.jsonl", chatLines(1, "m")+chatLines(1, "m"))
		said, err := commandWith(t, key, "batch", "run", file, "--base-url", r.URL, "--every", "20ms")
		if err == nil || !strings.Contains(said, file+":2: custom_id: ") {
			t.Errorf("%v\n%s", err, said)
		}
	})
	t.Run("no key", func(t *testing.T) {
		said, err := commandWith(t, "X=", "batch", "run", write(t, "requests.jsonl", chatLines(1, "m")), "--base-url", r.URL)
		if err == nil || !strings.Contains(said, "API key") {
			t.Errorf("%v\n%s", err, said)
		}
	})
	t.Run("ctrl-c", func(t *testing.T) {
		file := write(t, "requests.jsonl", chatLines(2, "m")+strings.ReplaceAll(chatLines(2, "silent"), "line-", "silent-"))
		said := &log{}
		cmd := exec.Command(binary, "batch", "run", file, "--base-url", r.URL, "--every", "20ms", "--out", file+".done")
		cmd.Env = append(os.Environ(), key)
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait(t, "two are done", func() bool { return strings.Contains(said.String(), "2 of 4") })
		cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "cancelled, 2 completed, 2 failed") {
			t.Fatalf("%v\n%s", err, said)
		}
		if out := linesOf(t, file+".done"); len(out) != 2 {
			t.Errorf("%+v", out)
		}
		if bad := linesOf(t, file+".errors.jsonl"); len(bad) != 2 || bad[0].Error.Code != "batch_cancelled" {
			t.Errorf("%+v", bad)
		}
	})
}

func linesOf(t *testing.T, path string) []batchLine {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return parseLines(t, f)
}

// commandWith is cli with a variable in its environment.
func commandWith(t *testing.T, env string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
