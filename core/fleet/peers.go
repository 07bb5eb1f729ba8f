package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Store is a cache plugin that the routers share.
type Store interface {
	Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error)
	Put(ctx context.Context, entries ...sdk.Entry) error
	Delete(ctx context.Context, namespace string, keys ...string) error
	Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error)
}

// The namespaces of the store that belong to the fleet.
const (
	namespace    = "routers" // by router: what it holds
	namespaceEra = "fleet"
	// eraKey has what tells a store from one that was emptied.
	eraKey = "era"
)

// kept is how long an entry stays in the store that nobody renews or removes:
// longer than any two clocks differ.
const kept = 48 * time.Hour

// entry is what a router says of itself.
type entry struct {
	// Seq grows with every write.
	Seq uint64 `json:"seq"`
	// Settled: it has reached the store without a break for a lease.
	Settled bool             `json:"settled"`
	Limits  map[string]claim `json:"limits"` // by slot
}

// claim is what a router holds of a limit, and needs.
type claim struct {
	// Held is at least its share, and at least what is in use.
	Held int64 `json:"held"`
	// Spent, of a limit per minute, is not to be had for a while.
	Spent int64 `json:"spent,omitempty"`
	// Wanted and Least are those of board.Need.
	Wanted int64 `json:"wanted"`
	Least  int64 `json:"least,omitempty"`
	// Ticket is whose turn it is among those who wait, lowest first; 0: nobody
	// waits. It is higher than all that were known when it was taken.
	Ticket int64 `json:"ticket,omitempty"`
}

// peer is another router, as its last entry says.
type peer struct {
	entry
	router string
	seen   time.Time // when it changed last
	moved  bool      // it has changed since it was first seen: it lives
}

func (p *peer) alive(now time.Time, lease time.Duration) bool { return now.Sub(p.seen) < lease }

// binds reports whether what the peer holds of a limit is still its own.
func (p *peer) binds(l board.Limit, now time.Time, lease time.Duration) bool {
	if l != board.LimitInFlight {
		lease += board.Window // it may have used it just before
	}
	return p.alive(now, lease)
}

// routerOf is the router's part of a key.
func routerOf(key string) string {
	id, _, _ := strings.Cut(key, ".")
	return id
}

// read takes in what the routers wrote since the last time.
func (f *Fleet) read(ctx context.Context) error {
	q := sdk.ChangesQuery{Namespaces: []string{namespace}, Cursor: f.cursor}
	for more := true; more; {
		page, err := f.o.Store.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("fleet: reading shares: %w", err)
		}
		now := time.Now()
		for _, c := range page.Changes {
			f.take(c, now)
		}
		q.Cursor, more = page.Cursor, page.More
	}
	f.cursor = q.Cursor
	return nil
}

func (f *Fleet) take(c sdk.Change, now time.Time) {
	key := c.Entry.Key
	var e entry
	if !c.Deleted && json.Unmarshal(c.Entry.Value, &e) != nil {
		return // damaged: it counts as it was, until its lease is over
	}
	switch {
	case key == f.key():
		if f.present = e.Seq; c.Deleted {
			f.present = 0
		}
	case routerOf(key) == f.id: // what this router wrote before a write that failed
	case c.Deleted: // perhaps for want of room: it counts until its lease is over
	default:
		p := f.peers[key]
		if p == nil || p.Seq != e.Seq {
			f.peers[key] = &peer{entry: e, router: routerOf(key), seen: now, moved: p != nil}
		}
	}
}

// bury removes the entries of routers that have been silent for long.
func (f *Fleet) bury(ctx context.Context, now time.Time, lease time.Duration) {
	var gone []string
	for key, p := range f.peers {
		if !p.alive(now, 2*(lease+board.Window)) {
			gone = append(gone, key)
		}
	}
	gone = append(gone, f.ghosts...)
	if len(gone) > 0 && f.o.Store.Delete(ctx, namespace, gone...) == nil {
		f.ghosts = nil
		for _, key := range gone {
			delete(f.peers, key)
		}
	}
}
