package pipeline

import (
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
)

// Kinds of what steps remember, beside what they know of channels.
const (
	MemoryAnswers    = "answers"     // that were given before
	memoryHotAnswers = "hot_answers" // those of them in the router's own memory
	memoryPlans      = "plans"       // where requests go
	memoryPrepared   = "prepared"    // how targets are spoken to
)

// Memories are what the steps of pipelines remember, by kind, over all of them.
func Memories(now time.Time, pipelines ...*Pipeline) []board.Memory {
	var all []board.Memory
	seen := make(map[*Preparer]bool)
	for _, p := range pipelines {
		for _, s := range p.steps {
			if c, ok := s.step.(*call); ok {
				if seen[c.preparer] {
					continue // one serves all pipelines
				}
				seen[c.preparer] = true
			}
			if r, ok := s.step.(interface {
				memories(time.Time) []board.Memory
			}); ok {
				for _, m := range r.memories(now) {
					all = board.MergeMemory(all, m)
				}
			}
		}
	}
	return all
}
