package replay

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
)

// Report is what would change. Shares are from 0 to 1.
type Report struct {
	// Records that were read, and what became of them: Replayed ones have a choice
	// to compare with. Undecided ones came to no choice, as the cache answered or
	// the model is unknown; Pinned ones had none.
	Records   int `json:"records"`
	Replayed  int `json:"replayed"`
	Undecided int `json:"undecided"`
	Pinned    int `json:"pinned"`
	// Unplanned of the replayed were decided without the plugin, which had failed.
	Unplanned int `json:"unplanned"`
	// BadLines hold no record of this version, or one that can't be asked about.
	BadLines int `json:"bad_lines"`
	// Bad names the first of them.
	Bad []string `json:"bad,omitempty"`

	// DifferentFirst requests have another first tier, and FirstShare of all would
	// go to another target first. DifferentOrder have another plan, be it in a
	// later tier.
	DifferentFirst int     `json:"different_first"`
	FirstShare     float64 `json:"first_share"`
	DifferentOrder int     `json:"different_order"`
	OrderShare     float64 `json:"order_share"`
	// Examples of the former.
	Examples []Example `json:"examples,omitempty"`

	// Cost in US dollars, of the records' tokens at the candidates' prices, and
	// TTFT in seconds, by the candidates' averages: of the targets chosen first,
	// each by its share of the requests.
	Cost Change `json:"cost_dollars"`
	TTFT Change `json:"ttft_seconds"`

	Failures Failures `json:"failures"`

	// PluginErrors are calls without a plan, Errors the first of them.
	PluginErrors int      `json:"plugin_errors"`
	Errors       []string `json:"errors,omitempty"`
	// Time of the calls.
	Time Times `json:"plugin_seconds"`

	times []time.Duration
}

// Example is a request that would go elsewhere.
type Example struct {
	ID     string          `json:"id"`
	Model  string          `json:"model"`
	Before []decision.Tier `json:"before"`
	After  []decision.Tier `json:"after"`
}

// Change of a figure that is known of both choices, of so many records, and
// their sums.
type Change struct {
	Records int     `json:"records"`
	Before  float64 `json:"before"`
	After   float64 `json:"after"`
}

// Share is how much more it would be, such as 0.05 for 5 %; not ok: nothing is
// known.
func (c Change) Share() (share float64, ok bool) {
	switch {
	case c.Records == 0:
		return 0, false
	case c.Before == 0:
		return 0, c.After == 0
	}
	return c.After/c.Before - 1, true
}

// Failures are by the targets that failed in the records at that time.
type Failures struct {
	// Before is how many requests failed in the records, After how many of all
	// targets would have failed, and New how many of these did not before.
	Before int `json:"before"`
	After  int `json:"after"`
	New    int `json:"new"`
	// FirstBefore and FirstAfter are first tries that failed, or would have.
	FirstBefore float64 `json:"first_before"`
	FirstAfter  float64 `json:"first_after"`
}

func (f *Failures) add(before, after bool, firstBefore, firstAfter float64) {
	if before {
		f.Before++
	}
	if after {
		f.After++
		if !before {
			f.New++
		}
	}
	f.FirstBefore += firstBefore
	f.FirstAfter += firstAfter
}

// Times of calls, in seconds.
type Times struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// few bounds what is shown of many.
const few = 5

func keep(list *[]string, text string) {
	if len(*list) < few {
		*list = append(*list, text)
	}
}

func (r *Report) bad(file string, b *decision.BadLine) {
	r.BadLines++
	keep(&r.Bad, fmt.Sprintf("%s:%d: %s", file, b.Line, b.Reason))
}

func (r *Report) odd(file string, d *decision.Decision, err error) {
	r.Records--
	r.BadLines++
	keep(&r.Bad, fmt.Sprintf("%s: %s: %v", file, d.ID, err))
}

func (r *Report) failed(d *decision.Decision, err error) {
	r.PluginErrors++
	keep(&r.Errors, fmt.Sprintf("%s: %v", d.ID, err))
}

func (r *Report) differ(d *decision.Decision, diff decision.Difference, before, after []decision.Tier) {
	if diff.Order || diff.First > 0 {
		r.DifferentOrder++
	}
	if diff.First == 0 {
		return
	}
	r.DifferentFirst++
	r.FirstShare += diff.First
	if len(r.Examples) < few {
		r.Examples = append(r.Examples, Example{ID: d.ID, Model: d.Facts.Model, Before: before, After: after})
	}
}

// finish makes shares and times of what was added up.
func (r *Report) finish() {
	if r.Replayed > 0 {
		r.FirstShare /= float64(r.Replayed)
		r.OrderShare = float64(r.DifferentOrder) / float64(r.Replayed)
	}
	if len(r.times) == 0 {
		return
	}
	slices.Sort(r.times)
	sum := time.Duration(0)
	for _, t := range r.times {
		sum += t
	}
	r.Time = Times{
		Mean: (sum / time.Duration(len(r.times))).Seconds(), P50: percentile(r.times, 0.5).Seconds(),
		P99: percentile(r.times, 0.99).Seconds(), Max: r.times[len(r.times)-1].Seconds(),
	}
}

// Tell prints the report for people.
func (r *Report) Tell(w io.Writer) {
	fmt.Fprintf(w, "%d records: %d replayed, %d without a choice, %d pinned to a channel", r.Records, r.Replayed, r.Undecided, r.Pinned)
	if r.Unplanned > 0 {
		fmt.Fprintf(w, "; %d of the replayed were decided without their plugin", r.Unplanned)
	}
	fmt.Fprintln(w)
	tellFew(w, "lines that are no records", r.BadLines, r.Bad)
	fmt.Fprintf(w, "\nother first target   %.1f%% of the requests, in %d decisions\n", 100*r.FirstShare, r.DifferentFirst)
	fmt.Fprintf(w, "other plan           %.1f%%, %d decisions\n", 100*r.OrderShare, r.DifferentOrder)
	fmt.Fprintf(w, "cost                 %s\n", r.Cost.tell("$%.6f -> $%.6f", 1))
	fmt.Fprintf(w, "first token          %s\n", r.TTFT.tell("%.1f ms -> %.1f ms", 1000/float64(max(1, r.TTFT.Records))))
	f := &r.Failures
	fmt.Fprintf(w, "failed requests      %d -> %d, %d of them new\n", f.Before, f.After, f.New)
	fmt.Fprintf(w, "failed first tries   %.1f -> %.1f\n", f.FirstBefore, f.FirstAfter)
	fmt.Fprintf(w, "plugin               %d errors; %s mean, %s p50, %s p99, %s at most\n", r.PluginErrors,
		span(r.Time.Mean), span(r.Time.P50), span(r.Time.P99), span(r.Time.Max))
	tellFew(w, "plugin errors", r.PluginErrors, r.Errors)
	for _, e := range r.Examples {
		fmt.Fprintf(w, "\n%s, model %s\n  was   %s\n  would %s\n", e.ID, e.Model, plan(e.Before), plan(e.After))
	}
}

func tellFew(w io.Writer, what string, n int, some []string) {
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "%d %s\n", n, what)
	for _, s := range some {
		fmt.Fprintf(w, "  %s\n", s)
	}
	if n > len(some) {
		fmt.Fprintf(w, "  and %d more\n", n-len(some))
	}
}

// tell a change by a format of two figures, each times a unit.
func (c Change) tell(format string, unit float64) string {
	if c.Records == 0 {
		return "not known of any record"
	}
	s := fmt.Sprintf(format, c.Before*unit, c.After*unit)
	if share, ok := c.Share(); ok {
		s += fmt.Sprintf(" (%+.1f%%)", 100*share)
	}
	return s + fmt.Sprintf(", by %d records", c.Records)
}

func span(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
}

// plan is a plan in a line: targets by comma, tiers by semicolon.
func plan(tiers []decision.Tier) string {
	s := ""
	for i, t := range tiers {
		if i > 0 {
			s += "; "
		}
		for j, p := range t.Picks {
			if j > 0 {
				s += ", "
			}
			s += p.Channel + "/" + p.Model
		}
	}
	if s == "" {
		return "no target"
	}
	return s
}
