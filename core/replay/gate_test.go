package replay

import (
	"strings"
	"testing"
)

func TestGate(t *testing.T) {
	t.Parallel()
	r := &Report{
		Records: 210, Replayed: 200, BadLines: 10, PluginErrors: 2, DifferentFirst: 40, FirstShare: 0.1, DifferentOrder: 60, OrderShare: 0.3,
		Cost: Change{Records: 50, Before: 2, After: 2.1}, Failures: Failures{Before: 5, After: 7, New: 3},
	}
	tests := []struct {
		name string
		gate Gate
		over []string
	}{
		{name: "no limit"},
		{name: "all at their limits", gate: Gate{Different: "10%", Order: "60", Cost: "+5%", Failed: "3", Errors: "1%", BadLines: "10"}},
		{name: "more requests elsewhere", gate: Gate{Different: "9.9%"}, over: []string{"--max-different 9.9%: 10.00% requests to another first target"}},
		{name: "the same as a number", gate: Gate{Different: "19"}, over: []string{"--max-different 19: 20 requests to another first target"}},
		{name: "other plans", gate: Gate{Order: "0"}, over: []string{"--max-other-plans 0: 60 other plans"}},
		{name: "dearer", gate: Gate{Cost: "+4%"}, over: []string{"--max-cost +4%: 5.00% more cost"}},
		{name: "not cheap enough", gate: Gate{Cost: "-10%"}, over: []string{"--max-cost -10%: 5.00% more cost"}},
		{name: "new failures", gate: Gate{Failed: "0"}, over: []string{"--max-failed 0: 3 requests that fail and did not before"}},
		{name: "what nobody knows", gate: Gate{TTFT: "+50%"}, over: []string{"--max-ttft +50%: no record says anything of it"}},
		{
			name: "several", gate: Gate{Errors: "0", BadLines: "4%"},
			over: []string{"--max-errors 0: 2 plugin errors", "--max-bad-lines 4%: 4.55% bad lines"},
		},
	}
	for _, tt := range tests {
		if err := tt.gate.Check(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := tt.gate.Judge(r); strings.Join(got, "\n") != strings.Join(tt.over, "\n") {
			t.Errorf("%s: over %q, want %q", tt.name, got, tt.over)
		}
	}
	empty := Gate{Different: "100%", Failed: "100%"}
	if over := empty.Judge(&Report{}); len(over) != 2 {
		t.Errorf("no record, and only %q is over", over)
	}
	for _, bad := range []Gate{{Different: "ten"}, {Failed: "NaN"}, {Cost: "5"}, {TTFT: "%"}} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
