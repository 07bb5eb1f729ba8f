package e2e

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var benchRow = regexp.MustCompile(`(?m)^\| ([a-z][^|]+) \|[^|]+\| [\d.]+ ms \| [\d.]+ ms \| (-?\d+) % \|`)

// The bench of what the predecessor claimed runs to its end, close by so that
// it is quick, and has a gain for each.
func TestBenchSeed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "run", "../bench/seed", "-smartrouter", binary, "-trip", "20ms", "-n", "2").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gains := make(map[string]int)
	for _, m := range benchRow.FindAllStringSubmatch(string(out), -1) {
		gains[m[1]], _ = strconv.Atoi(m[2])
	}
	for _, claim := range []string{"health checks", "failed requests", "selection", "connections", "repeats", "streams"} {
		found := false
		for name := range gains {
			found = found || strings.HasPrefix(name, claim)
		}
		if !found {
			t.Errorf("no row for %s in\n%s", claim, out)
		}
	}
	// How much time is gained depends on how busy the machine is; this does not.
	if !strings.Contains(string(out), "tokens generated: 80, 0") {
		t.Errorf("health checks cost tokens:\n%s", out)
	}
}
