package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// ChannelStatus is how one channel does.
type ChannelStatus struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	// State is up, down, unknown, misconfigured, banned or off.
	State string `json:"state"`
	Why   string `json:"why,omitempty"`
	// Until is when the channel's ban runs out; nil: there is none, or it has no end.
	Until *time.Time `json:"until,omitempty"`
	// Key is what is known of the credential: valid, invalid or unknown.
	Key      string `json:"key"`
	Models   int    `json:"models"`
	InFlight int64  `json:"in_flight"`
	// Queued requests wait for max_in_flight.
	Queued int `json:"queued"`
	// LatencyMS is the mean time to the first token of its models that were
	// measured, in milliseconds; 0: none was.
	LatencyMS float64 `json:"latency_ms"`
	// ErrorRate is the mean of the same models, from 0 to 1.
	ErrorRate float64 `json:"error_rate"`
	// NextProbe; nil: not known.
	NextProbe *time.Time `json:"next_probe,omitempty"`
	// Limits that it has.
	Limits []LimitStatus `json:"limits,omitempty"`
	// Bans of the channel itself, then of its models.
	Bans []BanStatus `json:"bans,omitempty"`
}

// LimitStatus is one limit of a channel.
type LimitStatus struct {
	// Limit is in_flight, or requests or tokens in a minute.
	Limit board.Limit `json:"limit"`
	Most  int64       `json:"most"`
	// Share that this router has of it; nil: all, as it shares it with nobody.
	Share *int64 `json:"share,omitempty"`
	// Used by this router.
	Used int64 `json:"used"`
}

func limits(c *board.Channel) (out []LimitStatus) {
	for _, l := range board.Limits {
		most := c.Most(l)
		if most == 0 {
			continue
		}
		s := LimitStatus{Limit: l, Most: most, Used: c.Used(l)}
		if share := c.Share(l); share != board.Whole {
			s.Share = &share
		}
		out = append(out, s)
	}
	return out
}

// BanStatus is one ban that lasts.
type BanStatus struct {
	// Model; empty: the whole channel.
	Model  string      `json:"model,omitempty"`
	Class  board.Class `json:"class"`
	Reason string      `json:"reason"`
	Since  time.Time   `json:"since"`
	// Until; nil: until the configuration or somebody changes it.
	Until *time.Time `json:"until,omitempty"`
	// Trial is from when one request may find out early whether it is over.
	Trial *time.Time `json:"trial,omitempty"`
	// Times counts the bans in a row.
	Times int `json:"times"`
}

// Channels is what GET /admin/channels answers.
type Channels struct {
	Now      time.Time       `json:"now"`
	Channels []ChannelStatus `json:"channels"`
}

func (s *Server) channels(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	answer(w, http.StatusOK, Channels{Now: now, Channels: s.state.Load().Channels(now)})
}

// Channels as they are now, in file order.
func (st *State) Channels(now time.Time) []ChannelStatus {
	view := st.Board.View()
	out := make([]ChannelStatus, 0, len(view.Channels))
	at := make(map[*board.Channel]int, len(view.Channels))
	measured := make([]float64, len(view.Channels))
	for i, c := range view.Channels {
		at[c] = i
		state, why := channelState(c, now)
		s := ChannelStatus{
			Name: c.Config.Name, Provider: c.Config.Provider.Name, State: state, Why: why,
			Key: c.Key(now).String(), InFlight: c.InFlight(), Queued: c.Queued(), Limits: limits(c),
		}
		if b := c.Ban(); b != nil && !b.Ended(now) {
			ban := banStatus("", b)
			s.Until, s.Bans = ban.Until, append(s.Bans, ban)
		}
		for _, p := range st.Config.Pipelines {
			next := st.Pipelines[p].NextProbe(c.Config.Name)
			if !next.IsZero() && (s.NextProbe == nil || next.Before(*s.NextProbe)) {
				s.NextProbe = &next
			}
		}
		out = append(out, s)
	}
	for _, t := range view.Targets {
		i := at[t.Channel]
		s := &out[i]
		s.Models++
		if b := t.Ban(); b != nil && !b.Ended(now) {
			s.Bans = append(s.Bans, banStatus(t.Model, b))
		}
		if t.TTFT() > 0 || t.ErrorRate() > 0 {
			measured[i]++
			s.LatencyMS += t.TTFT().Seconds() * 1000
			s.ErrorRate += t.ErrorRate()
		}
	}
	for i := range out {
		s := &out[i]
		if n := measured[i]; n > 0 {
			s.LatencyMS, s.ErrorRate = s.LatencyMS/n, s.ErrorRate/n
		}
		if n := len(s.Bans); n > 0 && s.State != "banned" && s.State != "off" {
			s.Why = fmt.Sprintf("%d of %d models banned; %s", n, s.Models, s.Why)
		}
	}
	return out
}

func banStatus(model string, b *board.Ban) BanStatus {
	s := BanStatus{Model: model, Class: b.Class, Reason: b.Reason, Since: b.Since, Times: b.Times}
	if !b.Until.IsZero() {
		s.Until = &b.Until
	}
	if !b.Trial.IsZero() {
		s.Trial = &b.Trial
	}
	return s
}

// channelState is a channel's state in one word, and why.
func channelState(c *board.Channel, now time.Time) (state, why string) {
	if c.Config.Off != "" {
		return "off", c.Config.Off
	}
	if b := c.Ban(); b != nil && !b.Ended(now) {
		return "banned", b.Class.String() + ": " + b.Reason
	}
	if a := c.Availability(); a != nil {
		if a.Available {
			return "up", a.Reason
		}
		return "down", a.Reason
	}
	h := c.Health()
	if h.State == sdk.HealthUnknown {
		return "unknown", "not probed yet"
	}
	return h.State.String(), h.Reason
}
