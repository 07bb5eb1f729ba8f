package smart

import (
	"strconv"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// plan cuts the ranking into tiers. The lease is left to the step.
func (s *selector) plan(rs []ranked, cs []sdk.Candidate, tokens int64, from origin) sdk.Plan {
	var p sdk.Plan
	picks := make([]sdk.Pick, len(rs))
	start := 0
	for i, r := range rs {
		c := &cs[r.index]
		picks[i] = sdk.Pick{Candidate: *c, Weight: c.Weight, Reason: s.reason(r, c, tokens, from)}
		if last := i == len(rs)-1; last || !s.equals(rs[start], rs[i+1]) {
			// The balance is left to the router: by weight where they differ.
			p.Tiers = append(p.Tiers, sdk.Tier{Picks: picks[start : i+1 : i+1]})
			start = i + 1
		}
	}
	return p
}

// equals: both may stand in the tier that first begins.
func (s *selector) equals(first, other ranked) bool {
	return first.group == other.group && first.band == other.band && first.score-other.score <= s.Tolerance
}

// reason says why a target stands where it does, such as "balanced 0.62:
// $0.26/M, 70b, ttft 210ms". It is written for the few targets of a plan only.
func (s *selector) reason(r ranked, c *sdk.Candidate, tokens int64, from origin) string {
	b := make([]byte, 0, 64)
	switch r.class() {
	case down:
		b = append(b, "down, "...)
	case misconfigured:
		b = append(b, "misconfigured, "...)
	case tooShort:
		b = append(b, "context of "...)
		b = strconv.AppendInt(b, c.ContextTokens, 10)
		b = append(b, " too short for "...)
		b = strconv.AppendInt(b, tokens, 10)
		b = append(b, " tokens, "...)
	case failing:
		b = append(b, "fails too often, "...)
	case able:
	}
	b = append(b, s.name...)
	b = append(b, ' ')
	b = strconv.AppendFloat(b, r.score, 'f', 2, 64)
	b = append(b, ':')
	facts := len(b)
	fact := func(text string) {
		if len(b) > facts {
			b = append(b, ',')
		}
		b = append(append(b, ' '), text...)
	}

	if km, ok := from.km(c.Channel); ok {
		fact("")
		b = strconv.AppendFloat(b, km, 'f', 0, 64)
		b = append(b, " km"...)
	}
	t := s.known.traitsOf(s, c)
	switch {
	case t.free:
		fact("free")
	case t.price >= 0:
		fact("$")
		b = strconv.AppendFloat(b, t.price, 'g', 3, 64)
		b = append(b, "/M"...)
	}
	if t.local {
		fact("local")
	}
	if t.billion > 0 {
		fact("")
		b = strconv.AppendFloat(b, t.billion, 'g', 3, 64)
		b = append(b, 'b')
	}
	if c.TTFT > 0 {
		fact("ttft ")
		b = append(b, c.TTFT.Round(time.Millisecond).String()...)
	}
	if c.ErrorRate > 0 {
		fact("errors ")
		b = strconv.AppendFloat(b, 100*c.ErrorRate, 'f', 0, 64)
		b = append(b, '%')
	}
	if len(b) == facts {
		b = b[:facts-1]
	}
	return string(b)
}
