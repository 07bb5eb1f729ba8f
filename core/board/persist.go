package board

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Store keeps what survives a restart; a cache plugin.
type Store interface {
	Put(ctx context.Context, entries ...sdk.Entry) error
	Delete(ctx context.Context, namespace string, keys ...string) error
	Changes(ctx context.Context, q sdk.ChangesQuery) (sdk.Changes, error)
}

// The namespaces of the store that belong to the board.
const (
	NamespaceHealth = "health" // by channel: health, key validity and models
	NamespaceBans   = "bans"   // by channel, or channel and model
)

// keptBeyond is how long health stays in the store after its lease: a router
// that was off over night starts with yesterday's models and renews them.
const keptBeyond = 7 * 24 * time.Hour

// unending is how long a ban without an end stays in the store: nobody but an
// operator or another configuration ends it.
const unending = 10 * 365 * 24 * time.Hour

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

// Fingerprint identifies an account without revealing its credential, so that
// what was kept for an old key is not believed of a new one.
type Fingerprint func(*config.Channel) string

type keptHealth struct {
	Account string
	Health  Health
}

type keptBan struct {
	Account string
	Ban     Ban
}

// Restore takes what the store kept of the channels that are there; what can't
// be read is found out anew. It is called once, after the first Apply.
func (b *Board) Restore(ctx context.Context, s Store, account Fingerprint) error {
	health, bans := make(map[string]sdk.Entry), make(map[string]sdk.Entry)
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceHealth, NamespaceBans}}
	for more := true; more; {
		page, err := s.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("board: reading what was kept: %w", err)
		}
		for _, c := range page.Changes {
			kept := bans
			if c.Entry.Namespace == NamespaceHealth {
				kept = health
			}
			if c.Deleted {
				delete(kept, c.Entry.Key)
			} else {
				kept[c.Entry.Key] = c.Entry
			}
		}
		q.Cursor, more = page.Cursor, page.More
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.View().Channels {
		var k keptHealth
		if json.Unmarshal(health[c.Config.Name].Value, &k) == nil && k.Account == account(c.Config) {
			c.health.Store(&k.Health)
		}
	}
	b.show(b.build()) // the models that were listed are targets now
	restore := func(p place, c *Channel, s *seat) {
		var k keptBan
		if json.Unmarshal(bans[p.key()].Value, &k) != nil || k.Ban.Ended(b.now()) {
			return
		}
		// An operator's ban is about the channel, whatever its account is.
		if k.Account == account(c.Config) || k.Ban.Class == Manual {
			s.ban.Store(&k.Ban)
			if k.Ban.guess() {
				c.doubted.Store(true)
			}
		}
	}
	for _, c := range b.View().Channels {
		restore(place{channel: c.Config.Name}, c, &c.seat)
	}
	for _, t := range b.View().Targets {
		restore(place{t.Channel.Config.Name, t.Model}, t.Channel, &t.seat)
	}
	return nil
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
	v := b.View()
	var put []sdk.Entry
	var gone []string
	ban := func(key string, c *Channel, x *Ban) {
		if x == nil {
			gone = append(gone, key)
			return
		}
		value, _ := json.Marshal(keptBan{account(c.Config), *x}) // plain data
		expires := x.Until
		if expires.IsZero() {
			expires = b.now().Add(unending)
		}
		put = append(put, sdk.Entry{Namespace: NamespaceBans, Key: key, Value: value, Expires: expires})
	}
	for _, c := range v.Channels {
		p := place{channel: c.Config.Name}
		if _, ok := dirty[p]; !ok {
			continue
		}
		h := c.health.Load()
		value, _ := json.Marshal(keptHealth{account(c.Config), *h}) // plain data
		put = append(put, sdk.Entry{
			Namespace: NamespaceHealth, Key: p.key(), Value: value, Expires: b.now().Add(keptBeyond),
		})
		ban(p.key(), c, c.ban.Load())
	}
	for _, t := range v.Targets {
		p := place{t.Channel.Config.Name, t.Model}
		if _, ok := dirty[p]; ok {
			ban(p.key(), t.Channel, t.ban.Load())
		}
	}
	if len(put) > 0 {
		if err := s.Put(ctx, put...); err != nil {
			return fmt.Errorf("board: keeping state: %w", err)
		}
	}
	if len(gone) > 0 {
		if err := s.Delete(ctx, NamespaceBans, gone...); err != nil {
			return fmt.Errorf("board: removing bans: %w", err)
		}
	}
	return nil
}
