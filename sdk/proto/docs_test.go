package proto_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/proto"
)

var update = flag.Bool("update", false, "write docs/plugins.md anew")

const (
	docsPath = "../../docs/plugins.md"
	heading  = "## The contract\n"
	// common is what all kinds have.
	common = "plugin.proto"
)

// The end of docs/plugins.md is the contract, as the .proto files say it.
func TestDocsHaveTheContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	before, now, _ := strings.Cut(string(text), heading)
	want := contract(t)
	if now == want {
		return
	}
	if !*update {
		t.Fatalf("docs/plugins.md has another contract than the .proto files: go test ./sdk/proto -update")
	}
	if err := os.WriteFile(docsPath, []byte(before+heading+want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every kind and every fact is told of.
func TestDocsNameEveryKindAndFact(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range sdk.Kinds {
		if !strings.Contains(string(text), "\n| `"+string(k)+"` |") {
			t.Errorf("docs/plugins.md does not say what a %s decides", k)
		}
	}
	for _, f := range sdk.Facts {
		if !strings.Contains(string(text), "| `"+string(f)+"` |") {
			t.Errorf("docs/plugins.md does not say what the fact %s is", f)
		}
	}
	for _, env := range []string{sdk.EnvLifeline, sdk.EnvLogLevel, sdk.CookieKey, sdk.CookieValue} {
		if !strings.Contains(string(text), "`"+env+"`") {
			t.Errorf("docs/plugins.md does not name %s", env)
		}
	}
}

func contract(t *testing.T) string {
	t.Helper()
	names, err := fs.Glob(proto.Files, "*.proto")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\nWritten from the files in [sdk/proto](../sdk/proto). Numbers of fields are there.\n")
	sections := []string{common}
	for _, k := range sdk.Kinds {
		sections = append(sections, string(k)+".proto")
	}
	sections = append(sections, "upstream.proto")
	if len(sections) != len(names) {
		t.Errorf("%d files %v, %d sections %v", len(names), names, len(sections), sections)
	}
	for _, name := range sections {
		text, err := proto.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range structures(string(text)) {
			s.write(&b)
		}
	}
	return b.String()
}

// structure is a service, a message or an enum, with the comment before it.
type structure struct {
	what, name string
	doc        string
	rows       [][2]string // name and type, or call; and the comment
}

var (
	opening = regexp.MustCompile(`^(service|message|enum) (\w+) \{(.*)$`)
	call    = regexp.MustCompile(`^rpc (\w+)\((\w+)\) returns \((\w+)\);`)
	field   = regexp.MustCompile(`^((?:repeated |optional )?[\w.]+|map<[\w, ]+>) (\w+) = \d+;`)
	value   = regexp.MustCompile(`^([A-Z_0-9]+) = \d+;`)
	imports = regexp.MustCompile(`google\.protobuf\.`)
)

func structures(text string) (all []structure) {
	var now *structure
	comment := ""
	take := func() string {
		c := comment
		comment = ""
		return c
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := opening.FindStringSubmatch(line); m != nil {
			all = append(all, structure{what: m[1], name: m[2], doc: take()})
			now = &all[len(all)-1]
			if line = strings.TrimSpace(strings.TrimSuffix(m[3], "}")); line == "" {
				continue
			}
		}
		switch c, isComment := strings.CutPrefix(line, "//"); {
		case isComment:
			comment = strings.TrimSpace(comment + " " + strings.TrimSpace(c))
			continue
		case now == nil:
		case call.MatchString(line):
			m := call.FindStringSubmatch(line)
			now.rows = append(now.rows, [2]string{fmt.Sprintf("`%s` | `%s` | `%s`", m[1], m[2], m[3]), take()})
		case field.MatchString(line):
			m := field.FindStringSubmatch(line)
			now.rows = append(now.rows, [2]string{fmt.Sprintf("`%s` | %s", m[2], imports.ReplaceAllString(m[1], "")), take()})
		case value.MatchString(line):
			now.rows = append(now.rows, [2]string{"`" + value.FindStringSubmatch(line)[1] + "`", take()})
		}
		comment = ""
	}
	return all
}

var markdown = strings.NewReplacer("|", `\|`, "<", `\<`)

func (s *structure) write(b *strings.Builder) {
	if len(s.rows) == 0 {
		return
	}
	head := map[string]string{"service": "| call | asked with | answered with | |\n|---|---|---|---|\n", "message": "| field | type | |\n|---|---|---|\n", "enum": "| value | |\n|---|---|\n"}
	level := "####"
	if s.what == "service" {
		level = "###"
	}
	fmt.Fprintf(b, "\n%s %s %s\n\n", level, strings.ToUpper(s.what[:1])+s.what[1:], s.name)
	if s.doc != "" {
		fmt.Fprintf(b, "%s\n\n", s.doc)
	}
	b.WriteString(head[s.what])
	for _, r := range s.rows {
		fmt.Fprintf(b, "| %s | %s |\n", r[0], markdown.Replace(r[1]))
	}
}
