package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile(`Test[A-Z]\w*`)
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	ourPath  = regexp.MustCompile("`((?:core|plugins|sdk)/[^`]*)`")
)

// Each promise of docs/seed.md names a test that is there, and a place that
// is. Another table of that document has no column of tests.
func TestSeedTable(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/seed.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOfRepository(t)
	column, rows := -1, 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 2 {
			column = -1
			continue
		}
		if column < 0 {
			for i, c := range cells {
				if strings.TrimSpace(c) == "Tests" {
					column = i
				}
			}
			if column < 0 {
				column = len(cells) // a table of something else
			}
			continue
		}
		if column >= len(cells) || strings.HasPrefix(cells[0], "---") {
			continue
		}
		rows++
		named := testName.FindAllString(cells[column], -1)
		if len(named) == 0 {
			t.Errorf("no test for%s", cells[0])
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("%s, of%s, is no test of this repository", name, cells[0])
			}
		}
		for _, m := range ourPath.FindAllStringSubmatch(line, -1) {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Error(err)
			}
		}
	}
	const promises = 16 // of the predecessor, that are built
	if rows < promises {
		t.Errorf("%d rows, %d promises are built", rows, promises)
	}
}

// testsOfRepository are the names of all its test functions.
func testsOfRepository(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(src, -1) {
			tests[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// Every fault of docs/faults.md names tests that are there.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOfRepository(t)
	rows := regexp.MustCompile(`(?m)^\| \d.*\|$`).FindAllString(string(doc), -1)
	const documented = 40
	if len(rows) < documented {
		t.Errorf("%d rows, %d are documented", len(rows), documented)
	}
	for _, row := range rows {
		named := testName.FindAllString(row, -1)
		if len(named) == 0 {
			t.Errorf("no test for %s", row)
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("%s is no test of this repository, in %s", name, row)
			}
		}
	}
}
