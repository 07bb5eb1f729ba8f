package replay

import (
	"fmt"
	"strconv"
	"strings"
)

// Gate is what may change. Limits are percentages, such as "10%", or numbers;
// empty: no limit.
type Gate struct {
	// Different first targets, and different plans.
	Different, Order string
	// Cost and TTFT more than before.
	Cost, TTFT string
	// Failed requests that did not fail before.
	Failed string
	// Errors of the plugin.
	Errors string
	// BadLines among the records.
	BadLines string
}

// limit is a percentage of something, or a number.
type limit struct {
	value   float64
	percent bool
}

func parseLimit(s string) (limit, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || v != v {
		return limit{}, fmt.Errorf("%q is no limit; write one such as 10%% or 0", s)
	}
	return limit{v, percent}, nil
}

// check is one limit on one figure.
type check struct {
	name, limit string
	// share of all, from 0 to 1, and count; a change has only a share.
	share float64
	count float64
	// unknown: the records do not say.
	unknown, change bool
	what            string
}

func (g *Gate) checks(r *Report) []check {
	all := float64(max(1, r.Replayed+r.PluginErrors))
	none := r.Replayed == 0
	change := func(name, limit string, c Change, what string) check {
		share, ok := c.Share()
		return check{name: name, limit: limit, share: share, unknown: !ok, change: true, what: what}
	}
	lines := float64(r.Records + r.BadLines)
	return []check{
		{name: "--max-different", limit: g.Different, share: r.FirstShare, count: r.FirstShare * float64(r.Replayed), unknown: none, what: "requests to another first target"},
		{name: "--max-other-plans", limit: g.Order, share: r.OrderShare, count: float64(r.DifferentOrder), unknown: none, what: "other plans"},
		change("--max-cost", g.Cost, r.Cost, "more cost"),
		change("--max-ttft", g.TTFT, r.TTFT, "more time to the first token"),
		{name: "--max-failed", limit: g.Failed, share: float64(r.Failures.New) / max(1, float64(r.Replayed)), count: float64(r.Failures.New), unknown: none, what: "requests that fail and did not before"},
		{name: "--max-errors", limit: g.Errors, share: float64(r.PluginErrors) / all, count: float64(r.PluginErrors), unknown: none && r.PluginErrors == 0, what: "plugin errors"},
		{name: "--max-bad-lines", limit: g.BadLines, share: float64(r.BadLines) / max(1, lines), count: float64(r.BadLines), what: "bad lines"},
	}
}

// Check reads the limits, so that a wrong one shows before the replay.
func (g *Gate) Check() error {
	for _, c := range g.checks(&Report{}) {
		if c.limit == "" {
			continue
		}
		l, err := parseLimit(c.limit)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if c.change && !l.percent {
			return fmt.Errorf("%s: %q is no percentage; write one such as +5%%", c.name, c.limit)
		}
	}
	return nil
}

// Judge says which limits the report is over. What the records don't say is over
// any limit: a gate that judges nothing is to be seen.
func (g *Gate) Judge(r *Report) (over []string) {
	for _, c := range g.checks(r) {
		if c.limit == "" {
			continue
		}
		l, err := parseLimit(c.limit)
		const rounding = 1e-9
		switch {
		case err != nil:
			over = append(over, err.Error())
		case c.unknown:
			over = append(over, fmt.Sprintf("%s %s: no record says anything of it", c.name, c.limit))
		case l.percent && 100*c.share > l.value+rounding:
			over = append(over, fmt.Sprintf("%s %s: %.2f%% %s", c.name, c.limit, 100*c.share, c.what))
		case !l.percent && c.count > l.value+rounding:
			over = append(over, fmt.Sprintf("%s %s: %g %s", c.name, c.limit, c.count, c.what))
		}
	}
	return over
}
