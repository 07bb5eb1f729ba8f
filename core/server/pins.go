package server

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// PinStore keeps pins over restarts, and shares them between routers: a cache
// plugin.
type PinStore interface {
	Get(ctx context.Context, namespace, key string) (sdk.Entry, bool, error)
	Put(ctx context.Context, entries ...sdk.Entry) error
	Delete(ctx context.Context, namespace string, keys ...string) error
}

// NamespaceResponses is where pins are in the store: by caller and response id.
const NamespaceResponses = "responses"

// Pin says who made a response.
type Pin struct {
	Channel string
	// Account is the channel's fingerprint: another account does not have the
	// response.
	Account string
	// Model under the provider's name.
	Model string
	// Expires is the store's.
	Expires time.Time `json:"-"`
}

// PinsOptions of Pins.
type PinsOptions struct {
	Store   PinStore
	Account board.Fingerprint
	// Failed is told of writes that did not succeed; they are tried again.
	Failed func(error)
	// Now is time.Now where nil.
	Now func() time.Time
}

// Pins remember which channel made a response. A caller knows only its own. They
// stand in memory in front of the store, which is written behind the requests:
// what a kill leaves out is what was made within the last [pinEvery].
type Pins struct {
	PinsOptions

	mu sync.Mutex
	// young and old hold what was used last; old ones in use come back.
	young, old map[pinKey]*Pin
	// unwritten is what the store has not got yet; nil: to be deleted.
	unwritten map[pinKey]*Pin
	wake      chan struct{}

	// found and missed count the looks for pins.
	found, missed atomic.Int64
}

// pinKey is a response. Ids are the providers': two of them could give the same
// one, and no caller is to lose a response by that of another.
type pinKey struct{ caller, id string }

func (k pinKey) String() string { return k.caller + "\x00" + k.id }

const (
	// youngPins bounds the memory: at most twice so many stand in it.
	youngPins = 16 << 10
	// maxUnwritten bounds what waits while the store is down; what comes then
	// stands in memory only.
	maxUnwritten = 64 << 10
	// maxPinID is the longest id, in bytes, that is remembered.
	maxPinID = 512
	// pinBatch bounds one write.
	pinBatch = 1000
	// pinEvery bounds how often the store is written, pinRetry is the pause
	// after a write that did not succeed, and pinTimeout bounds one write.
	pinEvery   = 20 * time.Millisecond
	pinRetry   = 2 * time.Second
	pinTimeout = 5 * time.Second
	// findTimeout bounds a look into the store while a request waits.
	findTimeout = 2 * time.Second
)

// NewPins are those of a store.
func NewPins(o PinsOptions) *Pins {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Pins{
		PinsOptions: o, young: make(map[pinKey]*Pin), old: make(map[pinKey]*Pin),
		unwritten: make(map[pinKey]*Pin), wake: make(chan struct{}, 1),
	}
}

// Keep notes for ttl that the target made a caller's response.
func (p *Pins) Keep(caller, id string, t *board.Target, ttl time.Duration) {
	if !fitID(id) {
		return
	}
	c := t.Channel.Config
	p.note(pinKey{caller, id}, &Pin{Channel: c.Name, Account: p.Account(c), Model: t.Upstream, Expires: p.Now().Add(ttl)})
}

// Drop forgets a response that was deleted.
func (p *Pins) Drop(caller, id string) { p.note(pinKey{caller, id}, nil) }

// fitID tells whether an id can be asked for: it becomes a part of a path.
func fitID(id string) bool { return id != "" && id != "." && id != ".." && len(id) <= maxPinID }

func (p *Pins) note(k pinKey, pin *Pin) {
	p.mu.Lock()
	p.remember(k, pin)
	if _, waits := p.unwritten[k]; waits || len(p.unwritten) < maxUnwritten {
		p.unwritten[k] = pin
	}
	p.mu.Unlock()
	p.stir()
}

// remember is called with the lock held.
func (p *Pins) remember(k pinKey, pin *Pin) {
	if pin == nil {
		delete(p.young, k)
		delete(p.old, k)
		return
	}
	if len(p.young) >= youngPins {
		p.old, p.young = p.young, make(map[pinKey]*Pin)
	}
	p.young[k] = pin
}

// The places where Find finds a pin.
const (
	pinInMemory = "memory"
	pinInStore  = "store"
	pinNowhere  = "unknown"
	pinFailed   = "error"
)

// Unwritten is how many wait for the store.
func (p *Pins) Unwritten() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.unwritten)
}

// Memory is how often pins were found. How many there are the store knows.
func (p *Pins) Memory() board.Memory {
	return board.Memory{Kind: memoryResponseIDs, Hits: p.found.Load(), Misses: p.missed.Load()}
}

// Find is the pin of a caller's response, and where it was. nil: there is none,
// or it has expired.
func (p *Pins) Find(ctx context.Context, caller, id string) (pin *Pin, where string, err error) {
	defer func() {
		if pin != nil && err == nil {
			p.found.Add(1)
		} else {
			p.missed.Add(1)
		}
	}()
	if !fitID(id) {
		return nil, pinNowhere, nil
	}
	k := pinKey{caller, id}
	p.mu.Lock()
	pin, known := p.unwritten[k]
	if !known {
		if pin, known = p.young[k]; !known {
			if pin, known = p.old[k]; known {
				p.remember(k, pin)
			}
		}
	}
	p.mu.Unlock()
	if known {
		if pin == nil || !p.Now().Before(pin.Expires) {
			return nil, pinNowhere, nil
		}
		return pin, pinInMemory, nil
	}

	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	e, ok, err := p.Store.Get(ctx, NamespaceResponses, k.String())
	if err != nil {
		return nil, pinFailed, fmt.Errorf("the store does not say who made the response: %w", err)
	}
	pin = new(Pin)
	if !ok || json.Unmarshal(e.Value, pin) != nil {
		return nil, pinNowhere, nil
	}
	pin.Expires = e.Expires
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, waits := p.unwritten[k]; !waits { // it was not deleted meanwhile
		p.remember(k, pin)
	}
	return pin, pinInStore, nil
}

// Channel is where a pin's response is, under whatever name the configuration
// has for that account now; nil: it is not there any more.
func (p *Pins) Channel(v *board.View, pin *Pin) *board.Channel {
	is := func(c *config.Channel) bool { return c.Off == "" && p.Account(c) == pin.Account }
	if c := v.Channel(pin.Channel); c != nil && is(c.Config) {
		return c
	}
	for _, c := range v.Channels {
		if is(c.Config) {
			return c
		}
	}
	return nil
}

// Write writes what changes to the store until ctx ends, then once more.
func (p *Pins) Write(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for done := false; !done; {
		select {
		case <-p.wake:
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
			done = true
		}
		next := pinEvery
		// The last write goes on after ctx has ended.
		if err := p.write(context.WithoutCancel(ctx)); err != nil {
			p.Failed(err)
			next = pinRetry
		}
		pause.Reset(next)
	}
}

// write empties unwritten, in which each stays until the store has it.
func (p *Pins) write(ctx context.Context) error {
	for {
		batch := p.batch()
		if len(batch) == 0 {
			return nil
		}
		if err := p.send(ctx, batch); err != nil {
			p.stir()
			return err
		}
		p.mu.Lock()
		for k, pin := range batch {
			if now, ok := p.unwritten[k]; ok && now == pin { // it has not changed since
				delete(p.unwritten, k)
			}
		}
		p.mu.Unlock()
	}
}

// KeepAll writes all that stands in memory, as the store is another one.
func (p *Pins) KeepAll() {
	p.mu.Lock()
	for _, known := range []map[pinKey]*Pin{p.old, p.young} {
		for k, pin := range known {
			if _, waits := p.unwritten[k]; !waits && len(p.unwritten) < maxUnwritten {
				p.unwritten[k] = pin
			}
		}
	}
	p.mu.Unlock()
	p.stir()
}

func (p *Pins) batch() map[pinKey]*Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := make(map[pinKey]*Pin, min(len(p.unwritten), pinBatch))
	for k, pin := range p.unwritten {
		if len(batch) == pinBatch {
			break
		}
		batch[k] = pin
	}
	return batch
}

// stir has the writer look at what is unwritten.
func (p *Pins) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Pins) send(ctx context.Context, batch map[pinKey]*Pin) error {
	ctx, cancel := context.WithTimeout(ctx, pinTimeout)
	defer cancel()
	var put []sdk.Entry
	var gone []string
	for k, pin := range batch {
		if pin == nil {
			gone = append(gone, k.String())
			continue
		}
		value, _ := json.Marshal(pin) // plain data
		put = append(put, sdk.Entry{Namespace: NamespaceResponses, Key: k.String(), Value: value, Expires: pin.Expires})
	}
	if len(put) > 0 {
		if err := p.Store.Put(ctx, put...); err != nil {
			return fmt.Errorf("keeping response ids: %w", err)
		}
	}
	if len(gone) > 0 {
		if err := p.Store.Delete(ctx, NamespaceResponses, gone...); err != nil {
			return fmt.Errorf("removing response ids: %w", err)
		}
	}
	return nil
}
