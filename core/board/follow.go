package board

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Restore takes what the store kept of the channels that are there; what can't
// be read is found out anew. It is called once, after the first Apply.
func (b *Board) Restore(ctx context.Context, s Store, account Fingerprint) error {
	return b.read(ctx, s, account)
}

// readTimeout bounds one look at what changed in the store.
const readTimeout = 5 * time.Second

// idlePoll is how often it is asked whether there is somebody to follow now.
const idlePoll = time.Second

// Follow takes in what other routers write to the store, until ctx ends: as
// often as every says, which may answer 0 while nobody else has the store.
// looked is told how each look went.
//
// Nothing that is read is written back. Only where this router knows better, or
// the store has lost what it knows, it writes; where the store was away, it
// looks before that.
func (b *Board) Follow(ctx context.Context, s Store, account Fingerprint, every func() time.Duration, looked func(error)) {
	for {
		pause := every()
		alone := pause <= 0
		if alone {
			pause = idlePoll
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if alone {
			continue
		}
		rctx, cancel := context.WithTimeout(ctx, readTimeout)
		err := b.read(rctx, s, account)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.reader.again.Store(true)
		}
		looked(err)
	}
}

// reader is how far the store was read.
type reader struct {
	cursor string
	// again: all is to be read, as there may be channels that it was not read
	// for, or the store may have lost something.
	again atomic.Bool
}

// read takes in what changed in the store since the last time.
func (b *Board) read(ctx context.Context, s Store, account Fingerprint) error {
	whole := b.reader.again.Swap(false) || b.reader.cursor == ""
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceHealth, NamespaceBans}, Cursor: b.reader.cursor}
	if whole {
		q.Cursor = ""
	}
	health, bans := make(map[string]*keptHealth), make(map[string]*keptBan)
	for more := true; more; {
		page, err := s.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("board: reading what was kept: %w", err)
		}
		for _, c := range page.Changes {
			take(c, NamespaceHealth, health)
			take(c, NamespaceBans, bans)
		}
		q.Cursor, more = page.Cursor, page.More
	}
	b.reader.cursor = q.Cursor
	b.merge(health, bans, account, whole)
	return nil
}

// take notes the last change of an entry. What is damaged is as good as gone,
// and so is what the store had no room for: that says nothing of the channel.
func take[T any](c sdk.Change, namespace string, into map[string]*T) {
	if c.Entry.Namespace != namespace {
		return
	}
	var v T
	if c.Deleted || json.Unmarshal(c.Entry.Value, &v) != nil {
		delete(into, c.Entry.Key)
		return
	}
	into[c.Entry.Key] = &v
}

// merge takes in what was read. With whole it is all that the store has.
func (b *Board) merge(health map[string]*keptHealth, bans map[string]*keptBan, account Fingerprint, whole bool) {
	if len(health)+len(bans) == 0 && !whole {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	listed := false // the models of a channel changed
	for _, c := range b.View().Channels {
		k := health[place{channel: c.Config.Name}.key()]
		switch {
		case k != nil && k.Account == account(c.Config):
			models := c.health.Load().Models
			if b.mergeHealth(c, &k.Health) {
				b.keeper.note(place{channel: c.Config.Name})
			}
			listed = listed || !slices.Equal(c.health.Load().Models, models)
		case k == nil && whole && c.health.Load().known():
			b.keeper.note(place{channel: c.Config.Name})
		}
	}
	if listed {
		if v := b.build(); v.Generation != b.View().Generation {
			b.show(v)                  // models that others listed are targets now,
			b.reader.again.Store(true) // of which the store may know more
		}
	}
	if len(bans) == 0 && !whole {
		return
	}
	b.View().seats(func(p place, c *Channel, s *seat) {
		k := bans[p.key()]
		switch {
		case k != nil:
			if b.mergeBan(c, p.model, s, k, account) {
				b.keeper.note(p)
			}
		case whole:
			if kept, until := s.kept(); kept != nil && b.now().Before(until) {
				b.keeper.note(p)
			}
		}
	})
}
