package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Preparer knows how targets are spoken to: the adapter of the target's
// provider says, and its answer is leased. One serves all pipelines. It
// implements upstream.Preparer.
type Preparer struct {
	adapters map[string]Plugin // by address
	leases   *table[prepareKey, prepared]
	timeout  time.Duration
	now      func() time.Time
	counts   counts
}

type prepareKey struct {
	// channel by identity: a reload that changes it makes a new one.
	channel  *config.Channel
	model    string
	endpoint sdk.Endpoint
	stream   bool
}

func (k prepareKey) hash(seed maphash.Seed) uint64 {
	h := maphash.String(seed, k.channel.Name)*31 + maphash.String(seed, k.model)
	return h*31 + maphash.String(seed, string(k.endpoint))
}

// prepared is an adapter's answer, and which of its processes gave it.
type prepared struct {
	*sdk.Prepared
	epoch uint64
}

// preparedFor is how long an adapter's answer holds where it does not say: it
// rests on the configuration only, and a failure makes it be asked for anew.
var preparedFor = sdk.Lease{Fresh: time.Hour, Stale: 24 * time.Hour}

// adapterBackoff is the pause before an adapter that was down is asked again,
// within the step's time-out: it is usually back within some milliseconds.
const adapterBackoff = 5 * time.Millisecond

// NewPreparer finds the adapters of the configuration's channels. The longest
// time-out of its call steps bounds a question to one.
func NewPreparer(cfg *config.Config, plugins Plugins, now func() time.Time) *Preparer {
	if now == nil {
		now = time.Now
	}
	p := &Preparer{
		now: now, adapters: make(map[string]Plugin),
		leases: newTable[prepareKey, prepared](tableEntries),
	}
	for _, c := range cfg.Channels {
		a := c.Provider.Adapter
		if _, ok := p.adapters[a.Address()]; !ok && c.Off == "" {
			p.adapters[a.Address()] = plugins(a)
		}
	}
	for _, pl := range cfg.Pipelines {
		for _, s := range pl.Steps {
			if s.Kind == sdk.KindAdapter {
				p.timeout = max(p.timeout, s.Timeout)
			}
		}
	}
	return p
}

// Forget drops what is leased for a channel: its answers turned out wrong.
func (p *Preparer) Forget(c *board.Channel) {
	p.leases.forget(func(k prepareKey) bool { return k.channel == c.Config })
}

// Prepare says how a model of a channel, under the provider's name, is spoken
// to. An endpoint that the provider does not have is an error that
// [sdk.IsUnsupported] knows.
func (p *Preparer) Prepare(ctx context.Context, c *board.Channel, model string, e sdk.Endpoint, stream bool) (*sdk.Prepared, error) {
	adapter, ok := p.adapters[c.Config.Provider.Adapter.Address()]
	if !ok {
		return nil, fmt.Errorf("channel %s: its adapter is not running", c.Config.Name)
	}
	k := prepareKey{channel: c.Config, model: model, endpoint: e, stream: stream}
	now := p.now()
	l, f, renew := p.leases.get(&k, now)
	switch {
	case f == fresh || f == stale:
		if renew {
			p.leases.renew(k, p.question(adapter, c, k))
		}
		// A token of its own making dies with the adapter's process.
		if l.value.Auth.Kind != sdk.AuthMinted || l.value.epoch == adapter.Epoch() {
			return usable(l.value, now)
		}
		p.leases.drop(l)
	case f == failed && l.has:
		return usable(l.value, now)
	case f == failed:
		return nil, l.err
	}
	out, err := p.leases.ask(ctx, k, p.question(adapter, c, k))
	if err != nil {
		p.counts.failed.Add(1)
		if l == nil || !l.has {
			return nil, err
		}
		out = l.value
	}
	return usable(out, now)
}

// usable refuses a minted token that has run out while its adapter was down.
func usable(p prepared, now time.Time) (*sdk.Prepared, error) {
	if p.Auth.Kind == sdk.AuthMinted && !p.Auth.Expires.IsZero() && now.After(p.Auth.Expires) {
		return nil, errors.New("the adapter's token has expired and it gives no new one")
	}
	return p.Prepared, nil
}

func (p *Preparer) question(adapter Plugin, c *board.Channel, k prepareKey) question[prepared] {
	return question[prepared]{
		now: p.now, timeout: p.timeout, lease: preparedFor,
		ask: func(ctx context.Context) (prepared, sdk.Lease, error) {
			for {
				p.counts.asked.Add(1)
				epoch := adapter.Epoch()
				out, err := adapter.Adapter.Prepare(ctx, c.Info, k.model, k.endpoint, k.stream)
				if err == nil {
					return prepared{&out, epoch}, out.Lease, nil
				}
				if status.Code(err) != codes.Unavailable {
					return prepared{}, sdk.Lease{}, err
				}
				select {
				case <-time.After(adapterBackoff):
				case <-ctx.Done():
					return prepared{}, sdk.Lease{}, err
				}
			}
		},
	}
}

// call is the call step. The upstream part of the core asks the Preparer for
// each target that it tries.
type call struct {
	cfg      *config.Step
	preparer *Preparer
}

func (c *call) name() string { return c.cfg.Name }

func (c *call) run(context.Context, *Request, *Verdict) {}

func (c *call) stats() StepStats {
	l := c.preparer.leases
	return StepStats{
		Step: c.cfg.Name, Kind: sdk.KindAdapter,
		Fresh: l.fresh.Load(), Stale: l.stale.Load(),
		Asked: c.preparer.counts.asked.Load(), Failed: c.preparer.counts.failed.Load(),
	}
}
