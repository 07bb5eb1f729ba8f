package config

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// ReadBlock reads a file that holds what may stand in the config block of a
// plugin, and nothing else: for trying a plugin without a router. Of the Plugin
// only Decode and Explain are of use.
func ReadBlock(path string, kind sdk.Kind, name string, opts ...Option) (*Plugin, error) {
	o := options{env: os.LookupEnv}
	for _, opt := range opts {
		opt(&o)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	f := newFile(path, src)
	body, mistakes := parse(f)
	if err := mistakes.err(); err != nil {
		return nil, err
	}
	p := Defaults.Plugin
	p.Kind, p.Name = kind, name
	p.source = source{file: f, config: &hclsyntax.Block{Type: "config", Body: body}, eval: functions(o.env, dir, func(string) {})}
	return &p, nil
}
