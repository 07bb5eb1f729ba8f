package board

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Store keeps what survives a restart; a cache plugin.
type Store interface {
	Put(ctx context.Context, entries ...sdk.Entry) error
	Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error)
}

// The namespaces of the store that belong to the board.
const (
	NamespaceHealth = "health" // by channel: health, key validity and models
	NamespaceBans   = "bans"   // by channel, or channel and model: bans, and that they were lifted
)

// keptBeyond is how long health stays in the store after its lease: a router
// that was off over night starts with yesterday's models and renews them.
const keptBeyond = 7 * 24 * time.Hour

// unending is how long a ban without an end stays in the store: nobody but an
// operator or another configuration ends it.
const unending = 10 * 365 * 24 * time.Hour

// liftKept is how long it stays in the store that a ban was lifted: for routers
// that did not hear of it, and still have the ban.
const liftKept = 7 * 24 * time.Hour

// place is a channel, or one model on it.
type place struct{ channel, model string }

func (p place) key() string {
	if p.model == "" {
		return p.channel
	}
	return p.channel + "\x00" + p.model
}

// keeper collects what changed until it is written.
type keeper struct {
	mu    sync.Mutex
	dirty map[place]struct{}
	wake  chan struct{}
	// noted counts the changes, written those of them that the store has;
	// wrote is closed when that moves on.
	noted, written uint64
	wrote          chan struct{}
}

func (k *keeper) init() {
	k.dirty = make(map[place]struct{})
	k.wake = make(chan struct{}, 1)
	k.wrote = make(chan struct{})
}

func (k *keeper) note(p place) {
	k.mu.Lock()
	k.dirty[p] = struct{}{}
	k.noted++
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// take is what is to be written, and how many changes those are up to.
func (k *keeper) take() (dirty map[place]struct{}, upTo uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	dirty, k.dirty = k.dirty, make(map[place]struct{})
	return dirty, k.noted
}

func (k *keeper) done(upTo uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written = upTo
	close(k.wrote)
	k.wrote = make(chan struct{})
}

// Kept waits until the store has what is known now. It is an error where ctx
// ends before that.
func (b *Board) Kept(ctx context.Context) error {
	k := &b.keeper
	k.mu.Lock()
	want := k.noted
	for k.written < want {
		wrote := k.wrote
		k.mu.Unlock()
		select {
		case <-wrote:
		case <-ctx.Done():
			return fmt.Errorf("board: not kept yet: %w", context.Cause(ctx))
		}
		k.mu.Lock()
	}
	k.mu.Unlock()
	return nil
}

// KeepAll writes all that is known, as the store is another one. That may have
// bans that were lifted since.
func (b *Board) KeepAll() {
	b.View().seats(func(p place, _ *Channel, s *seat) {
		if kept, until := s.kept(); p.model == "" || kept != nil && b.now().Before(until) {
			b.keeper.note(p)
		}
	})
}

type keptHealth struct {
	Account string
	Health  Health
}

// keptBan is a ban, and what is left of those that were lifted.
type keptBan struct {
	Account string
	Ban     *Ban `json:",omitempty"`
	Lifted  lift `json:",omitempty"`
}

const (
	// keepEvery bounds how often the store is written.
	keepEvery = 100 * time.Millisecond
	// keepRetry is the pause after a write that did not succeed.
	keepRetry = 5 * time.Second
	// keepTimeout bounds one write.
	keepTimeout = 5 * time.Second
)

// Keep writes what changes to the store until ctx ends, then once more.
// failed is told of writes that did not succeed; they are tried again.
func (b *Board) Keep(ctx context.Context, s Store, account Fingerprint, failed func(error)) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for done := false; !done; {
		select {
		case <-b.keeper.wake:
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
			done = true
		}
		next := keepEvery
		if dirty, upTo := b.keeper.take(); len(dirty) > 0 {
			// The last write goes on after ctx has ended.
			wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
			if err := b.write(wctx, s, account, dirty); err != nil {
				failed(err)
				next = keepRetry
				for p := range dirty {
					b.keeper.note(p)
				}
			} else {
				b.keeper.done(upTo)
			}
			cancel()
		}
		pause.Reset(next)
	}
}

func (b *Board) write(ctx context.Context, s Store, account Fingerprint, dirty map[place]struct{}) error {
	var put []sdk.Entry
	b.View().seats(func(p place, c *Channel, at *seat) {
		if _, ok := dirty[p]; !ok {
			return
		}
		if h := c.health.Load(); p.model == "" && h.known() {
			value, _ := json.Marshal(keptHealth{account(c.Config), *h}) // plain data
			put = append(put, sdk.Entry{
				Namespace: NamespaceHealth, Key: p.key(), Value: value, Expires: b.now().Add(keptBeyond),
			})
		}
		if k, expires := at.kept(); k != nil {
			k.Account = account(c.Config)
			value, _ := json.Marshal(k) // plain data
			put = append(put, sdk.Entry{Namespace: NamespaceBans, Key: p.key(), Value: value, Expires: expires})
		}
	})
	if len(put) == 0 {
		return nil
	}
	if err := s.Put(ctx, put...); err != nil {
		return fmt.Errorf("board: keeping state: %w", err)
	}
	return nil
}

// kept is what the store gets of a seat, and until when; nil: nothing.
func (s *seat) kept() (k *keptBan, until time.Time) {
	k = &keptBan{Ban: s.ban.Load()}
	if l := s.lifted.Load(); l != nil {
		k.Lifted, until = *l, l.last().Add(liftKept)
	}
	switch {
	case k.Ban == nil && k.Lifted == nil:
		return nil, until
	case k.Ban == nil:
	case k.Ban.Until.IsZero():
		until = k.Ban.Since.Add(unending)
	case k.Ban.Until.After(until):
		until = k.Ban.Until
	}
	return k, until
}
