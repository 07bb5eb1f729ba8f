package server

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// sideName is a side of a selector step with a canary.
type sideName struct{ pipeline, step, side string }

// side is the figures of the requests that one side decided.
type side struct {
	ok, failed prometheus.Counter
	ttft       prometheus.Observer
	cost       prometheus.Counter

	mu        sync.Mutex
	counts    SideStats
	firstText sketch
}

// SideStats are the figures of one side since the router's start.
type SideStats struct {
	Pipeline string `json:"pipeline"`
	Step     string `json:"step"`
	// Side is primary, canary, or fallback: the canary's turn, decided by the
	// primary, as the canary gave no plan.
	Side     string `json:"side"`
	Requests uint64 `json:"requests"`
	// Failed got an error, or an answer that broke off.
	Failed uint64       `json:"failed"`
	TTFT   *Percentiles `json:"time_to_first_token_seconds,omitempty"`
	Cost   float64      `json:"cost_dollars"`
	// Priced requests are those whose cost is known.
	Priced uint64 `json:"priced"`
}

// ShadowStats are what a shadow would have done otherwise, since its
// configuration was loaded.
type ShadowStats struct {
	Pipeline string `json:"pipeline"`
	Step     string `json:"step"`
	Plugin   string `json:"plugin"`
	// Same plans; Order: only a later target differs; First: the first one does.
	Same  int64 `json:"same"`
	Order int64 `json:"order"`
	First int64 `json:"first"`
	// Apart is the share of the compared requests, from 0 to 1, that would have
	// gone to another target first.
	Apart   float64 `json:"apart"`
	Failed  int64   `json:"failed"`
	Dropped int64   `json:"dropped"`
	// Recent disagreements, the newest last.
	Recent []Disagreement `json:"recent,omitempty"`
}

// Disagreement is a request that a shadow would have sent elsewhere.
type Disagreement struct {
	At     time.Time `json:"at"`
	Model  string    `json:"model"`
	Key    string    `json:"key,omitempty"`
	Result string    `json:"result"`
	// Chosen and Shadow are the first targets of the two plans, Why the shadow's
	// reason.
	Chosen string `json:"chosen"`
	Shadow string `json:"shadow"`
	Why    string `json:"why,omitempty"`
}

// sideVectors make what is counted of canaries.
func (m *Metrics) sideVectors() {
	m.sideRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smartrouter_canary_requests_total",
		Help: "Requests of a selector step with a canary, by the side that decided: primary, canary, or fallback where the canary gave no plan.",
	}, []string{"pipeline", "step", "side", "result"})
	m.sideCost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smartrouter_canary_cost_dollars_total", Help: "What these requests cost by the channels' price blocks, in US dollars.",
	}, []string{"pipeline", "step", "side"})
	m.sideTTFT = prometheus.NewHistogramVec(histogram(
		"smartrouter_canary_time_to_first_token_seconds", "From these requests' first byte to the first content of their answer, of streams.", secondsOfAnswers,
	), []string{"pipeline", "step", "side"})
	m.registry.MustRegister(m.sideRequests, m.sideCost, m.sideTTFT)
}

// decided counts a request by the side that decided it.
func (m *Metrics) decided(now time.Time, out *outcome, start time.Time) {
	n := out.side
	s := m.sides.get(n, func() *side {
		return &side{
			ok:     m.sideRequests.WithLabelValues(n.pipeline, n.step, n.side, "ok"),
			failed: m.sideRequests.WithLabelValues(n.pipeline, n.step, n.side, "error"),
			ttft:   m.sideTTFT.WithLabelValues(n.pipeline, n.step, n.side),
			cost:   m.sideCost.WithLabelValues(n.pipeline, n.step, n.side),
			counts: SideStats{Pipeline: n.pipeline, Step: n.step, Side: n.side},
		}
	})
	f := &out.forward
	failed := out.status >= 400 && out.status != statusClientLeft || f.Committed && !f.Complete && f.Err != nil
	first := firstContent(f, start, out.stream).Seconds()
	var cost float64
	var priced bool
	if f.Target != nil && f.Usage != (wire.Usage{}) {
		cost, priced = costOf(f.Target, f.Usage)
	}
	if failed {
		s.failed.Inc()
	} else {
		s.ok.Inc()
	}
	if first > 0 {
		s.ttft.Observe(first)
	}
	s.cost.Add(cost)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Requests++
	if failed {
		s.counts.Failed++
	}
	if priced {
		s.counts.Priced++
		s.counts.Cost += cost
	}
	if first > 0 {
		s.firstText.add(now, first)
	}
}

// sideStats are the figures of all sides.
func (m *Metrics) sideStats(now time.Time) (all []SideStats) {
	for _, s := range m.sides.all() {
		var t tally
		s.mu.Lock()
		c := s.counts
		t.take(&s.firstText, now)
		s.mu.Unlock()
		c.TTFT = t.percentiles()
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b SideStats) int {
		return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Step, b.Step), cmp.Compare(b.Side, a.Side))
	})
	return all
}

// shadowStats are those of the configuration at work.
func (st *State) shadowStats() (all []ShadowStats) {
	for _, p := range st.Config.Pipelines {
		pl := st.Pipelines[p]
		for _, s := range pl.Stats() {
			x := s.Shadow
			if x == nil {
				continue
			}
			out := ShadowStats{
				Pipeline: pl.Name(), Step: s.Step, Plugin: x.Plugin, Same: x.Same, Order: x.Order, First: x.First,
				Apart: x.Apart, Failed: x.Failed, Dropped: x.Dropped,
			}
			for _, d := range x.Recent {
				out.Recent = append(out.Recent, Disagreement(d))
			}
			all = append(all, out)
		}
	}
	return all
}

var (
	shadowPlans = prometheus.NewDesc("smartrouter_shadow_plans_total",
		"Plans that a shadow was asked about: same, order (only a later target differs), first (the first one does), failed, or dropped as there were too many.",
		[]string{"pipeline", "step", "plugin", "result"}, nil)
	shadowApart = prometheus.NewDesc("smartrouter_shadow_apart_ratio",
		"Share of the compared requests that the shadow would have sent to another target first.", []string{"pipeline", "step", "plugin"}, nil)
)

func collectShadow(ch chan<- prometheus.Metric, name string, s *pipeline.StepStats) {
	x := s.Shadow
	if x == nil {
		return
	}
	for result, n := range map[string]int64{"same": x.Same, "order": x.Order, "first": x.First, "failed": x.Failed, "dropped": x.Dropped} {
		ch <- prometheus.MustNewConstMetric(shadowPlans, prometheus.CounterValue, float64(n), name, s.Step, x.Plugin, result)
	}
	ch <- prometheus.MustNewConstMetric(shadowApart, prometheus.GaugeValue, x.Apart, name, s.Step, x.Plugin)
}
