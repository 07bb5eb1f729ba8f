package pipeline

import (
	"sync"
	"sync/atomic"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// generations turns views into what a selector learns once.
type generations struct {
	seen atomic.Pointer[board.View]

	mu   sync.Mutex
	view *board.View
	gen  *host.Generation
}

// moved reports, to one caller, that the view is not the one seen last.
func (g *generations) moved(v *board.View) bool {
	was := g.seen.Load()
	return was != v && g.seen.CompareAndSwap(was, v) && was != nil
}

// of is the generation of a view, made once.
func (g *generations) of(v *board.View) *host.Generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.view != v {
		g.view = v
		g.gen = &host.Generation{ID: v.Generation, Candidates: v.Candidates}
	}
	return g.gen
}
