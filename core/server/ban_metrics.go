package server

import (
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// bans counts bans and tells of them. It is a board.Observer.
type bans struct {
	log   hclog.Logger
	total *prometheus.CounterVec
}

func newBansTotal() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smartrouter_bans_total", Help: "Bans that began or changed, of channels and of models on them, by what for.",
	}, []string{"channel", "class"})
}

// Bans is what tells log and metrics of a board's bans.
func (m *Metrics) Bans(log hclog.Logger) board.Observer { return &bans{log: log, total: m.bans} }

func (o *bans) Banned(c *board.Channel, model string, b *board.Ban) {
	o.total.WithLabelValues(c.Config.Name, b.Class.String()).Inc()
	args := []any{"channel", c.Config.Name, "class", b.Class, "until", until(b), "times", b.Times, "reason", b.Reason}
	if model != "" {
		args = append([]any{"model", model}, args...)
	}
	switch b.Class {
	case board.Auth:
		o.log.Error("key refused, channel parked until its configuration or its provider changes", args...)
	case board.Manual:
		o.log.Info("banned", args...)
	default:
		o.log.Warn("banned", args...)
	}
}

func (o *bans) Freed(c *board.Channel, model string, b *board.Ban) {
	args := []any{"channel", c.Config.Name, "class", b.Class, "after", time.Since(b.Since).Round(time.Millisecond)}
	if model != "" {
		args = append([]any{"model", model}, args...)
	}
	o.log.Info("ban lifted", args...)
}

func until(b *board.Ban) string {
	if b.Until.IsZero() {
		return "lifted"
	}
	return b.Until.UTC().Format(time.RFC3339)
}

var (
	channelStates = []string{"up", "down", "unknown", "misconfigured", "banned", "off"}
	keyStates     = []sdk.KeyState{sdk.KeyUnknown, sdk.KeyValid, sdk.KeyInvalid}

	stateOfChannel = prometheus.NewDesc("smartrouter_channel_state",
		"1 for the state that the channel is in.", []string{"channel", "state"}, nil)
	keyOfChannel = prometheus.NewDesc("smartrouter_channel_key",
		"1 for what is known of the channel's key.", []string{"channel", "state"}, nil)
	bannedNow = prometheus.NewDesc("smartrouter_banned",
		"How many are banned now by class: the channel itself, or models on it.", []string{"channel", "what", "class"}, nil)
	budgetRefused = prometheus.NewDesc("smartrouter_retries_refused_total",
		"Tries at doubtful targets that the retry budget did not allow.", nil, nil)
)

// banSnapshot turns the board's bans into metrics when it is scraped.
type banSnapshot struct{ state func() *State }

// Describe is part of prometheus.Collector.
func (*banSnapshot) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stateOfChannel, keyOfChannel, bannedNow, budgetRefused} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (s *banSnapshot) Collect(ch chan<- prometheus.Metric) {
	st := s.state()
	if st == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	one := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	now, view := time.Now(), st.Board.View()
	for _, c := range view.Channels {
		state, _ := channelState(c, now)
		for _, name := range channelStates {
			gauge(stateOfChannel, one(name == state), c.Config.Name, name)
		}
		for _, k := range keyStates {
			gauge(keyOfChannel, one(k == c.Key(now)), c.Config.Name, k.String())
		}
	}
	type place struct {
		channel, what string
		class         board.Class
	}
	banned := make(map[place]float64)
	count := func(c *board.Channel, what string, b *board.Ban) {
		if b != nil && !b.Ended(now) {
			banned[place{c.Config.Name, what, b.Class}]++
		}
	}
	for _, c := range view.Channels {
		count(c, "channel", c.Ban())
	}
	for _, t := range view.Targets {
		count(t.Channel, "model", t.Ban())
	}
	for p, n := range banned {
		gauge(bannedNow, n, p.channel, p.what, p.class.String())
	}
	ch <- prometheus.MustNewConstMetric(budgetRefused, prometheus.CounterValue, float64(st.Board.Budget().Refused()))
}
