package server

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/batch"
)

// A new metric without a row in docs/metrics.md fails here, and so does a row
// of one that is no more.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := metricsAlone()
	m.Unlogged(func() uint64 { return 0 })
	m.Decisions(nil, nil)
	m.registry.MustRegister(&batchSnapshot{new(batch.Batches)})
	described := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(described)
	close(described)
	ours := make(map[string]bool)
	for d := range described {
		name, labels := nameOf(t, d.String())
		if !strings.HasPrefix(name, "smartrouter_") {
			continue // those of the process are client_golang's
		}
		ours[name] = true
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (.*?) ?\\|").FindSubmatch(docs)
		if row == nil {
			t.Errorf("docs/metrics.md has no row for %s", name)
		} else if got := string(row[1]); got != labels {
			t.Errorf("%s has the labels %q, and docs/metrics.md says %q", name, labels, got)
		}
	}
	if len(ours) < 40 {
		t.Errorf("found only %d metrics", len(ours))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(smartrouter_\\w+)`").FindAllSubmatch(docs, -1) {
		if !ours[string(row[1])] {
			t.Errorf("docs/metrics.md knows %s, and nobody else does", row[1])
		}
	}
}

var descriptor = regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([^}]*)\}`)

// nameOf is a metric's name and its labels, in the words of client_golang.
func nameOf(t *testing.T, d string) (name, labels string) {
	t.Helper()
	m := descriptor.FindStringSubmatch(d)
	if m == nil {
		t.Fatalf("can't read %s", d)
	}
	return m[1], strings.ReplaceAll(m[2], ",", ", ")
}
