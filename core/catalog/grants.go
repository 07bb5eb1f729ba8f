package catalog

import (
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Grants of a plugin: what its manifest asks for against what its configuration
// gives. What one of the two does not name is not there for the plugin.
type Grants struct {
	// Given are both asked for and granted.
	Given []string
	// Denied are asked for and not granted, Unasked granted and not asked for.
	Denied, Unasked []string
}

func grantsOf(m sdk.Manifest, p *config.Plugin) (g Grants) {
	for _, need := range m.Needs {
		if slices.Contains(p.Grants, need) {
			g.Given = append(g.Given, need)
		} else {
			g.Denied = append(g.Denied, need)
		}
	}
	for _, grant := range p.Grants {
		if !slices.Contains(m.Needs, grant) {
			g.Unasked = append(g.Unasked, grant)
		}
	}
	return g
}

// tell says at an instance's first start what does not fit. The plugin starts all the
// same: what it can't do without a grant, it knows best, and it can refuse.
func (i *Instance) tell(g Grants) {
	if len(g.Denied) > 0 {
		level := hclog.Info
		if i.upstream.plugin.Load().Kind == sdk.KindGuard { // which then lets pass what it does not see
			level = hclog.Warn
		}
		i.log.Log(level, "plugin needs what it is not granted, and goes without", "needs", g.Denied)
	}
	if len(g.Unasked) > 0 {
		i.log.Warn("plugin is granted what it does not ask for, and does not get it", "grants", g.Unasked)
	}
}

// with is the channel as the process may see it: with its credential where that
// is granted.
func (l *life) with(i *Instance, c sdk.Channel) sdk.Channel {
	c.Secret = ""
	if secret := i.catalog.options.Secret; secret != nil && slices.Contains(l.grants.Given, sdk.NeedSecret) {
		c.Secret = secret(c.Name)
	}
	return c
}
