package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Options of a Fleet.
type Options struct {
	Store   Store
	Board   *board.Board
	Account board.Fingerprint
	// Terms are those of the present configuration; nil: the store is this
	// router's own.
	Terms func() *config.Fleet
}

// Fleet keeps this router's shares of limits.
type Fleet struct {
	o  Options
	id string // of this process
	// turn counts the keys that the router has had.
	turn   int
	ghosts []string // keys of before
	seq    uint64
	// present is the seq of the own entry, as the store was last seen to have it.
	present uint64
	cursor  string
	era     string
	peers   map[string]*peer // by key
	holds   map[slot]*hold
	shared  bool

	// since is when the store was reached after it had not been, renewed when
	// the last write began that succeeded, and gone when it was last known that
	// nobody can reach the store.
	since, renewed, gone time.Time

	status atomic.Pointer[Status]
}

// Status is how the fleet does, as this router sees it.
type Status struct {
	// Routers that live, this one included; 0: the store was never reached.
	Routers int
	// Settled: this router takes shares.
	Settled bool
	// Renewed is when the others were last told what this router holds.
	Renewed time.Time
}

// New is a fleet of which nothing is known yet.
func New(o Options) *Fleet {
	return &Fleet{o: o, id: rand.Text(), peers: make(map[string]*peer), holds: make(map[slot]*hold)}
}

// Status now; nil: limits are shared with nobody.
func (f *Fleet) Status() *Status { return f.status.Load() }

// key of the own entry.
func (f *Fleet) key() string { return fmt.Sprintf("%s.%d", f.id, f.turn) }

const (
	// renewParts of a lease are the pause between two writes of which nothing
	// but that they come is new, at most maxRenew.
	renewParts = 6
	maxRenew   = time.Second
	// hurry is the pause between two looks while shares change hands, and the
	// shortest there is, however often one is asked for.
	hurry = 100 * time.Millisecond
	// idle is how often it is asked whether limits are shared now.
	idle = time.Second
	// lastWrite bounds the write at the end.
	lastWrite = time.Second
)

// Run keeps the shares until ctx ends, and then gives them back.
func (f *Fleet) Run(ctx context.Context) {
	short := f.o.Board.Short()
	for ctx.Err() == nil {
		terms := f.o.Terms()
		if terms == nil {
			f.alone()
			if !pause(ctx, idle, nil) {
				break
			}
			continue
		}
		if !f.shared {
			f.shared = true
			f.status.Store(&Status{})
		}
		next := f.cycle(ctx, terms)
		if least := min(hurry, next); pause(ctx, least, nil) {
			pause(ctx, next-least, short)
		}
	}
	if f.shared && !f.renewed.IsZero() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
		defer cancel()
		f.giveBack(ctx)
	}
}

// pause is false where ctx ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// alone goes back to the whole of all limits.
func (f *Fleet) alone() {
	if !f.shared {
		return
	}
	for _, c := range f.o.Board.View().Channels {
		for _, l := range board.Limits {
			c.SetShare(l, board.Whole)
		}
	}
	f.shared, f.since, f.renewed = false, time.Time{}, time.Time{}
	clear(f.holds)
	clear(f.peers)
	f.status.Store(nil)
}

// cycle looks what the others hold, and what this router should. It answers when
// to look again.
func (f *Fleet) cycle(ctx context.Context, terms *config.Fleet) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, terms.Lease/2)
	defer cancel()
	busy, err := f.exchange(ctx, terms)
	if err != nil {
		f.lost(terms, err)
	}
	f.status.Store(&Status{Routers: f.routers(terms), Settled: f.settled(terms), Renewed: f.renewed})
	if busy {
		return min(hurry, terms.Poll)
	}
	return terms.Poll
}

func (f *Fleet) exchange(ctx context.Context, terms *config.Fleet) (busy bool, err error) {
	if err := f.meet(ctx); err != nil {
		return false, err
	}
	if err := f.read(ctx); err != nil {
		return false, err
	}
	now := time.Now()
	if f.since.IsZero() || f.present < f.seq {
		f.since = now // it was away, or has lost what was in it
	}
	slots := f.slots()
	changed := f.plan(slots, terms, now)
	if changed || now.Sub(f.renewed) >= min(maxRenew, terms.Lease/renewParts) {
		if err := f.write(ctx, terms); err != nil {
			return false, err
		}
		if err := f.read(ctx); err != nil {
			return false, err
		}
		if f.present != f.seq {
			return false, fmt.Errorf("fleet: the store does not have what was written to it")
		}
		f.renewed = now
		f.confirm(slots, terms, time.Now())
		f.bury(ctx, now, terms.Lease)
	}
	return f.busy(slots), nil
}

// meet learns whether the store is the one that it was.
func (f *Fleet) meet(ctx context.Context) error {
	e, ok, err := f.o.Store.Get(ctx, namespaceEra, eraKey)
	if err != nil {
		return fmt.Errorf("fleet: reading the era: %w", err)
	}
	era := string(e.Value)
	if !ok {
		era = rand.Text()
		err := f.o.Store.Put(ctx, sdk.Entry{Namespace: namespaceEra, Key: eraKey, Value: []byte(era), Expires: time.Now().Add(eraKept)})
		if err != nil {
			return fmt.Errorf("fleet: writing the era: %w", err)
		}
	}
	if era != f.era {
		f.era, f.since = era, time.Time{}
	}
	return nil
}

// eraKept is as good as for ever.
const eraKept = 100 * 365 * 24 * time.Hour

// lost is called when the store did not answer. What this router holds it goes
// on with, as long as nobody else can have taken it.
func (f *Fleet) lost(terms *config.Fleet, err error) {
	now := time.Now()
	f.since = time.Time{}
	if sdk.IsStoreGone(err) {
		f.gone = now
	}
	// What was sent may still arrive, and overwrite what is sent next.
	if f.seq > 0 {
		f.ghosts = append(f.ghosts, f.key())
		f.turn, f.seq, f.present = f.turn+1, 0, 0
		if n := len(f.ghosts); n > maxGhosts {
			f.ghosts = f.ghosts[n-maxGhosts:]
		}
	}
	safe := f.renewed
	if f.gone.After(safe) {
		safe = f.gone
	}
	keeps := terms.Silent == config.SilentKeep || now.Sub(safe) < terms.Lease/2
	for s, c := range f.slots() {
		h := f.hold(s)
		switch {
		case s.limit == board.LimitInFlight && !keeps:
			h.share = 0
		case s.limit != board.LimitInFlight && !h.had && now.Sub(h.since) > terms.Lease:
			// A minute's limit that others use too does less harm than none that
			// anybody can use.
			h.share = max(1, c.Most(s.limit)/f.seen())
		default:
			continue
		}
		c.SetShare(s.limit, h.share)
	}
}

// seen is how many routers are known of, this one included, whether they live or
// not: while the store is away nobody can tell.
func (f *Fleet) seen() int64 {
	all := map[string]bool{f.id: true}
	for _, p := range f.peers {
		all[p.router] = true
	}
	return int64(len(all))
}

// maxGhosts bounds what is removed at once; others expire.
const maxGhosts = 100

// settled reports whether this router may take shares: all who hold some have
// said so.
func (f *Fleet) settled(terms *config.Fleet) bool {
	if f.since.IsZero() {
		return false
	}
	now := time.Now()
	long := now.Sub(f.since)
	if long >= terms.Lease {
		return true
	}
	if long < 2*min(maxRenew, terms.Lease/renewParts) {
		return false
	}
	for _, p := range f.peers {
		if p.moved && p.Settled && p.alive(now, terms.Lease/2) {
			return true
		}
	}
	return false
}

// routers that live.
func (f *Fleet) routers(terms *config.Fleet) int {
	if f.renewed.IsZero() {
		return 0
	}
	live := map[string]bool{f.id: true}
	for _, p := range f.peers {
		if p.alive(time.Now(), terms.Lease) {
			live[p.router] = true
		}
	}
	return len(live)
}

// write says what this router holds.
func (f *Fleet) write(ctx context.Context, terms *config.Fleet) error {
	e := entry{Settled: f.settled(terms), Limits: make(map[string]claim, len(f.holds))}
	for s, h := range f.holds {
		e.Limits[s.String()] = h.claim(s.limit)
	}
	return f.put(ctx, e)
}

func (f *Fleet) put(ctx context.Context, e entry) error {
	f.seq++
	e.Seq = f.seq
	value, _ := json.Marshal(e) // plain data
	err := f.o.Store.Put(ctx, sdk.Entry{Namespace: namespace, Key: f.key(), Value: value, Expires: time.Now().Add(kept)})
	if err != nil {
		return fmt.Errorf("fleet: writing shares: %w", err)
	}
	return nil
}

// giveBack is the last word: what was used of this minute, and nothing else.
func (f *Fleet) giveBack(ctx context.Context) {
	e := entry{Limits: make(map[string]claim)}
	for s, c := range f.slots() {
		if used := c.SetShare(s.limit, 0); used > 0 {
			e.Limits[s.String()] = claim{Held: used}
		}
	}
	_ = f.put(ctx, e) // else its lease ends
	_ = f.o.Store.Delete(ctx, namespace, f.ghosts...)
}

// slot is one limit of one channel.
type slot struct {
	channel string // name and account
	limit   board.Limit
}

func (s slot) String() string { return s.channel + " " + string(s.limit) }

// slots of the channels that are there now.
func (f *Fleet) slots() map[slot]*board.Channel {
	out := make(map[slot]*board.Channel)
	for _, c := range f.o.Board.View().Channels {
		if c.Config.Off != "" {
			continue
		}
		for _, l := range board.Limits {
			if c.Most(l) > 0 {
				out[slot{c.Config.Name + " " + f.o.Account(c.Config)[:accountDigits], l}] = c
			}
		}
	}
	maps.DeleteFunc(f.holds, func(s slot, _ *hold) bool { return out[s] == nil })
	return out
}

// accountDigits of a fingerprint tell accounts of one name apart.
const accountDigits = 16
