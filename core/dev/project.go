package dev

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Project is a folder with a plugin in it.
type Project struct {
	dir string // absolute
	// builds: it is in Go. Else the plugin runs as it stands there.
	builds bool
}

// NewProject looks at a folder.
func NewProject(dir string) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(abs)
	if err != nil {
		return nil, err
	}
	p := &Project{dir: abs}
	p.builds = slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".go") })
	return p, nil
}

// Plugins are those of a configuration whose program is in the folder. There is
// at least one.
func (p *Project) Plugins(c *config.Config) ([]*config.Plugin, error) {
	var own []*config.Plugin
	for _, plugin := range c.Plugins {
		if len(plugin.Command) > 0 && p.has(plugin.Command[0]) {
			own = append(own, plugin)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("%s uses no plugin whose command is in %s; add a block such as\nplugin \"selector\" \"mine\" {\n  command = [%q]\n}\nand name it in a step", c.Path, p.dir, filepath.Join(p.dir, "mine"))
	}
	return own, nil
}

func (p *Project) has(path string) bool {
	rel, err := filepath.Rel(p.dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Build makes the plugins' programs. What the compiler says is the error. A
// program is replaced whole or not at all.
func (p *Project) Build(ctx context.Context, plugins []*config.Plugin) error {
	if !p.builds {
		return nil
	}
	built := make(map[string]bool)
	for _, plugin := range plugins {
		program := plugin.Command[0]
		if built[program] {
			continue
		}
		built[program] = true
		next := program + ".new"
		build := exec.CommandContext(ctx, "go", "build", "-o", next, ".")
		build.Dir = p.dir
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(said))
		}
		if err := os.Rename(next, program); err != nil {
			return err
		}
	}
	return nil
}

// Guests are where the plugins are found that their author started himself: one
// process serves all.
func Guests(plugins []*config.Plugin, at sdk.Reattach) map[string]sdk.Reattach {
	there := make(map[string]sdk.Reattach)
	for _, p := range plugins {
		there[p.Address()] = at
	}
	return there
}
