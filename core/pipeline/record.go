package pipeline

import (
	"net/http"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Record is the choice for a decision record. It is made behind the request,
// which began at start; nil: no selector step was reached.
func (c *Choice) Record(start time.Time) *decision.Choice {
	if c.step == nil || c.Plan == nil {
		return nil
	}
	out := &decision.Choice{Step: c.step.cfg.Name, Source: c.Source, Tiers: c.Plan.record()}
	out.Side = c.Side
	if m := &c.Plan.made; !m.at.IsZero() {
		out.Plugin, out.PluginVersion, out.PluginSHA256 = m.by.program()
		out.Age, out.Asked = decision.Millis(max(0, start.Sub(m.at))), decision.Millis(m.took)
	}
	if c.shadow != nil {
		out.Shadow = c.step.shadow.record(c.shadow)
	}
	return out
}

// program is what runs, for records.
func (s *side) program() (address, version, sha256 string) {
	if s.SHA256 != nil {
		sha256 = s.SHA256()
	}
	return s.plugin.Address(), s.Manifest.Version, sha256
}

// record is what the shadow said, as far as that is known.
func (s *shadow) record(x *comparison) *decision.Shadow {
	out := decision.Shadow{Result: "pending"}
	if r := x.result.Load(); r != nil {
		out = *r
	}
	out.Plugin, out.PluginVersion, out.PluginSHA256 = s.program()
	return &out
}

// Candidates of the choice, as the selector was shown them; where none was
// asked, as they are now.
func (c *Choice) Candidates() []decision.Candidate {
	if c.Set == nil {
		return nil
	}
	live := c.Plan.made.live
	if len(live) != len(c.Set.Members) {
		live = liveOf(c.Set)
	}
	out := make([]decision.Candidate, len(live))
	for i, m := range c.Set.Members {
		l, t := &live[i], m.Target
		k := &out[i]
		*k = decision.Candidate{
			Channel: t.Channel.Config.Name, Provider: t.Channel.Info.Provider, Region: t.Channel.Info.Region, Tags: t.Channel.Info.Tags,
			Model: t.Model, Fallback: m.Fallback, Health: l.Health.String(), TTFT: decision.Millis(l.TTFT),
			ErrorRate: l.ErrorRate, InFlight: l.InFlight,
		}
		if view := c.Plan.made.view; view != nil {
			fixed := &view.Candidates[l.Ref]
			k.Priority, k.Weight, k.ContextTokens = fixed.Priority, fixed.Weight, fixed.ContextTokens
			k.InputPrice, k.OutputPrice = fixed.InputPrice, fixed.OutputPrice
		} else {
			k.Priority, k.Weight = t.Channel.Config.Priority, t.Channel.Config.Weight
			if p := t.Price; p != nil {
				k.InputPrice, k.OutputPrice = &p.Input, &p.Output
			}
		}
	}
	return out
}

// Headers are those of the request that the selector step allows.
func (c *Choice) Headers(h http.Header) map[string]string {
	if c.step == nil {
		return nil
	}
	var out map[string]string
	for _, name := range c.step.cfg.Headers {
		if v := h.Get(name); v != "" {
			if out == nil {
				out = make(map[string]string)
			}
			out[strings.ToLower(name)] = v
		}
	}
	return out
}

// record is the plan in names.
func (p *Plan) record() []decision.Tier {
	out := make([]decision.Tier, len(p.tiers))
	for i, t := range p.tiers {
		out[i] = decision.Tier{Balance: t.balance, Picks: make([]decision.Pick, len(t.picks))}
		for j, k := range t.picks {
			out[i].Picks[j] = decision.Pick{Channel: k.Channel.Config.Name, Model: k.Model, Weight: k.weight, Reason: k.reason}
		}
	}
	return out
}

// liveOf is how the members of a set do now.
func liveOf(set *board.Set) []host.Live {
	live := make([]host.Live, len(set.Members))
	for i, m := range set.Members {
		l := &live[i]
		l.Ref, l.Fallback = m.Ref, m.Fallback
		l.Health, l.TTFT, l.ErrorRate, l.InFlight = m.Live()
	}
	return live
}
