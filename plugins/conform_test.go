package plugins

import (
	"os"
	"testing"

	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// Each keeps the contract, by the lane and by unary calls. One after the other:
// side by side they would measure each other.
func TestEachKeepsTheContract(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Those that can't do without a config, and mistakes that only they can see.
	configs := map[string]func(*testing.T) plugintest.Config{
		"cache/redis": func(t *testing.T) plugintest.Config {
			return plugintest.Config{"url": redistest.Start(t).URL, "call_timeout": "10s"}
		},
		"guard/regex": func(*testing.T) plugintest.Config {
			return plugintest.Config{
				"deny": []any{plugintest.Config{"name": "bombs", "pattern": "bomb"}},
				"mask": []any{plugintest.Config{"name": "cards", "pattern": "[0-9]{4}( [0-9]{4}){3}", "with": "[card]"}},
			}
		},
		"adapter/demo": func(*testing.T) plugintest.Config { return plugintest.Config{"delay": "0s"} },
	}
	mistakes := map[string][]plugintest.Option{
		"selector/smart": {
			plugintest.Mistake("strategy", plugintest.Config{"strategy": "by luck"}),
			plugintest.Mistake("max_error_rate", plugintest.Config{"max_error_rate": 7}),
		},
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			config := plugintest.Config{}
			if c := configs[name]; c != nil {
				config = c(t)
			}
			plugintest.ConformCommand(t, []string{self, name}, config, mistakes[name]...)
		})
	}
}
