package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// A new attribute without a line in docs/configuration.md fails here.
func TestEveryAttributeIsDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	// Attributes are read as b.duration("timeout", ...).
	read := regexp.MustCompile(`\b\w*b\.[a-zA-Z]+\("([a-z0-9_]+)"`)
	seen := map[string]bool{}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read.FindAllSubmatch(src, -1) {
			seen[string(m[1])] = true
		}
	}
	if len(seen) < 60 {
		t.Fatalf("found only %d attributes in the sources: %v", len(seen), seen)
	}
	for name := range seen {
		if !regexp.MustCompile("`[^`]*\\b" + name + "\\b").Match(docs) {
			t.Errorf("docs/configuration.md says nothing of %s", name)
		}
	}
}

// The examples of docs/configuration.md are one valid file together.
func TestExamplesOfTheDocsAreValid(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```$").FindAllSubmatch(docs, -1) {
		all.Write(m[1])
		all.WriteByte('\n')
	}
	none := func(string) (string, bool) { return "", false }
	if _, err := config.Parse("configuration.hcl", []byte(all.String()), config.WithEnv(none)); err != nil {
		t.Errorf("%v\nin\n%s", err, all.String())
	}
}
