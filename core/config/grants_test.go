package config

import (
	"slices"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestGrantsOfOurPlugins(t *testing.T) {
	t.Parallel()
	const pipeline = `
pipeline "default" {
  step "health" { run = plugin.prober.mine }
  step "choose" { run = plugin.selector.smart }
  step "call"   { run = provider.adapter }
}`
	tests := []struct {
		name, hcl, plugin string
		want              []string
	}{
		{name: "predeclared", plugin: "plugin.prober.models", want: []string{sdk.NeedBilledCalls}},
		{name: "one that asks for none", plugin: "plugin.selector.smart"},
		{
			name: "a block that says nothing of them", plugin: "plugin.prober.models", want: []string{sdk.NeedBilledCalls},
			hcl: `plugin "prober" "models" { upstream_rate = 5 }`,
		},
		{name: "a block that takes them away", plugin: "plugin.prober.models", hcl: `plugin "prober" "models" { grants = [] }`},
		{
			name: "another instance", plugin: "plugin.prober.mine", want: []string{sdk.NeedBilledCalls},
			hcl: `plugin "prober" "mine" { use = plugin.prober.models }` + pipeline,
		},
		{
			name: "a guard", plugin: "plugin.guard.regex", want: []string{sdk.NeedPrompt},
			hcl: `plugin "guard" "regex" {
  config {}
}
pipeline "default" {
  step "patterns" { run = plugin.guard.regex }
  step "choose" { run = plugin.selector.smart }
  step "call"   { run = provider.adapter }
}`,
		},
		{name: "a stranger", plugin: "plugin.prober.mine", hcl: `plugin "prober" "mine" { command = ["mine"] }` + pipeline},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse("router.hcl", []byte(tt.hcl+"\nchannel \"demo\" { provider = provider.demo }\n"))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(c.Plugins, func(p *Plugin) bool { return p.Address() == tt.plugin })
			if i < 0 {
				t.Fatalf("%s is not in use", tt.plugin)
			}
			if got := c.Plugins[i].Grants; !slices.Equal(got, tt.want) {
				t.Errorf("grants %v, want %v", got, tt.want)
			}
		})
	}
}
