package config

import (
	"bytes"
	"fmt"
	"path/filepath"
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
