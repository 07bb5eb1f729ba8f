package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// block is a fenced part of the README with its language, and what stands
// behind it: ```sh, ```hcl title=router.hcl.
var block = regexp.MustCompile("(?ms)^```(\\S+)([^\n]*)\n(.*?)^```$")

// A shell block is run as it stands, in a copy of the repository, one after
// the other. One that begins with `make run` or ends with & goes on in the
// background until the next such block. An hcl or go block with a title is
// written to that file. A block of text behind a shell block, with the
// language "text", shows what it prints: each of its lines that has no
// figures in it must be in the output.
func TestREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := copyOfRepository(t)
	var server *exec.Cmd
	serverLog := &log{}
	stop := func() {
		if server != nil {
			syscall.Kill(-server.Process.Pid, syscall.SIGTERM)
			server.Wait()
			server = nil
		}
	}
	defer stop()
	var last string
	blocks := block.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d blocks in the README", len(blocks))
	}
	for _, b := range blocks {
		language, title, text := b[1], title(b[2]), b[3]
		switch {
		case title != "":
			path := filepath.Join(dir, title)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		case language == "sh" && (strings.HasPrefix(text, "make run") || strings.HasSuffix(strings.TrimSpace(text), "&")):
			stop()
			server = shell(context.Background(), dir, strings.TrimSuffix(strings.TrimSpace(text), "&"))
			server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			server.Stdout, server.Stderr = serverLog, serverLog
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(runLimit) // it builds first
			for !answers("http://127.0.0.1:7601/readyz") {
				if time.Now().After(deadline) {
					t.Fatalf("nothing at port 7601 after:\n%s%s", text, serverLog)
				}
				time.Sleep(50 * time.Millisecond) // between two looks
			}
		case language == "sh" && !strings.Contains(text, "make test") && !strings.Contains(text, "make bench"):
			ctx, cancel := context.WithTimeout(t.Context(), runLimit)
			out, err := shell(ctx, dir, text).CombinedOutput()
			cancel()
			if err != nil {
				t.Fatalf("%v\n%s\n%s\nthe server said:\n%s", err, text, out, serverLog)
			}
			last = string(out)
		case language == "text":
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(line)
				if line != "" && !strings.ContainsAny(line, "0123456789…") && !strings.Contains(last, line) {
					t.Errorf("the README shows %q, which is not in:\n%s", line, last)
				}
			}
		}
	}
}

func title(rest string) string {
	_, t, _ := strings.Cut(rest, "title=")
	return strings.TrimSpace(t)
}

func shell(ctx context.Context, dir, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = dir
	return cmd
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// copyOfRepository has what git knows or would add, and nothing else: what a
// fresh clone has.
func copyOfRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	names, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		from := filepath.Join("../..", string(name))
		info, err := os.Stat(from)
		if err != nil {
			continue // deleted and not committed yet
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, string(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
