package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Preparer knows how targets are spoken to: the adapter of the target's
// provider says, and its answer is leased. One serves all pipelines of all
// configurations in use. It implements upstream.Preparer.
type Preparer struct {
	adapters atomic.Pointer[adapters]
	applying sync.Mutex
	leases   *table[prepareKey, prepared]
	now      func() time.Time
	counts   counts
}

// adapters of the configurations in use, that of the newest first. They do not
// change.
type adapters struct {
	// version is another one when some address has another adapter.
	version uint32
	timeout time.Duration // of the newest configuration
	sets    []*adapterSet
}

// adapterSet are the adapters of one configuration.
type adapterSet struct{ byAddress map[string]Plugin }

func (a *adapters) find(address string) (p Plugin, ok bool) {
	for _, s := range a.sets {
		if p, ok = s.byAddress[address]; ok {
			break
		}
	}
	return p, ok
}

type prepareKey struct {
	// channel by identity: a reload that changes it makes a new one.
	channel *config.Channel
	// adapters is their version: what another adapter said is no answer.
	adapters uint32
	model    string
	endpoint sdk.Endpoint
	stream   bool
}

func (k prepareKey) hash(seed maphash.Seed) uint64 {
	h := maphash.String(seed, k.channel.Name)*31 + maphash.String(seed, k.model)
	return h*31 + maphash.String(seed, string(k.endpoint))
}

// prepared is an adapter's answer: how a target is spoken to, or that it can't
// be by this endpoint.
type prepared struct {
	*sdk.Prepared
	unsupported error
	// epoch is that of the process which gave it.
	epoch uint64
}

func (p *prepared) minted() bool {
	return p.unsupported == nil && p.Auth.Kind == sdk.AuthMinted
}

// usable is the answer, but for a minted token that has run out while its
// adapter was down.
func (p *prepared) usable(now time.Time) (*sdk.Prepared, error) {
	if p.minted() && !p.Auth.Expires.IsZero() && !now.Before(p.Auth.Expires) {
		return nil, errors.New("the adapter's token has expired and it gives no new one")
	}
	return p.Prepared, p.unsupported
}

// preparedFor is how long an adapter's answer holds where it does not say: it
// rests on the configuration only, and a failure makes it be asked for anew.
var preparedFor = sdk.Lease{Fresh: time.Hour, Stale: 24 * time.Hour}

// adapterBackoff is the pause before an adapter that was down is asked again,
// within the step's time-out.
const adapterBackoff = 5 * time.Millisecond

// NewPreparer knows no adapter yet. A nil clock is time.Now.
func NewPreparer(now func() time.Time) *Preparer {
	if now == nil {
		now = time.Now
	}
	p := &Preparer{now: now, leases: newTable[prepareKey, prepared](tableEntries)}
	p.adapters.Store(&adapters{})
	return p
}

// Apply takes the adapters of a configuration's channels, before those of older
// ones, which stay until their requests are over and retire is called: these may
// still come to a channel that is gone. The longest time-out of the call steps
// bounds a question to an adapter.
func (p *Preparer) Apply(cfg *config.Config, plugins Plugins) (retire func()) {
	own := &adapterSet{make(map[string]Plugin)}
	for _, c := range cfg.Channels {
		a := c.Provider.Adapter
		if _, ok := own.byAddress[a.Address()]; !ok && c.Off == "" {
			own.byAddress[a.Address()] = plugins(a)
		}
	}
	var timeout time.Duration
	for _, pl := range cfg.Pipelines {
		for _, s := range pl.Steps {
			if s.Kind == sdk.KindAdapter {
				timeout = max(timeout, s.Timeout)
			}
		}
	}
	p.applying.Lock()
	defer p.applying.Unlock()
	was := p.adapters.Load()
	next := &adapters{version: was.version, timeout: timeout, sets: append([]*adapterSet{own}, was.sets...)}
	for address, a := range own.byAddress {
		if old, ok := was.find(address); ok && old.Instance != a.Instance {
			next.version = was.version + 1
		}
	}
	p.adapters.Store(next)
	return func() { p.retire(own) }
}

func (p *Preparer) retire(own *adapterSet) {
	p.applying.Lock()
	defer p.applying.Unlock()
	next := *p.adapters.Load()
	next.sets = slices.DeleteFunc(slices.Clone(next.sets), func(s *adapterSet) bool { return s == own })
	p.adapters.Store(&next)
}

// Forget drops what is leased for a channel: its answers turned out wrong.
func (p *Preparer) Forget(c *board.Channel) {
	p.leases.forget(func(k prepareKey) bool { return k.channel == c.Config })
}

// Prepare says how a model of a channel, under the provider's name, is spoken
// to. An endpoint that the provider does not have is an error that
// [sdk.IsUnsupported] knows.
func (p *Preparer) Prepare(ctx context.Context, c *board.Channel, model string, e sdk.Endpoint, stream bool) (*sdk.Prepared, error) {
	k := prepareKey{channel: c.Config, adapters: p.adapters.Load().version, model: model, endpoint: e, stream: stream}
	now := p.now()
	l, f, renew := p.leases.get(&k, now)
	leased := f == fresh || f == stale
	if leased && !renew && !l.value.minted() {
		return l.value.usable(now)
	}
	adapter, err := p.adapter(c)
	if err != nil {
		return nil, err
	}
	if renew {
		p.leases.renew(k, p.question(c, k))
	}
	switch {
	case leased && l.value.minted() && l.value.epoch != adapter.Epoch():
		p.leases.drop(l) // a token dies with the process that minted it
	case leased, f == failed && l.has:
		return l.value.usable(now)
	case f == failed:
		return nil, l.err
	}
	out, err := p.leases.ask(ctx, k, p.question(c, k))
	if err != nil {
		p.counts.failed.Add(1)
		if l == nil || !l.has {
			return nil, err
		}
		out = l.value
	}
	return out.usable(now)
}

// adapter of a channel, as it runs now.
func (p *Preparer) adapter(c *board.Channel) (Plugin, error) {
	a, ok := p.adapters.Load().find(c.Config.Provider.Adapter.Address())
	if !ok {
		return a, fmt.Errorf("channel %s: its adapter is not running", c.Config.Name)
	}
	return a, nil
}

func (p *Preparer) question(c *board.Channel, k prepareKey) question[prepared] {
	return question[prepared]{
		now: p.now, timeout: p.adapters.Load().timeout, lease: preparedFor,
		ask: func(ctx context.Context) (prepared, sdk.Lease, error) {
			answer, err := patient(ctx, adapterBackoff, adapterBackoff, func() (prepared, error) {
				adapter, err := p.adapter(c) // another one, where a reload comes between two tries
				if err != nil {
					return prepared{}, err
				}
				p.counts.asked.Add(1)
				epoch := adapter.Epoch()
				out, err := adapter.Adapter.Prepare(ctx, c.Info, k.model, k.endpoint, k.stream)
				if sdk.IsUnsupported(err) {
					return prepared{unsupported: err, epoch: epoch}, nil
				}
				return prepared{Prepared: &out, epoch: epoch}, err
			})
			if err != nil {
				return prepared{}, sdk.Lease{}, err
			}
			return answer, answer.lease(p.now()), nil
		},
	}
}

// lease is the adapter's own or the default, but a minted token is renewed
// before it runs out.
func (p *prepared) lease(now time.Time) sdk.Lease {
	span := preparedFor
	if p.unsupported == nil && !p.Lease.IsZero() {
		span = p.Lease
	}
	if !p.minted() || p.Auth.Expires.IsZero() {
		return span
	}
	left := p.Auth.Expires.Sub(now)
	if left <= 0 {
		return sdk.NoLease
	}
	span.Fresh = min(span.Fresh, left*9/10)
	span.Stale = min(span.Stale, left-max(0, span.Fresh))
	return span
}

// call is the call step. The upstream part of the core asks the Preparer for
// each target that it tries.
type call struct {
	cfg      *config.Step
	preparer *Preparer
}

func (c *call) name() string { return c.cfg.Name }

func (c *call) run(context.Context, *Request, *Verdict) {}

func (c *call) memories(now time.Time) []board.Memory {
	return []board.Memory{c.preparer.leases.memory(memoryPrepared, now)}
}

func (c *call) stats() StepStats {
	l := c.preparer.leases
	return StepStats{
		Step: c.cfg.Name, Kind: sdk.KindAdapter,
		Fresh: l.fresh.Load(), Stale: l.stale.Load(),
		Asked: c.preparer.counts.asked.Load(), Failed: c.preparer.counts.failed.Load(),
	}
}
