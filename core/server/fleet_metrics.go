package server

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/fleet"
)

// sharedView is how well what other routers wrote is known.
type sharedView struct {
	made time.Time
	// looked is when it was last looked for with success, in Unix nanoseconds;
	// 0: never.
	looked atomic.Int64
	looks  *prometheus.CounterVec
}

func newSharedView() *sharedView {
	return &sharedView{made: time.Now(), looks: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smartrouter_store_looks_total", Help: "Looks into a shared store for what other routers wrote.",
	}, []string{"result"})}
}

// age is how long it is not known.
func (v *sharedView) age(now time.Time) time.Duration {
	since := v.made
	if at := v.looked.Load(); at != 0 {
		since = time.Unix(0, at)
	}
	return max(0, now.Sub(since))
}

// StoreLooked counts a look into a shared store.
func (m *Metrics) StoreLooked(err error) {
	m.shared.looks.WithLabelValues(result(err == nil)).Inc()
	if err == nil {
		m.shared.looked.Store(time.Now().UnixNano())
	}
}

var (
	channelLimit = prometheus.NewDesc("smartrouter_channel_limit",
		"Limits of a channel over all routers: in_flight, and requests and tokens in a minute.", []string{"channel", "limit"}, nil)
	channelShare = prometheus.NewDesc("smartrouter_channel_share",
		"What this router has of a limit that routers share.", []string{"channel", "limit"}, nil)
	channelUsed = prometheus.NewDesc("smartrouter_channel_limit_used",
		"What this router uses of a limit.", []string{"channel", "limit"}, nil)
	fleetRouters = prometheus.NewDesc("smartrouter_routers",
		"Routers that share the store and live, this one included; 0: the store was never reached.", nil, nil)
	viewAge = prometheus.NewDesc("smartrouter_shared_view_age_seconds",
		"Since when it is not known what other routers wrote to the shared store.", nil, nil)
	fleetSettled = prometheus.NewDesc("smartrouter_routers_settled",
		"1 where this router takes shares of limits, 0 where it goes on with what it has.", nil, nil)
)

// fleetSnapshot is what routers share, when it is scraped.
type fleetSnapshot struct {
	state func() *State
	view  *sharedView
}

// Describe is part of prometheus.Collector.
func (*fleetSnapshot) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{channelLimit, channelShare, channelUsed, fleetRouters, fleetSettled, viewAge} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (x *fleetSnapshot) Collect(ch chan<- prometheus.Metric) {
	st := x.state()
	if st == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for _, c := range st.Board.View().Channels {
		for _, l := range limits(c) {
			gauge(channelLimit, l.Most, c.Config.Name, string(l.Limit))
			gauge(channelUsed, l.Used, c.Config.Name, string(l.Limit))
			if l.Share != nil {
				gauge(channelShare, *l.Share, c.Config.Name, string(l.Limit))
			}
		}
	}
	if f := st.fleet(); f != nil {
		settled := int64(0)
		if f.Settled {
			settled = 1
		}
		gauge(fleetRouters, int64(f.Routers))
		gauge(fleetSettled, settled)
		ch <- prometheus.MustNewConstMetric(viewAge, prometheus.GaugeValue, x.view.age(time.Now()).Seconds())
	}
}

// fleet is how the routers do that share the store; nil: there are no others.
func (st *State) fleet() *fleet.Status {
	if st.Fleet == nil {
		return nil
	}
	return st.Fleet()
}

// FleetStatus is what the status says of routers that share the store.
type FleetStatus struct {
	Routers int  `json:"routers"`
	Settled bool `json:"settled"`
	// Told is when the others were last told what this router holds; nil: never.
	Told *time.Time `json:"told,omitempty"`
}

func (st *State) fleetStatus() *FleetStatus {
	f := st.fleet()
	if f == nil {
		return nil
	}
	out := &FleetStatus{Routers: f.Routers, Settled: f.Settled}
	if !f.Renewed.IsZero() {
		out.Told = &f.Renewed
	}
	return out
}
