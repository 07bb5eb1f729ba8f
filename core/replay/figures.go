package replay

import (
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
)

// figures of a candidate, as far as they are known.
type figures struct {
	input, output *float64 // US dollars per million tokens
	ttft          time.Duration
}

// recorded are the figures of a record's candidates.
func recorded(d *decision.Decision) map[decision.Target]*figures {
	out := make(map[decision.Target]*figures, len(d.Candidates))
	for i := range d.Candidates {
		c := &d.Candidates[i]
		out[decision.Target{Channel: c.Channel, Model: c.Model}] = &figures{input: c.InputPrice, output: c.OutputPrice, ttft: time.Duration(c.TTFT)}
	}
	return out
}

// offered are the figures of the candidates in a question.
func offered(q *pipeline.Question) map[decision.Target]*figures {
	out := make(map[decision.Target]*figures, len(q.Live))
	for _, l := range q.Live {
		c := &q.Generation.Candidates[l.Ref]
		out[decision.Target{Channel: c.Channel.Name, Model: c.Model}] = &figures{input: c.InputPrice, output: c.OutputPrice, ttft: l.TTFT}
	}
	return out
}

// expect is the mean of a figure over the first tier, each target by its share
// of the requests; not ok: the figure of some target is not known.
func expect(tiers []decision.Tier, known map[decision.Target]*figures, figure func(*figures) (float64, bool)) (mean float64, ok bool) {
	if len(tiers) == 0 {
		return 0, false
	}
	for t, share := range decision.Shares(tiers[0]) {
		f := known[t]
		if f == nil {
			return 0, false
		}
		v, ok := figure(f)
		if !ok {
			return 0, false
		}
		mean += share * v
	}
	return mean, true
}

// cost of the tokens that the record counted, in US dollars.
func cost(u *decision.Tokens) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) {
		if u == nil || f.input == nil || f.output == nil {
			return 0, false
		}
		const million = 1e6
		return (float64(u.Input)**f.input + float64(u.Output)**f.output) / million, true
	}
}

func seconds(f *figures) (float64, bool) { return f.ttft.Seconds(), f.ttft > 0 }

// sightings are how the last try at each target ended, as the records come.
type sightings map[decision.Target]sighting

type sighting struct {
	at     time.Time
	failed bool
}

// remembered is how long a try says something of its target.
const remembered = 10 * time.Second

// see takes the tries of a record in.
func (s sightings) see(d *decision.Decision) {
	for i := range d.Attempts {
		a := &d.Attempts[i]
		end := d.Time.Add(time.Duration(a.Start + a.Duration))
		if t := (decision.Target{Channel: a.Channel, Model: a.Model}); !end.Before(s[t].at) {
			s[t] = sighting{end, a.Class != "ok"}
		}
	}
}

// failing tells whether a target failed at that time: in the request itself, or
// when it was tried last before.
func (s sightings) failing(d *decision.Decision, t decision.Target) bool {
	failed, tried := false, false
	for i := range d.Attempts {
		if a := &d.Attempts[i]; a.Channel == t.Channel && a.Model == t.Model {
			failed, tried = a.Class != "ok", true
		}
	}
	if tried {
		return failed
	}
	last, ok := s[t]
	return ok && last.failed && d.Time.Sub(last.at) <= remembered
}

// lost tells whether every target of a plan was failing.
func (s sightings) lost(d *decision.Decision, tiers []decision.Tier) bool {
	for _, t := range tiers {
		for _, p := range t.Picks {
			if !s.failing(d, decision.Target{Channel: p.Channel, Model: p.Model}) {
				return false
			}
		}
	}
	return true
}

// firstFails is the share of such requests whose first try would fail.
func (s sightings) firstFails(d *decision.Decision, tiers []decision.Tier) (share float64) {
	if len(tiers) == 0 {
		return 1
	}
	for t, part := range decision.Shares(tiers[0]) {
		if s.failing(d, t) {
			share += part
		}
	}
	return share
}
