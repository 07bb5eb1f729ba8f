package formats

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
)

var update = flag.Bool("update", false, "write what the code says into docs/formats.md")

const page = "../../../docs/formats.md"

// rulesTable is the table of what becomes of each field at each format.
func rulesTable() string {
	var b strings.Builder
	b.WriteString("| asked for |")
	line := "|---|"
	for _, f := range All {
		if f.Out != nil {
			fmt.Fprintf(&b, " %s |", f.Title)
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
	for _, field := range hub.Fields() {
		fmt.Fprintf(&b, "| %s |", field)
		for _, f := range All {
			if f.Out == nil {
				continue
			}
			rule := f.Out.Rules[field]
			b.WriteString(" " + rule.How.String())
			if rule.Note != "" {
				b.WriteString(": " + rule.Note)
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// matrix says which client reaches which provider. Each cell is a test:
// TestEachFormatReachesEach in core/e2e.
func matrix() string {
	var b strings.Builder
	b.WriteString("| from \\ to |")
	line := "|---|"
	for _, out := range All {
		if out.Out != nil {
			fmt.Fprintf(&b, " %s |", out.Title)
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
	for _, in := range All {
		if in.In == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s |", in.Title)
		for _, out := range All {
			switch {
			case out.Out == nil:
			case in == out:
				b.WriteString(" untouched |")
			default:
				b.WriteString(" translated |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestDocsHaveTheTablesOfTheCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for mark, table := range map[string]string{"<!-- matrix -->\n": matrix(), "<!-- rules -->\n": rulesTable()} {
		end := []byte("<!-- end -->\n")
		before, rest, ok := bytes.Cut(want, []byte(mark))
		_, after, ended := bytes.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has lost its mark %s", page, mark)
		}
		want = bytes.Join([][]byte{before, []byte(mark), []byte(table), end, after}, nil)
	}
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Errorf("the tables in %s are not what the code says: go test ./core/wire/formats -run Docs -update", page)
	}
}

func TestEachFormatHasARuleForEachField(t *testing.T) {
	t.Parallel()
	for _, f := range All {
		if f.Out == nil {
			continue
		}
		for _, field := range hub.Fields() {
			if f.Out.Rules[field].How == hub.Untold {
				t.Errorf("%s says nothing of %s", f.Name, field)
			}
		}
	}
}
