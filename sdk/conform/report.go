package conform

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Outcome of a check.
type Outcome string

// The outcomes. A note is worth knowing and fails nothing.
const (
	OK   Outcome = "ok"
	Note Outcome = "note"
	Fail Outcome = "fail"
)

// Way is how calls reach the plugin.
type Way string

// The ways. A check that does not depend on one has none.
const (
	Lane  Way = "lane"
	Unary Way = "unary"
)

// Result is what one check found.
type Result struct {
	Check   string   `json:"check"`
	Kind    sdk.Kind `json:"kind,omitempty"`
	Way     Way      `json:"way,omitempty"`
	Outcome Outcome  `json:"outcome"`
	// Detail is what was seen, Remedy what to do about it.
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	// Latency is only with the check of that name.
	Latency *Latency `json:"latency,omitempty"`
	TookMS  int64    `json:"took_ms"`
}

// Latency are percentiles of calls that follow each other, in microseconds.
type Latency struct {
	P50 int64 `json:"p50_us"`
	P90 int64 `json:"p90_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}

// Name of the check with what it was made of: "sameness (selector, lane)".
func (r Result) Name() string {
	var of []string
	if r.Kind != "" {
		of = append(of, string(r.Kind))
	}
	if r.Way != "" {
		of = append(of, string(r.Way))
	}
	if len(of) == 0 {
		return r.Check
	}
	return r.Check + " (" + strings.Join(of, ", ") + ")"
}

// String is the line of a report, with a remedy below it.
func (r Result) String() string {
	mark := string(r.Outcome)
	if r.Outcome == Fail {
		mark = "FAIL"
	}
	line := fmt.Sprintf("%-5s %-34s %s", mark, r.Name(), r.Detail)
	if r.Remedy != "" && r.Outcome != OK {
		line += "\n      remedy: " + r.Remedy
	}
	return line
}

// Report is all that was found.
type Report struct {
	Plugin   string     `json:"plugin"`
	Version  string     `json:"version"`
	Kinds    []sdk.Kind `json:"kinds"`
	Protocol int        `json:"protocol"`
	Results  []Result   `json:"checks"`
	Failed   int        `json:"failed"`
	Notes    int        `json:"notes"`
	TookMS   int64      `json:"took_ms"`
}

// Find is the first result of a check; false: it was not made.
func (r *Report) Find(check string) (Result, bool) {
	for _, one := range r.Results {
		if one.Check == check {
			return one, true
		}
	}
	return Result{}, false
}

// Summary is the last line of a report.
func (r *Report) Summary() string {
	who := "the program"
	if r.Plugin != "" {
		who = r.Plugin + " " + r.Version
	}
	verdict := "keeps the contract"
	if r.Failed > 0 {
		verdict = "does not keep the contract"
	}
	return fmt.Sprintf("%s %s: %d checks, %d failed, %d notes, in %v", who, verdict,
		len(r.Results), r.Failed, r.Notes, (time.Duration(r.TookMS) * time.Millisecond).Round(100*time.Millisecond))
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

func (r *Report) add(one Result) {
	r.Results = append(r.Results, one)
	switch one.Outcome {
	case Fail:
		r.Failed++
	case Note:
		r.Notes++
	}
}
