package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, before := range files(t, "testdata/diff/*.before.hcl", 2) {
		t.Run(filepath.Base(before), func(t *testing.T) {
			t.Parallel()
			load := func(path string) *Config {
				c, err := read(t, path)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			from, to := load(before), load(strings.Replace(before, ".before.", ".after.", 1))
			var out bytes.Buffer
			for _, c := range Diff(from, to) {
				fmt.Fprintf(&out, "%s %s\n", c.Action, c.Block)
				for _, f := range c.Fields {
					fmt.Fprintf(&out, "    %s: %q -> %q\n", f.Name, f.From, f.To)
				}
			}
			for _, secret := range []string{"sk-", "Bearer", "the-secret", "cost_first"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("it tells a secret:\n%s", &out)
				}
			}
			golden(t, before, ".golden", out.Bytes())
			if again := Diff(from, load(before)); len(again) != 0 {
				t.Errorf("a configuration differs from itself: %+v", again)
			}
		})
	}
}

// A block and an attribute that are told of can be found in a file.
func TestDiffSpeaksAsAFileDoes(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks, attributes := map[string]bool{}, map[string]bool{}
	for _, name := range sources {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.(?:nested|single)\("([a-z_]+)"`).FindAllSubmatch(src, -1) {
			blocks[string(m[1])] = true
		}
		for _, m := range regexp.MustCompile(`\b\w*[bc]\.[a-zA-Z]+\("([a-z0-9_]+)"`).FindAllSubmatch(src, -1) {
			attributes[string(m[1])] = true
		}
	}
	for _, name := range []string{
		"price", // a block, of which there may be several
		"steps", // those of a pipeline, in their order
		"off",   // why a channel is, be it for its key or for enabled
		"lock",  // what plugins.lock.hcl says
	} {
		attributes[name] = true
	}
	for _, path := range []string{"testdata/diff/words.after.hcl", "testdata/valid/everything.hcl"} {
		c, err := read(t, path)
		if err != nil {
			t.Fatal(err)
		}
		told := c.blocks()
		for _, block := range told.order {
			for _, word := range regexp.MustCompile(`[a-z_]+(?: "|$)`).FindAllString(block, -1) {
				if word = strings.TrimSuffix(word, ` "`); !blocks[word] {
					t.Errorf("%s: no file has a block %s, as in %s", path, word, block)
				}
			}
			for name := range told.fields[block] {
				in, attribute, nested := strings.Cut(name, ".")
				if !nested {
					attribute = in
				}
				if in != "config" && (nested && !blocks[in] || !attributes[attribute]) {
					t.Errorf("%s: no file has %s in %s", path, name, block)
				}
			}
		}
	}
}

// What a change is called is what it is called in a file.
func TestDiffKnowsAttributesByTheirNames(t *testing.T) {
	t.Parallel()
	for goName, want := range map[string]string{
		"MaxInFlight": "max_in_flight", "BaseURL": "base_url", "TTL": "ttl", "ResponseTTL": "response_ttl",
		"SHA256": "sha256", "HTTP2": "http2", "DedupeN": "dedupe_n", "JSON": "json", "Any": "any",
	} {
		if got := snake(goName); got != want {
			t.Errorf("%s is %q, want %q", goName, got, want)
		}
	}
}
