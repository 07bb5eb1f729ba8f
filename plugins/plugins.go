// Package plugins lists the first-party plugins. Each is a package of its own,
// plugins/<kind>/<name>, which imports sdk, and what its kind has in common, and
// exports New. They are part of the router's binary, which runs each as a process
// of its own:
//
//	smartrouter plugin serve selector/smart
package plugins

import (
	"maps"
	"slices"

	"github.com/smart-ai-router/smartrouter/plugins/adapter/anthropic"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/azure"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/bedrock"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/cohere"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/demo"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/gemini"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/ollama"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/openai"
	"github.com/smart-ai-router/smartrouter/plugins/adapter/vertex"
	"github.com/smart-ai-router/smartrouter/plugins/cache/local"
	"github.com/smart-ai-router/smartrouter/plugins/cache/redis"
	"github.com/smart-ai-router/smartrouter/plugins/guard/regex"
	"github.com/smart-ai-router/smartrouter/plugins/observer/jsonl"
	"github.com/smart-ai-router/smartrouter/plugins/prechecker/race"
	"github.com/smart-ai-router/smartrouter/plugins/prober/models"
	"github.com/smart-ai-router/smartrouter/plugins/selector/smart"
	"github.com/smart-ai-router/smartrouter/sdk"
)

var all = map[string]func() *sdk.Plugin{
	"adapter/anthropic": anthropic.New,
	"adapter/azure":     azure.New,
	"adapter/bedrock":   bedrock.New,
	"adapter/cohere":    cohere.New,
	"adapter/demo":      demo.New,
	"adapter/gemini":    gemini.New,
	"adapter/ollama":    ollama.New,
	"adapter/openai":    openai.New,
	"adapter/vertex":    vertex.New,
	"cache/local":       local.New,
	"cache/redis":       redis.New,
	"guard/regex":       regex.New,
	"observer/jsonl":    jsonl.New,
	"prechecker/race":   race.New,
	"prober/models":     models.New,
	"selector/smart":    smart.New,
}

// Lookup finds a plugin by kind and name, such as "selector/smart".
func Lookup(kindAndName string) (func() *sdk.Plugin, bool) {
	p, ok := all[kindAndName]
	return p, ok
}

// Names are the kinds and names of all plugins, in order.
func Names() []string { return slices.Sorted(maps.Keys(all)) }
