package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

const (
	modulePath = "github.com/smart-ai-router/smartrouter"
	// goVersion is that of our own go.mod.
	goVersion = "1.26.0"
)

// SDK is what a Go project is built against: a release, or a folder with the
// source where the router is no release.
type SDK struct {
	Version string
	Source  string
}

var (
	release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`) })
	// pseudo is what the go command makes of a commit that has no tag.
	pseudo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\d{14}-[0-9a-f]{12}$`) })
)

// IsRelease reports whether a version can be fetched by its name.
func IsRelease(version string) bool {
	return release().MatchString(version) && !pseudo().MatchString(version)
}

// FindSource is the folder of our module that a place is in, or below: the
// first of the places that is in one.
func FindSource(places ...string) (string, error) {
	for _, place := range places {
		dir, err := filepath.Abs(place)
		if err != nil {
			return "", err
		}
		for !isSource(dir) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
		if isSource(dir) {
			return dir, nil
		}
	}
	return "", errors.New("this smartrouter is no release, and the source that it was built from is not found: name its folder by --sdk PATH")
}

func isSource(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return err == nil && strings.TrimSpace(string(first)) == "module "+modulePath
}

// Module makes the project a Go module that is built against the SDK. Where it
// fails the project is there, and its go.mod says what is wanted.
func (p *Project) Module(ctx context.Context, s SDK) error {
	if s.Source != "" && !isSource(s.Source) {
		return fmt.Errorf("%s is not the source of Smart AI Router: its go.mod has another module, or none", s.Source)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo %s\n\nrequire %s ", p.Name, goVersion, modulePath)
	if s.Source == "" {
		fmt.Fprintf(&b, "%s\n", s.Version)
	} else {
		source, err := filepath.Abs(s.Source)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "v0.0.0\n\n// Not a release: the source that the router was built from.\nreplace %s => %s\n", modulePath, quoteIfNeeded(source))
		// What it was built with is known to be good, and need not be asked for.
		sums, err := os.ReadFile(filepath.Join(source, "go.sum"))
		if err == nil {
			err = os.WriteFile(filepath.Join(p.Dir, "go.sum"), sums, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "go.mod"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir = p.Dir
	out, err := tidy.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("there is no go in PATH: install Go %s or newer, then run go mod tidy in %s", goVersion, p.Dir)
	case err != nil:
		return fmt.Errorf("go mod tidy in %s: %w\n%s", p.Dir, err, bytes.TrimSpace(out))
	}
	return nil
}

// quoteIfNeeded is a path as go.mod has it.
func quoteIfNeeded(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},") || strings.Contains(path, "//") {
		return fmt.Sprintf("%q", path)
	}
	return path
}
