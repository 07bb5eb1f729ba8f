package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestMistakesInALock(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "testdata/lock/errors/*.hcl", 6) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lock, err := parseLock(LockName, src, "/etc/smartrouter")
			if err == nil {
				t.Fatalf("no mistake found in %+v", lock)
			}
			golden(t, path, ".golden", []byte(err.Error()+"\n"))
		})
	}
}

func TestLockIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, LockName)
	if lock, err := ReadLock(path); lock != nil || err != nil {
		t.Fatalf("without a file: %v, %v", lock, err)
	}
	sum := func(digit string) string { return strings.Repeat(digit, 64) }
	lock := &Lock{}
	lock.Set(&LockedPlugin{Kind: sdk.KindSelector, Name: "old", Version: "0", Files: []LockedFile{{Path: "/x", SHA256: sum("9")}}})
	lock.Set(&LockedPlugin{Kind: sdk.KindSelector, Name: "old", Version: `1.0-"${x}"`, Files: []LockedFile{
		{Path: filepath.Join(dir, "bin", "a b"), SHA256: sum("0")}, {Path: "/usr/lib/mine.mjs", SHA256: sum("a")},
	}})
	lock.Set(&LockedPlugin{Kind: sdk.KindCache, Name: "new", Version: "2", Files: []LockedFile{{Path: filepath.Join(dir, "..x"), SHA256: sum("b")}}})
	if err := lock.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, lock) {
		t.Errorf("got %+v", got)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# What the plugins of router.hcl run", `file "bin/a b" {`, `file "/usr/lib/mine.mjs" {`, `file "..x" {`} {
		if !strings.Contains(string(src), want) {
			t.Errorf("no %s in\n%s", want, src)
		}
	}
	if formatted, err := Format(src); err != nil || string(formatted) != string(src) {
		t.Errorf("it is not formatted: %v\n%s", err, src)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What Load gives the plugins, and says of those that the lock leaves out.
func TestLoadReadsTheLockBeside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mine", "x")
	write("mine.js", "y")
	write("router.hcl", `
channel "demo" { provider = provider.demo }
plugin "selector" "mine" { command = ["./mine", "-q", "`+dir+`/mine.js", "`+dir+`/none"] }
plugin "prober" "other" { command = ["node", "x"] }
pipeline "default" {
  step "health" { run = plugin.prober.other }
  step "choose" { run = plugin.selector.mine }
  step "call" { run = provider.adapter }
}
`)
	find := func() (*Config, *Plugin) {
		t.Helper()
		c, err := Load(filepath.Join(dir, "router.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Plugins {
			if p.Name == "mine" {
				return c, p
			}
		}
		t.Fatal("no plugin mine")
		return nil, nil
	}
	c, p := find()
	if p.Lock != nil || len(c.Warnings) > 0 {
		t.Errorf("without a lock: %+v, %v", p.Lock, c.Warnings)
	}
	if want := []string{filepath.Join(dir, "mine"), filepath.Join(dir, "mine.js")}; !reflect.DeepEqual(p.Files(), want) {
		t.Errorf("files are %v", p.Files())
	}
	before := p.Hash
	write(LockName, `
plugin "selector" "mine" {
  version = "1"
  file "mine" { sha256 = "`+strings.Repeat("0", 64)+`" }
}
`)
	c, p = find()
	if p.Lock.SHA256(filepath.Join(dir, "mine")) != strings.Repeat("0", 64) || p.Lock.SHA256(filepath.Join(dir, "mine.js")) != "" {
		t.Errorf("the lock says %+v", p.Lock)
	}
	if p.Hash == before {
		t.Error("a reload would not see that it was pinned")
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(strings.Split(c.Warnings.Error(), "\n")[0],
		`plugin "prober" "other" is not in plugins.lock.hcl; pin it: smartrouter plugin install`) {
		t.Errorf("warnings are %v", c.Warnings)
	}
	write(LockName, "plugin {")
	if _, err := Load(filepath.Join(dir, "router.hcl")); err == nil || !strings.Contains(err.Error(), LockName+":1: ") {
		t.Errorf("a broken lock: %v", err)
	}
}
