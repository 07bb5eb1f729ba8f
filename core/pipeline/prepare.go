package pipeline

import (
	"context"
	"errors"
	"fmt"
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
	leases   *table[prepareKey, *sdk.Prepared]
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
		leases: newTable[prepareKey, *sdk.Prepared](tableEntries),
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
	l, f, renew := p.leases.get(k, now)
	if f == fresh || f == stale {
		if renew {
			p.leases.renew(k, p.question(adapter, c, k))
		}
		return usable(l.value, now)
	}
	if f == failed {
		if l.has {
			return usable(l.value, now)
		}
		return nil, l.err
	}
	out, err := p.leases.ask(ctx, k, p.question(adapter, c, k))
	if err != nil {
		p.counts.failed.Add(1)
		if l != nil && l.has {
			return usable(l.value, now)
		}
		return nil, err
	}
	return out, nil
}

// usable refuses a minted token that has run out while its adapter was down.
func usable(p *sdk.Prepared, now time.Time) (*sdk.Prepared, error) {
	if p.Auth.Kind == sdk.AuthMinted && !p.Auth.Expires.IsZero() && now.After(p.Auth.Expires) {
		return nil, errors.New("the adapter's token has expired and it gives no new one")
	}
	return p, nil
}

func (p *Preparer) question(adapter Plugin, c *board.Channel, k prepareKey) question[*sdk.Prepared] {
	return question[*sdk.Prepared]{
		now: p.now, timeout: p.timeout, lease: preparedFor,
		ask: func(ctx context.Context) (*sdk.Prepared, sdk.Lease, error) {
			for {
				p.counts.asked.Add(1)
				out, err := adapter.Adapter.Prepare(ctx, c.Info, k.model, k.endpoint, k.stream)
				if err == nil {
					return &out, out.Lease, nil
				}
				if status.Code(err) != codes.Unavailable {
					return nil, sdk.Lease{}, err
				}
				select {
				case <-time.After(adapterBackoff):
				case <-ctx.Done():
					return nil, sdk.Lease{}, err
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
