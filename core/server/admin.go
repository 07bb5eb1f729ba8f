package server

import (
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

func (s *Server) adminRoutes(token string) http.Handler {
	r := mux.NewRouter().SkipClean(true)
	r.Handle("/metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})).Methods(http.MethodGet)
	r.HandleFunc("/admin/status", s.status).Methods(http.MethodGet)
	r.HandleFunc("/admin/stats", s.stats).Methods(http.MethodGet)
	r.HandleFunc("/admin/channels", s.channels).Methods(http.MethodGet)
	r.HandleFunc("/admin/ban", s.ban).Methods(http.MethodPost)
	r.HandleFunc("/admin/unban", s.unban).Methods(http.MethodPost)
	r.HandleFunc("/admin/reload", s.reload).Methods(http.MethodPost)
	r.HandleFunc("/admin/plugin/reload", s.pluginOrder(s.reloadPlugin)).Methods(http.MethodPost)
	r.HandleFunc("/admin/plugin/quarantine", s.pluginOrder(s.quarantinePlugin)).Methods(http.MethodPost)
	r.HandleFunc("/admin/plugin/unquarantine", s.pluginOrder(s.releasePlugin)).Methods(http.MethodPost)
	r.HandleFunc("/admin/plan", s.plan).Methods(http.MethodGet)
	r.HandleFunc("/admin/explain", s.explain).Methods(http.MethodPost)
	r.NotFoundHandler = http.HandlerFunc(adminNotFound)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got := bearer(req.Header)
		if got == "" || subtle.ConstantTimeCompare([]byte(got), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, &wire.Error{
				Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_admin_token",
				Message: "The admin listener asks for the token in admin.token of the data folder, as Authorization: Bearer TOKEN.",
			})
			return
		}
		r.ServeHTTP(w, req)
	})
}

func adminNotFound(w http.ResponseWriter, r *http.Request) {
	fail(w, &wire.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: "Unknown request URL: " + r.Method + " " + r.URL.Path + ". There are GET /metrics, /admin/status, /admin/stats, /admin/channels and /admin/plan, and POST /admin/explain, /admin/ban, /admin/unban, /admin/reload and /admin/plugin/reload, quarantine and unquarantine.",
	})
}

// Status is what GET /admin/status answers.
type Status struct {
	Config   ConfigStatus    `json:"config"`
	Channels []ChannelStatus `json:"channels"`
	Models   int             `json:"models"`
	// Fleet is the routers that share the store; nil: it is this router's own.
	Fleet     *FleetStatus     `json:"fleet,omitempty"`
	Plugins   []catalog.Status `json:"plugins"`
	Pipelines []PipelineStatus `json:"pipelines"`
}

// PipelineStatus is the figures of one pipeline's steps.
type PipelineStatus struct {
	Name  string               `json:"name"`
	Steps []pipeline.StepStats `json:"steps"`
}

// Status of everything now.
func (st *State) Status() Status {
	view := st.Board.View()
	out := Status{
		Config: ConfigStatus{Path: st.Config.Path, Hash: st.Print, Since: st.Since},
		Models: len(view.Names()), Channels: st.Channels(time.Now()),
		Fleet: st.fleetStatus(),
	}
	for _, i := range st.Plugins() {
		out.Plugins = append(out.Plugins, i.Details())
	}
	for _, p := range st.Config.Pipelines {
		pl := st.Pipelines[p]
		out.Pipelines = append(out.Pipelines, PipelineStatus{Name: pl.Name(), Steps: pl.Stats()})
	}
	return out
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	st := s.state.Load().Status()
	st.Config.Last = s.operator.LastReload()
	answer(w, http.StatusOK, st)
}
