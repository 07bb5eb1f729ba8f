package server

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Metrics are what the router counts. Names and labels are public.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	ttft      *prometheus.HistogramVec
	attempts  *prometheus.CounterVec
	attempt   *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	calls     *prometheus.CounterVec
	callTime  *prometheus.HistogramVec
	starts    *prometheus.CounterVec
	exits     *prometheus.CounterVec
	conns     *prometheus.CounterVec
	queued    *prometheus.HistogramVec
	rescues   *prometheus.CounterVec
	unstored  prometheus.Counter
	cancelled prometheus.Counter
	shed      *prometheus.CounterVec
	bans      *prometheus.CounterVec
	lookups   *prometheus.CounterVec

	deduplicated prometheus.Counter
	observed     *prometheus.CounterVec
	config       configMetrics
	shared       *sharedView

	tries                  *prometheus.CounterVec
	recovered, unrecovered prometheus.Counter
	answersCached          *prometheus.CounterVec
	tokens, tokenParts     *prometheus.CounterVec
	cost, unpriced         *prometheus.CounterVec
	noUsage, estimated     *prometheus.CounterVec
	speed                  *prometheus.HistogramVec
	sideRequests, sideCost *prometheus.CounterVec
	sideTTFT               *prometheus.HistogramVec

	// Children of the vectors that requests use, found once, and what
	// /admin/stats tells.
	since      time.Time
	pairs      table[pairName, pair]
	answers    table[answerName, prometheus.Counter]
	cached     table[string, cachedAnswers]
	used       table[connName, prometheus.Counter]
	waits      table[string, waits]
	sides      table[sideName, side]
	recoveries struct{ ok, failed atomic.Uint64 }
}

// Both kinds of histogram are offered: native for those who scrape protobuf,
// classic for the others.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

var (
	// secondsOfAnswers fit model answers, from a cache hit to a long thought.
	secondsOfAnswers = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	// tokensPerSecond fit models, from a large one on a small machine to a fast one.
	tokensPerSecond = []float64{1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000}
	// secondsOfCalls fit calls between processes.
	secondsOfCalls = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1, 5}
)

// NewMetrics registers everything. The state is read when it is scraped.
func NewMetrics(state func() *State) *Metrics {
	m := &Metrics{
		since: time.Now(), registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_requests_total", Help: "Requests answered, by endpoint and status.",
		}, []string{"endpoint", "status"}),
		duration: prometheus.NewHistogramVec(histogram(
			"smartrouter_request_duration_seconds", "From a request's first byte to its answer's last.", secondsOfAnswers,
		), []string{"endpoint", "channel", "model"}),
		ttft: prometheus.NewHistogramVec(histogram(
			"smartrouter_time_to_first_token_seconds", "From a request's first byte to the first content of its answer, of streams.", secondsOfAnswers,
		), []string{"endpoint", "channel", "model"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_attempts_total", Help: "Tries at a target, by how they ended.",
		}, []string{"channel", "model", "result"}),
		attempt: prometheus.NewHistogramVec(histogram(
			"smartrouter_attempt_duration_seconds", "How long one try at a channel took.", secondsOfAnswers,
		), []string{"channel", "result"}),
		observed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_observed_requests_total", Help: "Requests for observers: taken, dropped as there was no room in the queue, or failed as the plugin did not take them.",
		}, []string{"observer", "result"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smartrouter_requests_in_flight", Help: "Requests being worked on.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_plugin_calls_total", Help: "Calls to plugin processes.",
		}, []string{"plugin", "method", "result"}),
		callTime: prometheus.NewHistogramVec(histogram(
			"smartrouter_plugin_call_duration_seconds", "How long calls to plugin processes took.", secondsOfCalls,
		), []string{"plugin", "method"}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_plugin_starts_total", Help: "Plugin processes started; all but the first are restarts.",
		}, []string{"plugin"}),
		exits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_plugin_exits_total", Help: "Plugin processes that ended unasked.",
		}, []string{"plugin"}),
		conns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_upstream_connections_total", Help: "Connections used for tries, by whether they were new.",
		}, []string{"channel", "reused"}),
		queued: prometheus.NewHistogramVec(histogram(
			"smartrouter_queue_wait_seconds", "How long requests waited for a place at a channel, by whether they got it.", secondsOfAnswers,
		), []string{"channel", "served"}),
		rescues: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_rescues_total",
			Help: "Streams that broke off and were to be rescued, by how that ended: rescued, differed, failed, too_late or impossible.",
		}, []string{"result"}),
		unstored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smartrouter_store_failures_total", Help: "Writes of router state that the store did not take.",
		}),
		cancelled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smartrouter_requests_cancelled_total", Help: "Requests whose client left before the answer's end.",
		}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_requests_shed_total", Help: "Requests refused at once as the router has enough to do, by what there is too much of.",
		}, []string{"reason"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_response_lookups_total", Help: "Response ids that requests named, by where their channel was found: memory, store, unknown or error.",
		}, []string{"found"}),
	}
	m.deduplicated = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "smartrouter_deduplicated_total", Help: "Requests that took part in the upstream call of an equal one.",
	})
	m.bans = newBansTotal()
	m.config = newConfigMetrics()
	m.shared = newSharedView()
	m.usageVectors()
	m.sideVectors()
	m.registry.MustRegister(m.config.reloads, m.config.last, m.config.lastGood,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.bans, &banSnapshot{state: state}, m.requests, m.duration, m.ttft, m.attempts, m.attempt, m.inFlight, m.calls, m.callTime,
		m.starts, m.exits, m.conns, m.queued, m.rescues, m.unstored, m.cancelled, m.shed, m.lookups, m.deduplicated, m.observed, m.shared.looks, &fleetSnapshot{state: state, view: m.shared}, &snapshot{state: state}, &cacheMetrics{state: state})
	return m
}

// Called counts one call to a plugin. With Started and Exited it is a
// catalog.Observer.
func (m *Metrics) Called(p *config.Plugin, method string, took time.Duration, err error) {
	m.calls.WithLabelValues(p.Address(), method, result(err == nil)).Inc()
	m.callTime.WithLabelValues(p.Address(), method).Observe(took.Seconds())
}

// Started counts a plugin process.
func (m *Metrics) Started(p *config.Plugin, _ int, _ time.Duration) {
	m.starts.WithLabelValues(p.Address()).Inc()
}

// Exited counts a plugin process that ended unasked.
func (m *Metrics) Exited(p *config.Plugin, _ int, _ string) {
	m.exits.WithLabelValues(p.Address()).Inc()
}

// StoreFailed counts a write of state that was not taken.
func (m *Metrics) StoreFailed() { m.unstored.Inc() }

// found counts a response id that was looked for.
func (m *Metrics) found(where string) { m.lookups.WithLabelValues(where).Inc() }

// Unlogged has the lines that were dropped from the log counted by n.
func (m *Metrics) Unlogged(n func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "smartrouter_log_lines_dropped_total", Help: "Lines of the log that nobody took in time.",
	}, func() float64 { return float64(n()) }))
}

// Decisions has the decision records counted.
func (m *Metrics) Decisions(desk *decision.Desk, file *decision.File) {
	m.registry.MustRegister(&decisionSnapshot{desk, file})
}

// Shed counts a request that was refused because there was enough to do.
func (m *Metrics) Shed(why string) { m.shed.WithLabelValues(why).Inc() }

// Attempt counts one try at a target.
func (m *Metrics) Attempt(t *board.Target, class board.Class, took time.Duration) {
	x := m.pair(t.Channel.Config.Name, t.Model).class(m, class)
	x.total.Inc()
	x.took.Observe(took.Seconds())
}

// connName is what connections are counted by.
type connName struct {
	channel string
	reused  bool
}

// Connection counts a connection taken for a try.
func (m *Metrics) Connection(channel string, reused bool) {
	(*m.used.get(connName{channel, reused}, func() *prometheus.Counter {
		c := m.conns.WithLabelValues(channel, strconv.FormatBool(reused))
		return &c
	})).Inc()
}

// waits for a place at a channel.
type waits struct {
	mu     sync.Mutex
	sketch sketch
}

// Queued counts a request that waited for a place at a channel.
func (m *Metrics) Queued(channel string, waited time.Duration, got bool) {
	m.queued.WithLabelValues(channel, strconv.FormatBool(got)).Observe(waited.Seconds())
	w := m.waits.get(channel, func() *waits { return new(waits) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sketch.add(time.Now(), waited.Seconds())
}

// Rescue counts a stream that broke off.
func (m *Metrics) Rescue(result upstream.Rescue) { m.rescues.WithLabelValues(string(result)).Inc() }

func result(ok bool) string {
	if ok {
		return "ok"
	}
	return "error"
}

// snapshot turns what the parts count for themselves into metrics when it is
// scraped.
type snapshot struct{ state func() *State }

var (
	stepAnswers = prometheus.NewDesc("smartrouter_step_answers_total",
		"Answers of a step: from a fresh or stale lease, asked of the plugin, or by on_error.",
		[]string{"pipeline", "step", "source"}, nil)
	guarded = prometheus.NewDesc("smartrouter_guarded_requests_total",
		"Requests that a guard step rejected or edited.", []string{"pipeline", "step", "ruling"}, nil)
	answersKnown = prometheus.NewDesc("smartrouter_answers_known",
		"Stored answers that the router knows of.", []string{"pipeline", "step"}, nil)
	channelUp = prometheus.NewDesc("smartrouter_channel_up",
		"1 where the channel takes requests, 0 where it is down, banned or off.", []string{"channel"}, nil)
	channelInFlight = prometheus.NewDesc("smartrouter_channel_in_flight",
		"Requests that the channel works on.", []string{"channel"}, nil)
	channelQueued = prometheus.NewDesc("smartrouter_channel_queued",
		"Requests that wait for a place at the channel.", []string{"channel"}, nil)
	pluginUp = prometheus.NewDesc("smartrouter_plugin_up",
		"1 where the plugin's process is ready.", []string{"plugin", "version"}, nil)
	memoryKills = prometheus.NewDesc("smartrouter_plugin_memory_kills_total",
		"Plugin processes that were killed since they used more memory than they may.", []string{"plugin"}, nil)
	unwritten = prometheus.NewDesc("smartrouter_response_ids_unwritten",
		"Response ids that the store has not got yet.", nil, nil)
	configInfo = prometheus.NewDesc("smartrouter_config_info",
		"1, with a hash of the configuration at work, which changes with it.", []string{"hash"}, nil)
	modelCount = prometheus.NewDesc("smartrouter_models", "Models that clients may ask for.", nil, nil)
)

// Describe is part of prometheus.Collector.
func (*snapshot) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stepAnswers, guarded, answersKnown, channelUp, channelInFlight, channelQueued, pluginUp, memoryKills, unwritten, configInfo, modelCount, shadowPlans, shadowApart} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *snapshot) Collect(ch chan<- prometheus.Metric) {
	st := c.state()
	if st == nil {
		return
	}
	for _, p := range st.Config.Pipelines {
		pl := st.Pipelines[p]
		for _, s := range pl.Stats() {
			collectShadow(ch, pl.Name(), &s)
			if s.Kind == sdk.KindCache {
				ch <- prometheus.MustNewConstMetric(answersKnown, prometheus.GaugeValue, float64(s.Known), pl.Name(), s.Step)
			}
			if s.Kind == sdk.KindGuard {
				ch <- prometheus.MustNewConstMetric(guarded, prometheus.CounterValue, float64(s.Rejected), pl.Name(), s.Step, "rejected")
				ch <- prometheus.MustNewConstMetric(guarded, prometheus.CounterValue, float64(s.Edited), pl.Name(), s.Step, "edited")
			}
			for _, v := range []struct {
				source string
				n      int64
			}{{"fresh", s.Fresh}, {"stale", s.Stale}, {"asked", s.Asked}, {"failed", s.Failed}} {
				ch <- prometheus.MustNewConstMetric(stepAnswers, prometheus.CounterValue, float64(v.n), pl.Name(), s.Step, v.source)
			}
		}
	}
	view := st.Board.View()
	for _, c := range view.Channels {
		up := 0.0
		if state, _ := channelState(c, time.Now()); state == "up" || state == "unknown" {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(channelUp, prometheus.GaugeValue, up, c.Config.Name)
		ch <- prometheus.MustNewConstMetric(channelInFlight, prometheus.GaugeValue, float64(c.InFlight()), c.Config.Name)
		ch <- prometheus.MustNewConstMetric(channelQueued, prometheus.GaugeValue, float64(c.Queued()), c.Config.Name)
	}
	for _, i := range st.Plugins() {
		// Not its Details: to sum up the memory of a process is dear.
		p, up := i.Status(), 0.0
		if p.State == catalog.Ready {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(pluginUp, prometheus.GaugeValue, up, p.Address, p.Version)
		ch <- prometheus.MustNewConstMetric(memoryKills, prometheus.CounterValue, float64(p.MemoryKills), p.Address)
	}
	ch <- prometheus.MustNewConstMetric(configInfo, prometheus.GaugeValue, 1, st.Print)
	ch <- prometheus.MustNewConstMetric(unwritten, prometheus.GaugeValue, float64(st.Pins.Unwritten()))
	ch <- prometheus.MustNewConstMetric(modelCount, prometheus.GaugeValue, float64(len(view.Names())))
}
