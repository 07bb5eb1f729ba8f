package server

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

const (
	// maxPairs is how many pairs of channel and model have figures of their own.
	// Those that come later are counted together, by channel, as otherModels.
	maxPairs    = 500
	otherModels = "other"
)

// table is a map that is read much more often than it grows: reading takes no
// lock.
type table[K comparable, V any] struct {
	mu sync.Mutex
	m  atomic.Pointer[map[K]*V]
}

func (t *table[K, V]) find(k K) *V {
	if m := t.m.Load(); m != nil {
		return (*m)[k]
	}
	return nil
}

// get makes what is not there.
func (t *table[K, V]) get(k K, create func() *V) *V {
	if v := t.find(k); v != nil {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.find(k); v != nil {
		return v
	}
	next := maps.Clone(t.all())
	if next == nil {
		next = make(map[K]*V, 1)
	}
	v := create()
	next[k] = v
	t.m.Store(&next)
	return v
}

// all must not be changed.
func (t *table[K, V]) all() map[K]*V {
	if m := t.m.Load(); m != nil {
		return *m
	}
	return nil
}

// pairName names a target, also after its view is gone. Both are empty for
// requests that came to no target.
type pairName struct{ channel, model string }

// pair is the figures of one model on one channel, with its children of the
// vectors found once.
type pair struct {
	name    pairName
	classes [board.Models + 1]atomic.Pointer[tries]
	meters  table[sdk.Endpoint, meter]

	firstOK, firstFailed, retryOK, retryFailed prometheus.Counter
	input, output, cached, reasoning           prometheus.Counter
	cost, unpriced                             prometheus.Counter
	speed                                      prometheus.Observer

	mu     sync.Mutex
	counts pairCounts
	speeds sketch
}

// pairCounts are since the start of the router.
type pairCounts struct {
	first, retry Rate
	tokens       Tokens
	cost         float64 // US dollars
	unpriced     uint64
}

// tries of one class.
type tries struct {
	total prometheus.Counter
	took  prometheus.Observer
}

// meter is the figures of a pair at one endpoint.
type meter struct {
	duration, ttft       prometheus.Observer
	noUsage, estimations prometheus.Counter

	mu                   sync.Mutex
	counts               meterCounts
	durations, firstText sketch
}

// meterCounts are since the start of the router.
type meterCounts struct {
	requests, failed, cancelled, noUsage, estimated uint64
}

// pair finds the figures of a model on a channel.
func (m *Metrics) pair(channel, model string) *pair {
	name := pairName{channel, model}
	if p := m.pairs.find(name); p != nil {
		return p
	}
	if len(m.pairs.all()) >= maxPairs && channel != "" {
		name.model = otherModels
	}
	return m.pairs.get(name, func() *pair {
		c, model := name.channel, name.model
		return &pair{
			name:    name,
			firstOK: m.tries.WithLabelValues(c, model, "first", "ok"), firstFailed: m.tries.WithLabelValues(c, model, "first", "failed"),
			retryOK: m.tries.WithLabelValues(c, model, "retry", "ok"), retryFailed: m.tries.WithLabelValues(c, model, "retry", "failed"),
			input: m.tokens.WithLabelValues(c, model, "input"), output: m.tokens.WithLabelValues(c, model, "output"),
			cached: m.tokenParts.WithLabelValues(c, model, "cached"), reasoning: m.tokenParts.WithLabelValues(c, model, "reasoning"),
			cost: m.cost.WithLabelValues(c, model), unpriced: m.unpriced.WithLabelValues(c, model),
			speed: m.speed.WithLabelValues(c, model),
		}
	})
}

// of finds the figures of the endpoint.
func (p *pair) of(m *Metrics, e sdk.Endpoint) *meter {
	if x := p.meters.find(e); x != nil {
		return x
	}
	return p.meters.get(e, func() *meter {
		c, model := p.name.channel, p.name.model
		return &meter{
			duration: m.duration.WithLabelValues(string(e), c, model), ttft: m.ttft.WithLabelValues(string(e), c, model),
			noUsage:     m.noUsage.WithLabelValues(string(e), c, model),
			estimations: m.estimated.WithLabelValues(string(e), c, model),
		}
	})
}

// class finds the tries that end so.
func (p *pair) class(m *Metrics, class board.Class) *tries {
	at := &p.classes[min(class, board.Models)]
	if t := at.Load(); t != nil {
		return t
	}
	how := classWord(class)
	t := &tries{
		total: m.attempts.WithLabelValues(p.name.channel, p.name.model, how),
		took:  m.attempt.WithLabelValues(p.name.channel, how),
	}
	at.Store(t) // whoever else does so stores the same children
	return t
}

// answerName is what requests are counted by.
type answerName struct {
	endpoint sdk.Endpoint
	status   int
}

// cachedAnswers are the requests with which a cache step did the same.
type cachedAnswers struct {
	total prometheus.Counter
	n     atomic.Uint64
}

// answered is a request at its end.
type answered struct {
	endpoint sdk.Endpoint
	status   int
	stream   bool
	left     bool // its client did before the end
	cache    string
	took     time.Duration
	forward  *upstream.Outcome
}

// record counts a request at its end.
func (m *Metrics) record(now time.Time, a *answered) {
	name := answerName{a.endpoint, a.status}
	(*m.answers.get(name, func() *prometheus.Counter {
		c := m.requests.WithLabelValues(string(name.endpoint), strconv.Itoa(name.status))
		return &c
	})).Inc()
	if a.left {
		m.cancelled.Inc()
	}
	if a.cache != "" {
		c := m.cached.get(a.cache, func() *cachedAnswers {
			return &cachedAnswers{total: m.answersCached.WithLabelValues(a.cache)}
		})
		c.total.Inc()
		c.n.Add(1)
	}
	f := a.forward
	channel, model := "", ""
	if f.Target != nil {
		channel, model = f.Target.Channel.Config.Name, f.Target.Model
	}
	p := m.pair(channel, model)
	m.tried(f)
	u := f.Usage
	known := u != (wire.Usage{})
	good := f.Target != nil && f.Committed && f.Status >= 200 && f.Status <= 299
	p.of(m, a.endpoint).record(now, a, known, good)
	if known {
		p.spent(f, u)
	}
	if text := f.Total - f.TTFT; known && good && a.stream && f.Complete && f.TTFT > 0 && text > 0 && u.Output > 1 {
		// The first token is what the time begins with.
		v := float64(u.Output-1) / text.Seconds()
		p.speed.Observe(v)
		p.mu.Lock()
		p.speeds.add(now, v)
		p.mu.Unlock()
	}
}

func (x *meter) record(now time.Time, a *answered, known, good bool) {
	f := a.forward
	took, first := a.took.Seconds(), firstContent(f, now.Add(-a.took), a.stream).Seconds()
	x.duration.Observe(took)
	if first > 0 {
		x.ttft.Observe(first)
	}
	estimated := known && f.Rescued
	switch {
	case good && !known:
		x.noUsage.Inc()
	case estimated:
		x.estimations.Inc()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &x.counts
	c.requests++
	switch {
	case a.left:
		c.cancelled++
	case a.status >= 400, good && !f.Complete:
		c.failed++
	}
	if good && !known {
		c.noUsage++
	}
	if estimated {
		c.estimated++
	}
	x.durations.add(now, took)
	if first > 0 {
		x.firstText.add(now, first)
	}
}

// firstContent is from a request's first byte to the first content of its
// stream; 0: there was none. A whole answer's first token comes with its last.
func firstContent(f *upstream.Outcome, start time.Time, stream bool) time.Duration {
	if !stream || f.TTFT == 0 {
		return 0
	}
	return f.Begun.Sub(start) + f.TTFT
}

// spent counts tokens, and what they cost where the channel has a price for them.
func (p *pair) spent(f *upstream.Outcome, u wire.Usage) {
	p.input.Add(float64(u.Input))
	p.output.Add(float64(u.Output))
	p.cached.Add(float64(u.Cached))
	p.reasoning.Add(float64(u.Reasoning))
	cost, priced := costOf(f.Target, u)
	if priced {
		p.cost.Add(cost)
	} else {
		p.unpriced.Inc()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.counts
	c.tokens.add(Tokens{Input: u.Input, Output: u.Output, Cached: u.Cached, Reasoning: u.Reasoning})
	c.cost += cost
	if !priced {
		c.unpriced++
	}
}

// costOf is what tokens cost in US dollars; not ok: the channel has no price
// for the model.
func costOf(t *board.Target, u wire.Usage) (dollars float64, ok bool) {
	price := t.Price
	if price == nil {
		return 0, false
	}
	const million = 1e6
	return (float64(u.Input)*price.Input + float64(u.Output)*price.Output) / million, true
}

// tried counts how first tries and later ones went, and whether the later ones
// made up for the first. Those that say nothing of the target do not count: an
// idle connection was closed, a token was renewed, or the client left.
func (m *Metrics) tried(f *upstream.Outcome) {
	count, lost := 0, false
	for i := range f.Attempts {
		t := &f.Attempts[i]
		if t.Class == board.None && (t.Status == 0 || t.Status == 401) {
			continue
		}
		ok := t.Class == board.None
		p := m.pair(t.Target.Channel.Config.Name, t.Target.Model)
		p.mu.Lock()
		if count == 0 {
			p.counts.first.add(ok)
			lost = !ok
		} else {
			p.counts.retry.add(ok)
		}
		p.mu.Unlock()
		switch {
		case count == 0 && ok:
			p.firstOK.Inc()
		case count == 0:
			p.firstFailed.Inc()
		case ok:
			p.retryOK.Inc()
		default:
			p.retryFailed.Inc()
		}
		count++
	}
	switch {
	case !lost:
	case f.Complete && f.Status < 400:
		m.recovered.Inc()
		m.recoveries.ok.Add(1)
	default:
		m.unrecovered.Inc()
		m.recoveries.failed.Add(1)
	}
}
