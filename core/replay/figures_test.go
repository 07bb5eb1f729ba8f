package replay

import (
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
)

func tiers(names ...string) (out []decision.Tier) {
	for _, n := range names {
		out = append(out, decision.Tier{Picks: []decision.Pick{{Channel: n, Model: "m", Weight: 1}}})
	}
	return out
}

func TestFiguresAreThoseOfTheFirstTierByShare(t *testing.T) {
	t.Parallel()
	dear, cheap, free := 10.0, 1.0, 0.0
	known := map[decision.Target]*figures{
		{Channel: "a", Model: "m"}: {input: &dear, output: &dear, ttft: 100 * time.Millisecond},
		{Channel: "b", Model: "m"}: {input: &cheap, output: &free, ttft: 300 * time.Millisecond},
		{Channel: "c", Model: "m"}: {},
	}
	both := []decision.Tier{{Picks: []decision.Pick{{Channel: "a", Model: "m", Weight: 3}, {Channel: "b", Model: "m", Weight: 1}}}}
	used := &decision.Tokens{Input: 1e6, Output: 1e6}
	tests := []struct {
		name   string
		tiers  []decision.Tier
		tokens *decision.Tokens
		cost   float64
		ttft   float64
		priced bool
		timed  bool
	}{
		{name: "one target", tiers: tiers("a", "c"), tokens: used, cost: 20, priced: true, ttft: 0.1, timed: true},
		{name: "two by weight", tiers: both, tokens: used, cost: 15.25, priced: true, ttft: 0.15, timed: true},
		{name: "no tokens", tiers: tiers("a"), ttft: 0.1, timed: true},
		{name: "no price and no time", tiers: tiers("c"), tokens: used},
		{name: "a target that nobody knows", tiers: tiers("z"), tokens: used},
		{name: "no plan", tokens: used},
	}
	for _, tt := range tests {
		got, ok := expect(tt.tiers, known, cost(tt.tokens))
		if ok != tt.priced || ok && (got < tt.cost-1e-9 || got > tt.cost+1e-9) {
			t.Errorf("%s: costs %v, %v; want %v, %v", tt.name, got, ok, tt.cost, tt.priced)
		}
		got, ok = expect(tt.tiers, known, seconds)
		if ok != tt.timed || ok && (got < tt.ttft-1e-9 || got > tt.ttft+1e-9) {
			t.Errorf("%s: takes %v, %v; want %v, %v", tt.name, got, ok, tt.ttft, tt.timed)
		}
	}
}

func TestTargetsFailAsTheRecordsSaw(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	record := func(after time.Duration, attempts ...decision.Attempt) *decision.Decision {
		return &decision.Decision{Time: at.Add(after), Attempts: attempts}
	}
	try := func(channel, class string) decision.Attempt {
		return decision.Attempt{Channel: channel, Model: "m", Class: class, Duration: decision.Millis(time.Second)}
	}
	s := make(sightings)
	s.see(record(0, try("a", "upstream"), try("b", "ok")))
	tests := []struct {
		name   string
		record *decision.Decision
		tiers  []decision.Tier
		lost   bool
		first  float64
	}{
		{name: "one that failed a moment ago", record: record(2 * time.Second), tiers: tiers("a"), lost: true, first: 1},
		{name: "with one behind it that did not", record: record(2 * time.Second), tiers: tiers("a", "b"), first: 1},
		{name: "one that nobody tried", record: record(2 * time.Second), tiers: tiers("c")},
		{name: "one that failed long ago", record: record(time.Minute), tiers: tiers("a")},
		{name: "one that failed in the request itself", record: record(time.Minute, try("b", "timeout")), tiers: tiers("b"), lost: true, first: 1},
		{name: "one that answered it at last", record: record(2*time.Second, try("a", "upstream"), try("a", "ok")), tiers: tiers("a")},
		{name: "no target at all", record: record(0), lost: true, first: 1},
	}
	for _, tt := range tests {
		if got := s.lost(tt.record, tt.tiers); got != tt.lost {
			t.Errorf("%s: lost is %v", tt.name, got)
		}
		if got := s.firstFails(tt.record, tt.tiers); got != tt.first {
			t.Errorf("%s: %v of the first tries fail, want %v", tt.name, got, tt.first)
		}
	}
	s.see(record(-time.Minute, try("b", "upstream"))) // older news
	if s.failing(record(2*time.Second), decision.Target{Channel: "b", Model: "m"}) {
		t.Error("an older try is believed over a newer one")
	}
}
