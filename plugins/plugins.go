// Package plugins lists the first-party plugins, which are all in the one
// binary and run as processes of their own.
package plugins

import (
	"slices"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/demo"
	adapteropenai "github.com/smart-ai-router/smartrouter/plugins/adapter/openai"
	"github.com/smart-ai-router/smartrouter/plugins/cache/local"
	"github.com/smart-ai-router/smartrouter/plugins/prechecker/race"
	"github.com/smart-ai-router/smartrouter/plugins/prober/models"
	"github.com/smart-ai-router/smartrouter/plugins/selector/smart"
	"github.com/smart-ai-router/smartrouter/sdk"
)

var all = map[string]func() *sdk.Plugin{
	"adapter/demo":    demo.New,
	"adapter/openai":  adapteropenai.New,
	"cache/local":     local.New,
	"prechecker/race": race.New,
	"prober/models":   models.New,
	"selector/smart":  smart.New,
}

// Lookup finds a plugin by kind/name.
func Lookup(name string) (build func() *sdk.Plugin, ok bool) {
	build, ok = all[name]
	return build, ok
}

// Names of all, sorted.
func Names() []string {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
