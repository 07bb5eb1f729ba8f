package config

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// readSides reads which selectors a selector step has beside the one it runs.
func (l *loader) readSides(b *block, s *Step) {
	if b.has("shadow") {
		s.Shadow = l.other(b, "shadow", s)
	}
	found := b.nested("canary")
	if len(found) == 0 {
		return
	}
	c := b.single("canary")
	s.Canary = &Canary{}
	if c.required("run", "plugin.selector.smart") {
		s.Canary.Plugin = l.other(c, "run", s)
	} else {
		c.attribute("run")
	}
	c.required("percent", "5")
	c.number("percent", &s.Canary.Percent, fromZero)
	if s.Canary.Percent > 100 {
		c.problem("percent", c.at("percent"), problemf("write one from 0 to 100", "is more than the whole"))
	}
	c.text("by", (*string)(&s.Canary.By), splitting)
	c.done()
}

// other is a selector that is not the step's own.
func (l *loader) other(b *block, name string, s *Step) *Plugin {
	p := b.plugin(l.plugins, name, sdk.KindSelector)
	if p != nil && p == s.Plugin {
		b.problem(name, b.at(name), problemf("name another one, such as an instance of it with another config", "is the selector that the step runs"))
		return nil
	}
	return p
}

// splitting checks for a fact that is the same for all requests of a caller, or
// of a conversation.
func splitting(s string) *problem {
	const remedy = `write "key", "prefix", "region", "model" or one such as "header:x-team"`
	f, err := sdk.ParseFact(s)
	if err != nil {
		return problemf(remedy, "%s", strings.TrimPrefix(err.Error(), "fact "))
	}
	if name, ok := f.Header(); ok {
		return header(name)
	}
	switch f {
	case sdk.FactKey, sdk.FactPrefix, sdk.FactRegion, sdk.FactModel:
		return nil
	default:
		return problemf(remedy, "requests can't be split by %s: a caller's go now this way, now that", f)
	}
}
