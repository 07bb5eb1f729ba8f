package server

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
)

// Stats is what GET /admin/stats answers. Counts are since the router's start,
// percentiles of the last 10 to 20 minutes, times in seconds.
type Stats struct {
	Now   time.Time `json:"now"`
	Since time.Time `json:"since"`
	// PercentileError is the largest error of a percentile, as a part of it.
	PercentileError float64 `json:"percentile_error"`
	// InFlight is how many requests are worked on now, Most how many may be; 0: any.
	InFlight int64 `json:"in_flight"`
	Most     int   `json:"max_in_flight"`
	// Recoveries are requests whose first try failed, by whether they were
	// answered after all.
	Recoveries Rate `json:"recoveries"`
	// Cache is hits and misses of the cache step, and Answers what became of how
	// many requests: hit, miss, bypass, or shared with an equal one.
	Cache   Rate              `json:"cache"`
	Answers map[string]uint64 `json:"answers,omitempty"`
	Total   PairStats         `json:"total"`
	// Pairs of channel and model, those with the most requests first. What came
	// to no target has neither.
	Pairs    []PairStats     `json:"pairs"`
	Channels []ChannelFigure `json:"channels"`
	// Caches is what the router remembers.
	Caches CacheStats `json:"caches"`
	// Sides of the selector steps that have a canary, and the shadows.
	Sides   []SideStats   `json:"sides,omitempty"`
	Shadows []ShadowStats `json:"shadows,omitempty"`
}

// PairStats are the figures of one model on one channel.
type PairStats struct {
	Channel string `json:"channel,omitempty"`
	Model   string `json:"model,omitempty"`

	Requests uint64 `json:"requests"`
	// Failed got an error, or an answer that broke off.
	Failed    uint64 `json:"failed"`
	Cancelled uint64 `json:"cancelled"`
	// First tries and Retries at this target, by how they went.
	First   Rate `json:"first_tries"`
	Retries Rate `json:"retries"`

	Duration *Percentiles `json:"duration_seconds,omitempty"`
	// TTFT and TokensPerSecond are of streams; the latter only where they told
	// their usage.
	TTFT            *Percentiles `json:"time_to_first_token_seconds,omitempty"`
	TokensPerSecond *Percentiles `json:"output_tokens_per_second,omitempty"`

	Tokens Tokens  `json:"tokens"`
	Cost   float64 `json:"cost_dollars"`
	// WithoutUsage answers did not say how many tokens they took, Unpriced ones
	// have no price, and Estimated ones were rescued streams.
	WithoutUsage uint64 `json:"without_usage"`
	Unpriced     uint64 `json:"unpriced"`
	Estimated    uint64 `json:"estimated_usage"`
}

// ChannelFigure is what a channel works on now.
type ChannelFigure struct {
	Name     string `json:"name"`
	InFlight int64  `json:"in_flight"`
	Most     int    `json:"max_in_flight"`
	Queued   int64  `json:"queued"`
	// QueueWait of the requests that had to wait, whether they got a place or not.
	QueueWait *Percentiles `json:"queue_wait_seconds,omitempty"`
}

// Tokens that upstreams counted.
type Tokens struct {
	Input     int64 `json:"input"`
	Output    int64 `json:"output"`
	Cached    int64 `json:"cached"`    // of Input
	Reasoning int64 `json:"reasoning"` // of Output
}

func (t *Tokens) add(o Tokens) {
	t.Input += o.Input
	t.Output += o.Output
	t.Cached += o.Cached
	t.Reasoning += o.Reasoning
}

// Rate is how often something went well.
type Rate struct {
	OK     uint64 `json:"ok"`
	Failed uint64 `json:"failed"`
}

func (r *Rate) add(ok bool) {
	if ok {
		r.OK++
	} else {
		r.Failed++
	}
}

// Share is the part that went well, from 0 to 1; not ok: nothing was counted.
func (r Rate) Share() (share float64, ok bool) {
	all := r.OK + r.Failed
	if all == 0 {
		return 0, false
	}
	return float64(r.OK) / float64(all), true
}

func (s *Server) stats(w http.ResponseWriter, r *http.Request) {
	st := s.state.Load()
	out := s.metrics.stats(time.Now())
	out.InFlight, out.Most = s.load.inFlight.Load(), st.Config.Server.MaxInFlight
	out.Sides, out.Shadows = s.metrics.sideStats(out.Now), st.shadowStats()
	for _, c := range st.Board.View().Channels {
		f := ChannelFigure{
			Name: c.Config.Name, InFlight: c.InFlight(), Most: c.Config.MaxInFlight, Queued: int64(c.Queued()),
		}
		f.QueueWait = s.metrics.queueWait(f.Name, out.Now)
		out.Channels = append(out.Channels, f)
	}
	out.Caches = st.Caches(r.Context(), out.Now)
	answer(w, http.StatusOK, out)
}

// queueWait is how long requests waited for a place at a channel; nil: none did.
func (m *Metrics) queueWait(channel string, now time.Time) *Percentiles {
	w := m.waits.find(channel)
	if w == nil {
		return nil
	}
	var t tally
	w.mu.Lock()
	defer w.mu.Unlock()
	t.take(&w.sketch, now)
	return t.percentiles()
}

// stats are the figures of the requests.
func (m *Metrics) stats(now time.Time) Stats {
	out := Stats{
		Now: now, Since: m.since, PercentileError: sketchError,
		Recoveries: Rate{OK: m.recoveries.ok.Load(), Failed: m.recoveries.failed.Load()},
	}
	var all talliesOfPair
	for _, p := range m.pairs.all() {
		s, t := p.stats(now)
		s.Duration, s.TTFT, s.TokensPerSecond = t.duration.percentiles(), t.ttft.percentiles(), t.speed.percentiles()
		all.merge(&t)
		out.Total.add(&s)
		if s.Requests+s.First.OK+s.First.Failed+s.Retries.OK+s.Retries.Failed > 0 {
			out.Pairs = append(out.Pairs, s)
		}
	}
	out.Total.Duration, out.Total.TTFT, out.Total.TokensPerSecond = all.duration.percentiles(), all.ttft.percentiles(), all.speed.percentiles()
	slices.SortFunc(out.Pairs, func(a, b PairStats) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Model, b.Model))
	})
	for how, n := range m.cached.all() {
		if out.Answers == nil {
			out.Answers = make(map[string]uint64)
		}
		out.Answers[how] = n.n.Load()
		switch how {
		case pipeline.Hit:
			out.Cache.OK = out.Answers[how]
		case pipeline.Bypass, pipeline.Shared: // these were not looked for, or by another
		default:
			out.Cache.Failed += out.Answers[how]
		}
	}
	return out
}

// talliesOfPair are what percentiles are made of.
type talliesOfPair struct{ duration, ttft, speed tally }

func (t *talliesOfPair) merge(o *talliesOfPair) {
	t.duration.merge(&o.duration.counts)
	t.ttft.merge(&o.ttft.counts)
	t.speed.merge(&o.speed.counts)
}

// stats of the pair over all its endpoints.
func (p *pair) stats(now time.Time) (PairStats, talliesOfPair) {
	out := PairStats{Channel: p.name.channel, Model: p.name.model}
	var t talliesOfPair
	p.mu.Lock()
	out.First, out.Retries, out.Tokens = p.counts.first, p.counts.retry, p.counts.tokens
	out.Cost, out.Unpriced = p.counts.cost, p.counts.unpriced
	t.speed.take(&p.speeds, now)
	p.mu.Unlock()
	for e, x := range p.meters.all() {
		if e == endpointResponse {
			continue // no model works on it
		}
		x.mu.Lock()
		c := x.counts
		t.duration.take(&x.durations, now)
		t.ttft.take(&x.firstText, now)
		x.mu.Unlock()
		out.Requests += c.requests
		out.Failed += c.failed
		out.Cancelled += c.cancelled
		out.WithoutUsage += c.noUsage
		out.Estimated += c.estimated
	}
	return out, t
}

// add sums the counts.
func (s *PairStats) add(o *PairStats) {
	s.Requests += o.Requests
	s.Failed += o.Failed
	s.Cancelled += o.Cancelled
	s.First.OK += o.First.OK
	s.First.Failed += o.First.Failed
	s.Retries.OK += o.Retries.OK
	s.Retries.Failed += o.Retries.Failed
	s.Tokens.add(o.Tokens)
	s.Cost += o.Cost
	s.WithoutUsage += o.WithoutUsage
	s.Unpriced += o.Unpriced
	s.Estimated += o.Estimated
}
