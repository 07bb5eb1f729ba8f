package board

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
}

func (k *keeper) init() {
	k.dirty = make(map[place]struct{})
	k.wake = make(chan struct{}, 1)
}

func (k *keeper) note(p place) {
	k.mu.Lock()
	k.dirty[p] = struct{}{}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) take() map[place]struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.dirty
	k.dirty = make(map[place]struct{})
	return d
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

// Restore takes what the store kept of the channels that are there. It is
// called once, after the first Apply.
func (b *Board) Restore(ctx context.Context, s Store, account Fingerprint) error {
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceHealth, NamespaceBans}}
	for {
		page, err := s.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("board: reading what was kept: %w", err)
		}
		for _, c := range page.Changes {
			if !c.Deleted {
				b.restore(c.Entry, account)
			}
		}
		if !page.More {
			break
		}
		q.Cursor = page.Cursor
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rebuild()
	// A ban of a listed model finds its target only now.
	return b.restoreBans(ctx, s, account)
}

// restore puts one kept health, or the ban of a channel, in its place. What
// can't be read is left out: it is found out anew.
func (b *Board) restore(e sdk.Entry, account Fingerprint) {
	name, _, ofTarget := strings.Cut(e.Key, "\x00")
	if ofTarget {
		return
	}
	c := b.View().Channel(name)
	if c == nil {
		return
	}
	switch e.Namespace {
	case NamespaceHealth:
		var k keptHealth
		if json.Unmarshal(e.Value, &k) == nil && k.Account == account(c.Config) {
			c.health.Store(&k.Health)
		}
	case NamespaceBans:
		var k keptBan
		if json.Unmarshal(e.Value, &k) == nil && k.Account == account(c.Config) && !k.Ban.Ended(b.now()) {
			c.out.Store(&k.Ban)
		}
	}
}

func (b *Board) restoreBans(ctx context.Context, s Store, account Fingerprint) error {
	targets := make(map[string]*Target)
	for _, t := range b.View().Targets {
		targets[place{t.Channel.Config.Name, t.Model}.key()] = t
	}
	q := sdk.ChangesQuery{Namespaces: []string{NamespaceBans}}
	for {
		page, err := s.Changes(ctx, q)
		if err != nil {
			return fmt.Errorf("board: reading the bans: %w", err)
		}
		for _, c := range page.Changes {
			t := targets[c.Entry.Key]
			var k keptBan
			if t == nil || c.Deleted || json.Unmarshal(c.Entry.Value, &k) != nil {
				continue
			}
			if k.Account == account(t.Channel.Config) && !k.Ban.Ended(b.now()) {
				t.ban.Store(&k.Ban)
			}
		}
		if !page.More {
			return nil
		}
		q.Cursor = page.Cursor
	}
}

// keepEvery bounds how often the store is written.
const keepEvery = 100 * time.Millisecond

// Keep writes what changes to the store until ctx ends, then once more.
// failed is told of writes that did not succeed; they are tried again with
// the next change.
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
			pause.Reset(keepEvery)
		case <-ctx.Done():
			done = true
		}
		dirty := b.keeper.take()
		if len(dirty) == 0 {
			continue
		}
		// The last write goes on after ctx has ended.
		wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if err := b.write(wctx, s, account, dirty); err != nil {
			failed(err)
			for p := range dirty {
				b.keeper.mu.Lock()
				b.keeper.dirty[p] = struct{}{}
				b.keeper.mu.Unlock()
			}
		}
		cancel()
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
			expires = b.now().Add(keptBeyond)
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
		ban(p.key(), c, c.out.Load())
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

// Channel finds a channel by name; nil: there is none.
func (v *View) Channel(name string) *Channel {
	for _, c := range v.Channels {
		if c.Config.Name == name {
			return c
		}
	}
	return nil
}
