package router

import (
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// terms are those of the fleet now; nil: the store is this router's own.
func (r *Router) terms() *config.Fleet {
	if e := r.present.Load(); e != nil && e.cfg.Shared() {
		return &e.cfg.Fleet
	}
	return nil
}

// poll is how often it is looked what other routers wrote; 0: there are none.
func (r *Router) poll() time.Duration {
	if t := r.terms(); t != nil {
		return t.Poll
	}
	return 0
}

// looked is told how each look into a shared store went.
func (r *Router) looked(err error) {
	r.metrics.StoreLooked(err)
	switch away := err != nil; {
	case away == r.away.Swap(away):
	case away:
		r.log.Warn("the store is away: this router goes on with what it knows", "err", err)
	default:
		r.log.Info("the store is back")
	}
}
