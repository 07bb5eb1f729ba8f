package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the golden files should be")

// env is what files in testdata find in the environment.
func env(name string) (string, bool) {
	v, ok := map[string]string{
		"TEST_API_KEY": "sk-from-the-environment",
		"TEST_EMPTY":   "",
		"TEST_HOST":    "llm.example.com",
	}[name]
	return v, ok
}

// golden compares got with the file beside path that has the extension ext.
func golden(t *testing.T, path, ext string, got []byte) {
	t.Helper()
	name := strings.TrimSuffix(path, filepath.Ext(path)) + ext
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nand should be\n%s", name, got, want)
	}
}

// read parses a file under its last name, as if it lay in this folder.
func read(t *testing.T, path string) (*Config, error) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(filepath.Base(path), src, WithEnv(env))
}

func files(t *testing.T, pattern string, atLeast int) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < atLeast {
		t.Fatalf("%s: %d files, want %d at least (%v)", pattern, len(paths), atLeast, err)
	}
	return paths
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "testdata/errors/*.hcl", 40) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			c, err := read(t, path)
			if err == nil {
				t.Fatalf("no mistake found in %+v", c)
			}
			golden(t, path, ".golden", []byte(err.Error()+"\n"))
		})
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "testdata/valid/*.hcl", 5) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			c, err := read(t, path)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, path, ".json", dump(t, c))
		})
	}
}

// dump is a Config as JSON, without what differs between runs and machines.
func dump(t *testing.T, c *Config) []byte {
	t.Helper()
	if len(c.Hash) != 32 {
		t.Errorf("hash is %q", c.Hash)
	}
	c.Hash = "HASH"
	for _, p := range c.Plugins {
		if len(p.Hash) != 32 {
			t.Errorf("hash of %s is %q", p.Address(), p.Hash)
		}
		p.Hash = "HASH"
	}
	js, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.ReplaceAll(js, []byte(dir), []byte("DIR")), '\n')
}
