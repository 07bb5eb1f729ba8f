package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A report has every figure of every run.
type report struct {
	Go       string        `json:"go"`
	CPUs     int           `json:"cpus"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration_ns"` // of a run
	Targets  []string      `json:"targets"`
	Runs     []runs        `json:"loads"`
}

// runs of one load: by target, one for each round.
type runs struct {
	load
	Samples map[string][]sample `json:"samples"`
}

func newReport(loads []load, targets []target) *report {
	r := &report{Go: runtime.Version(), CPUs: runtime.NumCPU(), Rounds: options.rounds, Duration: options.duration}
	for _, t := range targets {
		r.Targets = append(r.Targets, t.name)
	}
	for _, l := range loads {
		r.Runs = append(r.Runs, runs{load: l, Samples: make(map[string][]sample)})
	}
	return r
}

func rate(s sample) float64 { return s.PerSecond }
func cpu(s sample) float64  { return s.CPU }
func p50(s sample) float64  { return s.P50 }
func p99(s sample) float64  { return s.P99 }

// middle is the median over the rounds.
func (r runs) middle(target string, figure func(sample) float64) float64 {
	return r.within(target, target, func(s, _ sample) float64 { return figure(s) })
}

// within is the median of what compare makes of two targets in the same round.
func (r runs) within(target, base string, compare func(s, base sample) float64) float64 {
	var values []float64
	for i, s := range r.Samples[target] {
		if i < len(r.Samples[base]) {
			values = append(values, compare(s, r.Samples[base][i]))
		}
	}
	return median(values)
}

func (r runs) ratio(target string, figure func(sample) float64) float64 {
	return r.within(target, floor, func(s, base sample) float64 { return figure(s) / figure(base) })
}

func (r runs) added(target string, figure func(sample) float64) float64 {
	return r.within(target, direct, func(s, base sample) float64 { return figure(s) - figure(base) })
}

// median of the values; not a number where there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// print writes the report as Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d CPUs shared by all parts, medians of %d rounds of %s; in brackets: x of the floor (httputil.ReverseProxy) in the same round\n",
		r.Go, r.CPUs, r.Rounds, r.Duration)
	r.table(w, false, "requests/s", "CPU us per request", "added p50 us", "added p99 us")
	r.table(w, true, "chunks/s", "CPU us per chunk", "added TTFT p50 us", "added TTFT p99 us")
	r.others(w)
	r.remarks(w)
}

func (r *report) table(w io.Writer, stream bool, figures ...string) {
	head := slices.Concat([]string{"load", "target"}, figures, []string{"RSS / PSS MiB", "errors", "plugin calls per 10,000 requests"})
	fmt.Fprintf(w, "\n| %s |\n|---|---|%s\n", strings.Join(head, " | "), strings.Repeat("---:|", len(head)-2))
	for _, l := range r.Runs {
		if l.Stream != stream || len(l.of) > 0 {
			continue
		}
		for _, t := range r.Targets {
			if !l.on(t) {
				continue
			}
			cells := []string{l.Name, t, fmt.Sprintf("%.0f (%.2f)", l.middle(t, rate), l.ratio(t, rate))}
			errors := 0
			for _, s := range l.Samples[t] {
				errors += s.Errors
			}
			if t == direct {
				cells = append(cells, "", fmt.Sprintf("p50 %.0f", l.middle(t, p50)), fmt.Sprintf("p99 %.0f", l.middle(t, p99)), "")
			} else {
				cells = append(cells, fmt.Sprintf("%.1f (%.2f)", l.middle(t, cpu), l.ratio(t, cpu)),
					fmt.Sprintf("%.0f", l.added(t, p50)), fmt.Sprintf("%.0f", l.added(t, p99)), l.memory(t))
			}
			cells = append(cells, fmt.Sprint(errors))
			if t == us {
				cells = append(cells, fmt.Sprintf("%.1f", l.middle(t, func(s sample) float64 { return s.PluginCalls })))
			} else {
				cells = append(cells, "")
			}
			fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
		}
	}
}

// others are the router's configurations beside each other.
func (r *report) others(w io.Writer) {
	begun := false
	for _, l := range r.Runs {
		for _, t := range l.of {
			if !begun {
				begun = true
				io.WriteString(w, "\n| load | configuration | requests/s (x of the first) | CPU us per request | p50 us | calls of plugins per request |\n|---|---|---:|---:|---:|---:|\n")
			}
			base := l.of[0]
			calls := l.middle(t, func(s sample) float64 { return s.PluginCalls / 1e4 })
			fmt.Fprintf(w, "| %s | %s | %.0f (%.2f) | %.1f (%+.1f) | %.0f (%.2f) | %.2f |\n", l.Name, t,
				l.middle(t, rate), l.within(t, base, func(s, b sample) float64 { return s.PerSecond / b.PerSecond }),
				l.middle(t, cpu), l.within(t, base, func(s, b sample) float64 { return s.CPU - b.CPU }),
				l.middle(t, p50), l.within(t, base, func(s, b sample) float64 { return s.P50 / b.P50 }), calls)
		}
	}
}

func (r runs) memory(target string) string {
	const mebibyte = 1 << 20
	rss := r.middle(target, func(s sample) float64 { return float64(s.RSS) / mebibyte })
	pss := r.middle(target, func(s sample) float64 { return float64(s.PSS) / mebibyte })
	if pss == 0 {
		return fmt.Sprintf("%.0f / ?", rss)
	}
	return fmt.Sprintf("%.0f / %.0f", rss, pss)
}

// remarks says what disturbed the figures, and how requests failed.
func (r *report) remarks(w io.Writer) {
	var strangers []float64
	failures := make(map[string]int)
	for _, l := range r.Runs {
		for t, samples := range l.Samples {
			for _, s := range samples {
				strangers = append(strangers, s.Strangers)
				if s.Errors > 0 {
					failures[fmt.Sprintf("%s, %s, the first of a run: %s", t, l.Name, s.Error)]++
				}
			}
		}
	}
	fmt.Fprintf(w, "\nOther programs kept %.2f CPUs busy meanwhile (worst run %.2f): above some 0.2, measure again.\n",
		median(strangers), slices.Max(strangers))
	var lines []string
	for failure := range failures {
		lines = append(lines, failure)
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(w, "-", line)
	}
}
