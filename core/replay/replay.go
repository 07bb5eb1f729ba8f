package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// errRecord is for records that make no question.
var errRecord = errors.New("the record can't be asked about")

// Run replays the records of the files, in their order.
func Run(ctx context.Context, o Options, files []string) (*Report, error) {
	var listed listing
	if o.Config != nil {
		var err error
		if listed, err = models(files); err != nil {
			return nil, err
		}
	}
	s, err := start(ctx, o, listed)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	r := &run{subject: s, seen: make(sightings), report: &Report{}}
	for _, name := range files {
		err := each(name, func(d *decision.Decision, bad *decision.BadLine) error {
			if bad != nil {
				r.report.bad(name, bad)
				return nil
			}
			return r.record(ctx, name, d)
		})
		if err != nil {
			return nil, err
		}
	}
	r.report.finish()
	return r.report, nil
}

// each reads a file's records.
func each(name string, do func(*decision.Decision, *decision.BadLine) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := decision.NewReader(f)
	for {
		d, err := in.Next()
		var bad *decision.BadLine
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.As(err, &bad):
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := do(d, bad); err != nil {
			return err
		}
	}
}

// models that the records saw on each channel.
func models(files []string) (listing, error) {
	seen := make(listing)
	for _, name := range files {
		err := each(name, func(d *decision.Decision, _ *decision.BadLine) error {
			if d == nil {
				return nil
			}
			for i := range d.Candidates {
				c := &d.Candidates[i]
				if seen[c.Channel] == nil {
					seen[c.Channel] = make(map[string]sdk.ModelInfo)
				}
				m := sdk.ModelInfo{ContextTokens: c.ContextTokens}
				if c.InputPrice != nil && c.OutputPrice != nil {
					m.Price = sdk.Price{Known: true, Input: *c.InputPrice, Output: *c.OutputPrice}
				}
				seen[c.Channel][c.Model] = m
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// run is a replay under way.
type run struct {
	subject *subject
	seen    sightings
	report  *Report
}

// record asks about one record, and adds up what would change.
func (r *run) record(ctx context.Context, file string, d *decision.Decision) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	rep := r.report
	rep.Records++
	defer r.seen.see(d)
	switch {
	case d.Choice == nil || len(d.Candidates) == 0 || len(d.Choice.Tiers) == 0:
		rep.Undecided++
		return nil
	case d.Pinned != "":
		rep.Pinned++
		return nil
	}
	a, err := r.subject.ask(ctx, d)
	switch {
	case errors.Is(err, errRecord):
		rep.odd(file, d, err)
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if !a.nobody {
		rep.times = append(rep.times, a.took)
	}
	if err != nil {
		rep.failed(d, err)
		return nil
	}
	rep.Replayed++
	if d.Choice.Plugin == "" {
		rep.Unplanned++
	}
	before := d.Choice.Tiers
	diff := decision.Compare(before, a.tiers)
	rep.differ(d, diff, before, a.tiers)
	rep.Failures.add(r.lost(d), a.nobody || r.seen.lost(d, a.tiers),
		r.seen.firstFails(d, before), r.seen.firstFails(d, a.tiers))
	known := recorded(d)
	rep.Cost.add(before, a.tiers, known, a.candidates, cost(d.Outcome.Tokens))
	rep.TTFT.add(before, a.tiers, known, a.candidates, seconds)
	return nil
}

// lost tells whether the request failed in the record, for want of a target.
func (r *run) lost(d *decision.Decision) bool {
	return !d.Outcome.Complete && !d.Outcome.Left && d.Outcome.Status >= 500 || r.seen.lost(d, d.Choice.Tiers)
}

// add takes a record in where the figure is known of both choices.
func (c *Change) add(before, after []decision.Tier, was, is map[decision.Target]*figures, figure func(*figures) (float64, bool)) {
	b, ok := expect(before, was, figure)
	if !ok {
		return
	}
	a, ok := expect(after, is, figure)
	if !ok {
		return
	}
	c.Records++
	c.Before += b
	c.After += a
}

// percentile of sorted times.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
