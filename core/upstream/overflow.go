package upstream

import (
	"slices"

	"github.com/smart-ai-router/smartrouter/core/board"
)

// overflow is a request that is too long for a model. Another channel of that
// model would say the same; a model with more room may take it.
type overflow struct {
	refusal // the first one
	small   []*board.Target
	// failures is how many there were before.
	failures int
}

// add notes one more target that is too small.
func (o *overflow) add(r *refusal, failures int) *overflow {
	if o == nil {
		o = &overflow{refusal: *r, failures: failures}
	}
	o.small = append(o.small, r.target)
	return o
}

// rules tells whether the target is ruled out: its model was too small, or is
// known to have no more room than one that was.
func (o *overflow) rules(t *board.Target) bool {
	if o == nil {
		return false
	}
	room := roomOf(t)
	return slices.ContainsFunc(o.small, func(s *board.Target) bool {
		return s.Model == t.Model || room > 0 && room <= roomOf(s)
	})
}

// decides tells whether the refusal is what the client has to know: nothing
// else went wrong since.
func (o *overflow) decides(failures int) bool { return o != nil && o.failures == failures }

// roomOf is a target's context in tokens, as its provider lists it; 0: unknown.
func roomOf(t *board.Target) int64 {
	for _, m := range t.Channel.Health().Models {
		if m.ID == t.Upstream {
			return m.ContextTokens
		}
	}
	return 0
}
