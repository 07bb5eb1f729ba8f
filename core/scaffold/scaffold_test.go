package scaffold

import (
	"bytes"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestEveryKindHasATemplateInGo(t *testing.T) {
	t.Parallel()
	if got := Kinds("go"); !slices.Equal(got, sdk.Kinds) {
		t.Errorf("templates of %v, kinds %v", got, sdk.Kinds)
	}
	if got, want := Kinds("node"), []sdk.Kind{sdk.KindSelector, sdk.KindPrechecker}; !slices.Equal(got, want) {
		t.Errorf("templates in node of %v, want %v", got, want)
	}
}

// A useful selector of more lines is a defect of the SDK.
func TestSelectorsAreShort(t *testing.T) {
	t.Parallel()
	const most = 25
	examples, err := filepath.Glob("../../examples/selector/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(examples, "templates/go/selector/main.go") {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := linesOfCode(src); n > most {
			t.Errorf("%s has %d lines of code, want at most %d", path, n, most)
		}
	}
}

// linesOfCode are those with a token on them.
func linesOfCode(src []byte) int {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	lines := make(map[int]bool)
	for {
		pos, tok, _ := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		lines[file.Line(pos)] = true
	}
}

func TestGoVersionIsThatOfOurModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../go.mod")
	if err != nil || !bytes.Contains(text, []byte("\ngo "+goVersion+"\n")) {
		t.Errorf("go.mod has another version than %s (%v)", goVersion, err)
	}
}

func TestIsRelease(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v1.2.3": true, "v1.2.3-rc.1": true, "(devel)": false, "": false, "v1.2": false,
		"v0.0.0-20261127093000-0123456789ab": false, "v1.2.4-0.20261127093000-0123456789ab": false, "v1.2.3+dirty": false,
	} {
		if got := IsRelease(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// A release is named by its version. What it needs is fetched, which fails for
// one that is not there; the project stays, and says what it wants.
func TestModuleOfARelease(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	p := Project{Kind: sdk.KindSelector, Name: "mine", Language: "go", Dir: filepath.Join(t.TempDir(), "mine")}
	if _, err := p.Write(); err != nil {
		t.Fatal(err)
	}
	err := p.Module(t.Context(), SDK{Version: "v1.2.3"})
	if err == nil || !strings.Contains(err.Error(), "go mod tidy in "+p.Dir) {
		t.Errorf("got %v", err)
	}
	text, err := os.ReadFile(filepath.Join(p.Dir, "go.mod"))
	if err != nil || !strings.Contains(string(text), "require "+modulePath+" v1.2.3\n") || strings.Contains(string(text), "replace") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestSourceIsFoundFromBelow(t *testing.T) {
	t.Parallel()
	want, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, places := range [][]string{{"."}, {t.TempDir(), "templates/go"}, {"../.."}, {"not/there"}} {
		if got, err := FindSource(places...); err != nil || got != want {
			t.Errorf("%v: %s, %v", places, got, err)
		}
	}
	if got, err := FindSource(t.TempDir()); err == nil || !strings.Contains(err.Error(), "--sdk") {
		t.Errorf("%s, %v", got, err)
	}
}
