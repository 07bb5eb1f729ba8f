package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestSumIsThatOfTheProgramThatRuns(t *testing.T) {
	t.Parallel()
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	own := sha256.Sum256(exe)
	want := hex.EncodeToString(own[:])
	c := newCatalog(t)
	ours := &config.Plugin{Kind: sdk.KindCache, Name: "echo", Builtin: "echo", StartTimeout: 10 * time.Second}
	set := load(t, c, command(t, sdk.KindCache, "plugin", "serve", "cache/echo"), ours)
	for _, i := range set.Plugins() {
		if got := i.SHA256(); got != want {
			t.Errorf("%s: sha256 is %q, want %s", i.address, got, want)
		}
	}
}

func TestSumOfSeveralFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program, script := write("program", "one"), write("main.js", "two")
	later := time.Now().Add(time.Minute)
	alone := sumOf(&config.Plugin{Command: []string{program, "--fast"}}, later)
	one := sha256.Sum256([]byte("one"))
	if alone != hex.EncodeToString(one[:]) {
		t.Errorf("one file: %s", alone)
	}
	both := &config.Plugin{Command: []string{program, script}}
	before := sumOf(both, later)
	write("main.js", "three")
	if after := sumOf(both, later); before == alone || after == before || len(after) != 64 || strings.Contains(after, alone) {
		t.Errorf("sums %s, %s and %s; want three different ones", alone, before, after)
	}
	if got := sumOf(both, time.Now().Add(-time.Minute)); got != "" {
		t.Errorf("a file that was changed after the start has the sum %s", got)
	}
	if got := sumOf(&config.Plugin{Command: []string{filepath.Join(dir, "gone")}}, later); got != "" {
		t.Errorf("a file that is gone has the sum %s", got)
	}
}
