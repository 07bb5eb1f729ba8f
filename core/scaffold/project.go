package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/smart-ai-router/smartrouter/sdk"
)

//go:embed templates
var templates embed.FS

// Languages that projects are written in.
var Languages = []string{"go", "node"}

// placeholder is the name of every template.
const placeholder = "plugin-name"

// Project is what is asked for.
type Project struct {
	Kind     sdk.Kind
	Name     string
	Language string
	// Dir is made. What is in it already is not touched: it has to be empty.
	Dir string
}

// Kinds that there is a template for.
func Kinds(language string) []sdk.Kind {
	var kinds []sdk.Kind
	for _, k := range sdk.Kinds {
		if _, err := templates.ReadDir(path.Join("templates", language, string(k))); err == nil {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// name is one that HCL, a folder and a program may have.
var name = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]*$`) })

func (p *Project) check() error {
	switch {
	case !slices.Contains(Languages, p.Language):
		return fmt.Errorf("no plugin is written in %q here, but in %s; for others see smartrouter plugin proto", p.Language, list(Languages))
	case !slices.Contains(sdk.Kinds, p.Kind):
		return fmt.Errorf("there is no kind %q; the kinds are %s", p.Kind, list(Kinds("go")))
	case !slices.Contains(Kinds(p.Language), p.Kind):
		return fmt.Errorf("a %s is written in go; in %s: %s", p.Kind, p.Language, list(Kinds(p.Language)))
	case !name().MatchString(p.Name) || p.Name == placeholder:
		return fmt.Errorf("%q is no name for a plugin: begin with a small letter, go on with small letters, digits, - and _", p.Name)
	}
	in, err := os.ReadDir(p.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(in) > 0 {
		return fmt.Errorf("%s is not empty: %s is in it; name another folder by --dir", p.Dir, in[0].Name())
	}
	return nil
}

func list[S ~string](words []S) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// Write writes the project but for its module, and answers the files' names.
func (p *Project) Write() ([]string, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, dir := range []string{"common", string(p.Kind)} {
		if err := p.collect(files, path.Join("templates", p.Language, dir)); err != nil {
			return nil, err
		}
	}
	if err := p.take(files, "templates", "gitignore"); err != nil {
		return nil, err
	}
	if p.Language != "go" {
		if err := contract(files, "proto"); err != nil {
			return nil, err
		}
	}
	return write(p.Dir, files)
}

// collect takes the files of one folder of templates; one that is not there
// has none.
func (p *Project) collect(files map[string][]byte, dir string) error {
	in, err := templates.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range in {
		if err := p.take(files, dir, f.Name()); err != nil {
			return err
		}
	}
	return err
}

func (p *Project) take(files map[string][]byte, dir, file string) error {
	text, err := templates.ReadFile(path.Join(dir, file))
	if err != nil {
		return err
	}
	to := strings.ReplaceAll(file, placeholder, p.Name)
	if to == "gitignore" {
		to = "." + to
	}
	if _, taken := files[to]; taken || to == "test.js" { // which node takes for a test
		return fmt.Errorf("%q is no name for this plugin: its file %s would be another one's; choose another name", p.Name, to)
	}
	files[to] = bytes.ReplaceAll(text, []byte(placeholder), []byte(p.Name))
	return nil
}

// write makes the folder and its files, in order. A script can be executed.
func write(dir string, files map[string][]byte) ([]string, error) {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(files[name], []byte("#!")) {
			mode = 0o755
		}
		if err := os.WriteFile(to, files[name], mode); err != nil {
			return nil, err
		}
	}
	return names, nil
}
