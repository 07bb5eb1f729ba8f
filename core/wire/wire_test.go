package wire_test

import (
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		events    []wire.Class
		commits   int // the event that commits, counted from 0; -1 for none
		truncated bool
	}{
		{name: "nothing", commits: -1, truncated: true},
		{name: "role and comment only", events: []wire.Class{0, 0}, commits: -1, truncated: true},
		{name: "cut off", events: []wire.Class{0, wire.Text, wire.Text}, commits: 1, truncated: true},
		{name: "finished", events: []wire.Class{0, wire.Reasoning, wire.Text, wire.Finished}, commits: 1},
		{name: "terminator only", events: []wire.Class{wire.ToolCall, wire.Done}, commits: 0},
		{name: "error first", events: []wire.Class{wire.Failed}, commits: -1},
		{name: "content and finish in one", events: []wire.Class{wire.Text | wire.Finished}, commits: 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p wire.Progress
			commits := -1
			for i, c := range tc.events {
				if p.Add(c) {
					if commits >= 0 {
						t.Errorf("event %d commits again", i)
					}
					commits = i
				}
			}
			if commits != tc.commits || p.Truncated() != tc.truncated || p.Events != len(tc.events) {
				t.Errorf("commits at %d, truncated %v after %d events, want %d, %v", commits, p.Truncated(), p.Events, tc.commits, tc.truncated)
			}
		})
	}
}

func TestHintHasAName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for h := wire.NoHint; h <= wire.Overloaded; h++ {
		if s := h.String(); s == "" || seen[s] {
			t.Errorf("hint %d is called %q", h, s)
		} else {
			seen[s] = true
		}
	}
	if s := (wire.Overloaded + 1).String(); s != "hint 9" {
		t.Errorf("unknown hint is called %q", s)
	}
}
