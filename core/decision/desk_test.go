package decision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/decision"
)

// drafted is a decision that is ready.
type drafted decision.Decision

func (d *drafted) Decision() *decision.Decision { return (*decision.Decision)(d) }

// taken keeps what a follower got.
type taken struct {
	mu  sync.Mutex
	all []*decision.Decision
}

func (t *taken) take(d *decision.Decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

func (t *taken) ids() (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.all {
		ids = append(ids, d.ID)
	}
	return ids
}

// leave takes decisions to the desk as requests do.
func leave(d *decision.Desk, n int) (left int) {
	for i := range n {
		id := fmt.Sprintf("d-abc-%d", i)
		if wanted, _ := d.Ask(id); wanted {
			d.Leave(id, &drafted{ID: id, Prompt: json.RawMessage(`{"messages":[]}`)})
			left++
		}
	}
	return left
}

func TestNobodyAsksForDecisionsNobodyFollows(t *testing.T) {
	d := decision.NewDesk()
	defer d.Close(t.Context())
	for name, desk := range map[string]*decision.Desk{"no desk": nil, "no follower": d} {
		if n := testing.AllocsPerRun(100, func() {
			if wanted, prompts := desk.Ask("d-abc-1"); wanted || prompts != 0 {
				t.Errorf("%s: wanted", name)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func TestFollowersGetTheirSample(t *testing.T) {
	t.Parallel()
	const n = 4000
	var all, tenth, alike taken
	d := decision.NewDesk()
	d.Follow(
		decision.Follower{Sample: 1, Take: all.take},
		decision.Follower{Sample: 0.1, Take: tenth.take},
		decision.Follower{Sample: 0.1, Take: alike.take},
		decision.Follower{Sample: 0, Take: func(*decision.Decision) { t.Error("a follower of nothing got something") }},
	)
	left := leave(d, n)
	d.Close(t.Context())
	if got := len(all.ids()) + int(d.Dropped()); got != n || left != n {
		t.Errorf("%d of %d decisions were left, and %d handed on or dropped", left, n, got)
	}
	if d.Dropped() == 0 && (len(tenth.all) < n/20 || len(tenth.all) > n/5) {
		t.Errorf("a sample of 0.1 had %d of %d", len(tenth.all), n)
	}
	if !slices.Equal(tenth.ids(), alike.ids()) {
		t.Error("followers with the same sample got other decisions")
	}
}

func TestOnlyWhoMaySeesPrompts(t *testing.T) {
	t.Parallel()
	var may, short, not taken
	d := decision.NewDesk()
	d.Follow(
		decision.Follower{Sample: 1, Prompts: 1000, Take: may.take},
		decision.Follower{Sample: 1, Prompts: 5, Take: short.take},
		decision.Follower{Sample: 1, Take: not.take},
	)
	if _, prompts := d.Ask("d-abc-1"); prompts != 1000 {
		t.Errorf("prompts up to %d bytes, want 1000", prompts)
	}
	leave(d, 1)
	d.Close(t.Context())
	if may.all[0].Prompt == nil || short.all[0].Prompt != nil || not.all[0].Prompt != nil {
		t.Errorf("prompts %q, %q, %q; only the first is granted", may.all[0].Prompt, short.all[0].Prompt, not.all[0].Prompt)
	}
}

func TestASlowFollowerCostsDecisionsAndNoRequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	d := decision.NewDesk()
	d.Follow(decision.Follower{Sample: 1, Take: func(*decision.Decision) { <-release }})
	leave(d, 10_000) // returns, or the test times out
	if d.Dropped() == 0 {
		t.Error("10000 decisions found room with nobody to take them")
	}
	dropped := d.Dropped()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	d.Close(ctx)
	leave(d, 1)
	if d.Dropped() != dropped+1 {
		t.Error("what is left after the close is not counted")
	}
	close(release)
	d.Close(t.Context())
}

func TestJSONKeepsItsNumbers(t *testing.T) {
	t.Parallel()
	in := decision.Decision{
		Version: decision.Version, ID: "d-1", Facts: decision.Facts{Prefix: 1<<63 + 1},
		Outcome: decision.Outcome{TTFT: decision.Millis(1234567 * time.Nanosecond)},
	}
	b, err := json.Marshal(&in)
	if err != nil {
		t.Fatal(err)
	}
	var out decision.Decision
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	if out.Facts.Prefix != in.Facts.Prefix || out.Outcome.TTFT != decision.Millis(1235*time.Microsecond) {
		t.Errorf("prefix %d and ttft %s came back from %s", out.Facts.Prefix, out.Outcome.TTFT, b)
	}
}
