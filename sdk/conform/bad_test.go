package conform

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each defect is noticed by the check that is made for it.
func TestBadPluginsAreNoticed(t *testing.T) {
	t.Parallel()
	const slack = 3 // for a busy machine
	program, err := Build(t.Context(), "testdata/bad", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		does   string
		check  string
		want   Outcome
		detail string // part of it
	}{
		{does: "", want: OK},
		{does: "old-version", check: "protocol 2", want: Note, detail: "not spoken; version 1 is"},
		{does: "new-version", check: "protocol 1", want: Note, detail: "not spoken"},
		{does: "wrong-version", check: "handshake", want: Fail, detail: `version "7" of the protocol, which was not offered`},
		{does: "print-early", check: "handshake", want: Fail, detail: `printed "hello, world" where its handshake was expected`},
		{does: "never-ready", check: "handshake", want: Fail, detail: "no handshake within 30s"},
		{does: "crash-at-start", check: "handshake", want: Fail, detail: "exit status 2: panic: no disk"},
		{does: "takes-any-config", check: "config mistakes", want: Fail, detail: "is accepted, where the attribute level is wrong"},
		{does: "names-no-attribute", check: "config mistakes", want: Fail, detail: `the mistake is at "level", the answer names ""`},
		{does: "crash", check: "latency", want: Fail, detail: "its process ended: exit status 2: panic: boom"},
		{does: "crash", check: "facts", want: Fail, detail: "its process ended: exit status 2: panic: boom"},
		{does: "crash-on-odd", check: "garbage", want: Fail, detail: "figures that are none: its process ended: exit status 2: panic: not a number"},
		{does: "hang", check: "latency", want: Fail, detail: "call 20 was not answered within 15s"},
		{does: "slow", check: "latency", want: Fail, detail: "the step's time-out is 20ms"},
		{does: "flood-stderr", check: "output", want: Fail, detail: "lines to stderr"},
		{does: "print-late", check: "output", want: Note, detail: "bytes to stdout after the handshake"},
		{does: "huge-answer", check: "latency", want: Fail, detail: "received message larger than max"},
		{does: "big-answer", check: "answer size", want: Fail, detail: "/smartrouter.plugin.v1.Selector/Select answers 2.0 MiB"},
		{does: "small-limit", check: "large input", want: Fail, detail: "received message larger than max"},
		{does: "fork", check: "leaks", want: Fail, detail: "processes, of"},
		{does: "fork-away", check: "goodbye", want: Fail, detail: "processes running"},
		{does: "leak-memory", check: "leaks", want: Fail, detail: "of memory, of"},
		{does: "leak-heap", check: "leaks", want: Fail, detail: "a heap of"},
		{does: "leak-goroutines", check: "leaks", want: Fail, detail: "goroutines, of"},
		{does: "leak-files", check: "leaks", want: Fail, detail: "open files, of"},
		{does: "answer-at-random", check: "sameness", want: Fail, detail: "the same question gets the answers"},
		{does: "lease-below-zero", check: "leases", want: Fail, detail: "whose fresh is -1h0m0s, which is below zero"},
		{does: "lease-for-ever", check: "leases", want: Fail, detail: "which is longer than 24h0m0s"},
		{does: "read-undeclared", check: "facts", want: Fail, detail: "with another key the plan is"},
		{does: "pick-a-stranger", check: "latency", want: Fail, detail: "was not offered"},
		{does: "answer-nothing", check: "latency", want: Fail, detail: "plan: no picks"},
		{does: "guard", want: OK},
		{does: "guard-rejects-and-edits", check: "latency", want: Fail, detail: "ruling: it both rejects and edits"},
		{does: "guard-rejects-without-a-word", check: "latency", want: Fail, detail: "the rejection has no message"},
		{does: "guard-patches-nothing-known", check: "latency", want: Fail, detail: `the patch has the operation "mask"`},
		{does: "guard-patches-nowhere", check: "latency", want: Fail, detail: `the patch has the path "prompt", which is no JSON pointer`},
		{does: "guard-at-random", check: "sameness", want: Fail, detail: "the same question gets the answers"},
		{does: "guard-lease-for-ever", check: "leases", want: Fail, detail: "Inspect answers a lease whose fresh is 876000h0m0s"},
		{does: "guard-crashes-on-odd", check: "garbage", want: Fail, detail: "a prompt that is no JSON: its process ended: exit status 2: panic: no JSON"},
		{does: "guard-hangs", check: "latency", want: Fail, detail: "call 20 was not answered within 15s"},
		{does: "observer", want: OK},
		{does: "observer-refuses", check: "latency", want: Fail, detail: "no disk"},
		{does: "observer-keeps-all", check: "leaks", want: Fail, detail: "a heap of"},
		{does: "observer-crashes-on-odd", check: "garbage", want: Fail, detail: "a record that is no JSON: its process ended: exit status 2: panic: no JSON"},
		{does: "never-stops", check: "goodbye", want: Fail, detail: "it still runs 6s after it was told to stop"},
		{does: "mortal", check: "signals", want: Note, detail: "ended by hangup"},
		{does: "deaf", check: "router's death", want: Note, detail: "still runs 15s after the router's end"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			t.Parallel()
			calls := 1000
			if tc.check == "leaks" && tc.does != "fork" {
				calls = 3000
			}
			report, err := Run(t.Context(), Target{Command: []string{program, tc.does}}, Options{Calls: calls, Slack: slack})
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == OK {
				if report.Failed+report.Notes > 0 || len(report.Results) < 15 {
					t.Errorf("%d failed, %d notes of %d checks:\n%s", report.Failed, report.Notes, len(report.Results), lines(report))
				}
				return
			}
			if (report.Failed > 0) != (tc.want == Fail) {
				t.Errorf("%d checks failed:\n%s", report.Failed, lines(report))
			}
			for _, r := range report.Results {
				if r.Check == tc.check && r.Outcome == tc.want && strings.Contains(r.Detail, tc.detail) && r.Remedy != "" {
					return
				}
			}
			t.Errorf("no %s of the check %s says %q:\n%s", tc.want, tc.check, tc.detail, lines(report))
		})
	}
	if left, err := filepath.Glob(filepath.Join(t.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func lines(r *Report) string {
	var b strings.Builder
	for _, one := range r.Results {
		b.WriteString(one.String() + "\n")
	}
	return b.String() + r.Summary()
}
