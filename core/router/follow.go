package router

import (
	"fmt"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
)

// openRecords has decision records written where the configuration says. After
// an error they are written as before.
func (r *Router) openRecords(cfg *config.Config) error {
	if err := r.records.Apply(cfg.Record); err != nil {
		return fmt.Errorf("record.file: %w", err)
	}
	return nil
}

// follow gives the decisions to those who follow them by an edition.
func (r *Router) follow(e *edition) {
	var followers []decision.Follower
	if e.cfg.Record.File != "" {
		followers = append(followers, r.records.Follower(e.cfg.Record))
	}
	e.feed(r.metrics, r.log)
	for _, f := range e.feeds {
		followers = append(followers, f.Follower())
	}
	if r.dev.Follow != nil {
		followers = append(followers, decision.Follower{Sample: 1, Take: r.dev.Follow})
	}
	r.desk.Follow(followers...)
}
