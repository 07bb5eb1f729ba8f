package pipeline

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// health is the prober step. It runs behind the requests, which only read
// what it keeps on the board.
type health struct {
	cfg    *config.Step
	board  *board.Board
	plugin Plugin
	now    func() time.Time
	log    hclog.Logger
	counts counts

	mu  sync.Mutex
	due map[string]due // by channel

	probed    chan struct{} // closed once every channel was probed once
	announced atomic.Bool
}

type due struct {
	at time.Time
	// soon is when a channel in trouble is due.
	soon    time.Time
	account *config.Channel
	busy    bool
	probed  bool // at least once
}

const (
	// healthTick is how often it is looked which leases run out.
	healthTick = 250 * time.Millisecond
	// renewAt is the part of a lease after which it is renewed, and
	// renewJitter the part over which channels are spread before that.
	renewAt     = 0.9
	renewJitter = 0.1
)

// jittered is a part of d, so that channels do not go in step.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (renewAt - renewJitter*rand.Float64()))
}

func newHealth(s *config.Step, o Options, log hclog.Logger) *health {
	return &health{
		cfg: s, board: o.Board, plugin: o.Plugins(s.Plugin), now: o.Now, log: log,
		due: make(map[string]due), probed: make(chan struct{}),
	}
}

func (h *health) name() string { return h.cfg.Name }

// run has nothing to do: requests read the board.
func (h *health) run(context.Context, *Request, *Verdict) {}

func (h *health) ready() <-chan struct{} { return h.probed }

func (h *health) background(ctx context.Context) {
	slots := make(chan struct{}, max(1, h.cfg.AtOnce))
	tick := time.NewTicker(healthTick)
	defer tick.Stop()
	for {
		for _, c := range h.take() {
			go func() {
				select {
				case slots <- struct{}{}:
					h.probe(ctx, c)
					h.announce() // the start waits for it
					<-slots
				case <-ctx.Done():
				}
			}()
		}
		h.announce()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// take claims the channels whose leases run out.
func (h *health) take() []*board.Channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var out []*board.Channel
	for _, c := range h.board.View().Channels {
		if c.Config.Off != "" {
			continue
		}
		d, known := h.due[c.Config.Name]
		if known && d.account != c.Config {
			known = known && d.busy // a reload: look again what is leased
		}
		if !known {
			d = due{at: now.Add(renewIn(c.Health(), now))}
		}
		d.account = c.Config
		if !d.busy && !now.Before(d.when(c, now)) {
			d.busy = true
			out = append(out, c)
		}
		h.due[c.Config.Name] = d
	}
	return out
}

// when a channel is due; one in trouble is looked after, so that its recovery
// is seen.
func (d *due) when(c *board.Channel, now time.Time) time.Time {
	if c.Ailing(now) && d.soon.Before(d.at) {
		return d.soon
	}
	return d.at
}

// NextProbe is when a prober step will ask about a channel next; zero: there
// is no such step, or it does not know the channel.
func (p *Pipeline) NextProbe(channel string) time.Time {
	for _, s := range p.steps {
		if h, ok := s.step.(*health); ok {
			return h.nextProbe(channel)
		}
	}
	return time.Time{}
}

// nextProbe is when a channel will be probed; zero: it is not known.
func (h *health) nextProbe(channel string) time.Time {
	c := h.board.View().Channel(channel)
	h.mu.Lock()
	defer h.mu.Unlock()
	d, known := h.due[channel]
	if c == nil || c.Config.Off != "" || !known {
		return time.Time{}
	}
	return d.when(c, h.now())
}

// renewIn is how long leases serve before they must be renewed, which is one
// of the parts that an answer has; 0: they have run out.
func renewIn(k *board.Health, now time.Time) time.Duration {
	end := k.Until
	for _, until := range []time.Time{k.KeyUntil, k.ModelsUntil, k.SpecsUntil, k.PricesUntil} {
		if !until.IsZero() && until.Before(end) {
			end = until
		}
	}
	return jittered(max(0, end.Sub(now)))
}

func (h *health) probe(ctx context.Context, c *board.Channel) {
	pctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	h.counts.asked.Add(1)
	answer, err := h.plugin.Prober.Probe(pctx, c.Info, c.Config.Models)
	now := h.now()
	// A probe that found nothing out, found the channel down, or may not be
	// leased is soon made again.
	soon := jittered(h.cfg.RecoveryInterval)
	next := soon
	if err != nil {
		h.counts.failed.Add(1)
		if ctx.Err() == nil {
			h.log.Warn("probe failed", "channel", c.Config.Name, "err", err)
		}
	} else {
		was, leased := c.Health(), h.lease(answer, now)
		h.board.SetHealth(c, leased)
		if was.State != answer.State {
			h.log.Info("health", "channel", c.Config.Name, "state", answer.State, "reason", answer.Reason)
		}
		// Of what was found out now: parts that this answer lacks, such as the
		// list of a provider that is busy, come with one of the next.
		if in := renewIn(&leased, now); in > 0 && answer.State != sdk.HealthDown {
			next = in
		}
		// What the list did not say again is forgotten when it ends.
		for _, until := range []time.Time{c.Health().SpecsUntil, c.Health().PricesUntil} {
			if left := until.Sub(now); left > 0 {
				next = min(next, left)
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due[c.Config.Name] = due{at: now.Add(next), soon: now.Add(soon), account: c.Config, probed: true}
}

// lease puts an end to each part of the answer.
func (h *health) lease(a sdk.Health, now time.Time) board.Health {
	until := func(l sdk.Lease, fallback time.Duration) time.Time {
		if l.IsZero() {
			return now.Add(fallback)
		}
		return now.Add(max(0, l.Fresh))
	}
	out := board.Health{State: a.State, Reason: a.Reason, Until: until(a.Lease, h.cfg.Interval)}
	if a.Key != sdk.KeyUnknown {
		out.Key, out.KeyUntil = a.Key, until(a.KeyLease, h.cfg.KeyInterval)
	}
	if a.Listed {
		out.Listed, out.Models = true, a.Models
		out.ModelsUntil = until(a.ModelsLease, h.cfg.ModelsInterval)
		for _, m := range a.Models {
			if out.SpecsUntil.IsZero() && (m.ContextTokens > 0 || m.OutputTokens > 0) {
				out.SpecsUntil = until(a.SpecsLease, h.cfg.SpecsInterval)
			}
			if out.PricesUntil.IsZero() && m.Price.Known {
				out.PricesUntil = until(a.PricesLease, h.cfg.PricesInterval)
			}
		}
	}
	return out
}

// announce closes probed when of every channel something is known, be it by a
// probe or from before the start.
func (h *health) announce() {
	if h.announced.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.board.View().Channels {
		if c.Config.Off != "" {
			continue
		}
		k := c.Health()
		known := k.State != sdk.HealthUnknown && (k.Listed || c.Config.Models != nil)
		if d, seen := h.due[c.Config.Name]; !known && (!seen || !d.probed) {
			return
		}
	}
	h.announced.Store(true)
	close(h.probed)
}

func (h *health) stats() StepStats {
	return StepStats{Step: h.cfg.Name, Kind: sdk.KindProber, Asked: h.counts.asked.Load(), Failed: h.counts.failed.Load()}
}
