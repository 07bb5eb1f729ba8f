package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Operator changes the running router at its operator's word.
type Operator interface {
	// Reload goes over to what the configuration's file says now. Its error is
	// that of ctx: what is wrong with the file is told in the Reload.
	Reload(ctx context.Context) (Reload, error)
	// Plan says what a reload would change. Its error is what that would fail with.
	Plan(ctx context.Context) (*Plan, error)
	// ReloadPlugin starts a plugin anew, beside the old process.
	ReloadPlugin(ctx context.Context, name string) (catalog.Status, error)
	// QuarantinePlugin takes a plugin out of service, ReleasePlugin puts it back,
	// where it was.
	QuarantinePlugin(name, reason string) (catalog.Status, error)
	ReleasePlugin(name string) (st catalog.Status, lifted bool, err error)
	// LastReload is how the last one ended; nil: there was none.
	LastReload() *Reload
}

// ReloadResult is how a reload ended.
type ReloadResult string

// The results.
const (
	ReloadApplied   ReloadResult = "applied"
	ReloadUnchanged ReloadResult = "unchanged" // the configuration was at work already
	ReloadFailed    ReloadResult = "failed"    // and has changed nothing
)

// Reload is what POST /admin/reload answers.
type Reload struct {
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	Result ReloadResult  `json:"result"`
	// Error says why it failed, mistakes with file and line.
	Error string `json:"error,omitempty"`
	// Changes that it brought, block by block.
	Changes []config.Change `json:"changes,omitempty"`
	// Notes are worth saying and stop nothing.
	Notes []string `json:"notes,omitempty"`
}

// ConfigStatus is what configuration is at work, since when.
type ConfigStatus struct {
	Path  string    `json:"path"`
	Hash  string    `json:"hash"`
	Since time.Time `json:"since"`
	// Last is the last reload; nil: there was none.
	Last *Reload `json:"last_reload,omitempty"`
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	out, err := s.operator.Reload(r.Context())
	switch {
	case err != nil: // the client has gone
		fail(w, &wire.Error{Status: http.StatusServiceUnavailable, Type: "api_error", Message: err.Error()})
	case out.Result == ReloadFailed:
		fail(w, &wire.Error{
			Status: http.StatusUnprocessableEntity, Type: "invalid_request_error", Code: "reload_failed",
			Message: "Not reloaded, the configuration stays as it was.\n" + out.Error,
		})
	default:
		answer(w, http.StatusOK, out)
	}
}

// configMetrics are what is counted of the configuration.
type configMetrics struct {
	reloads        *prometheus.CounterVec
	last, lastGood prometheus.Gauge
}

func newConfigMetrics() configMetrics {
	m := configMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smartrouter_config_reloads_total", Help: "Reloads of the configuration, by result: applied, unchanged or failed.",
		}, []string{"result"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smartrouter_config_last_reload_successful", Help: "0 where the last reload failed, so that the file is not what is at work.",
		}),
		lastGood: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smartrouter_config_last_reload_success_timestamp_seconds",
			Help: "When the file was last read and was right, be it at the start, in Unix seconds.",
		}),
	}
	for _, r := range []ReloadResult{ReloadApplied, ReloadUnchanged, ReloadFailed} {
		m.reloads.WithLabelValues(string(r)) // so that the first failure is an increase
	}
	m.last.Set(1)
	m.lastGood.SetToCurrentTime()
	return m
}

// Reloaded counts a reload.
func (m *Metrics) Reloaded(r *Reload) {
	m.config.reloads.WithLabelValues(string(r.Result)).Inc()
	if r.Result == ReloadFailed {
		m.config.last.Set(0)
		return
	}
	m.config.last.Set(1)
	m.config.lastGood.Set(float64(r.At.UnixMilli()) / 1e3)
}
