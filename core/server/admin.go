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
	r.HandleFunc("/admin/explain", s.explain).Methods(http.MethodPost)
	r.NotFoundHandler = http.HandlerFunc(adminNotFound)
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got := []byte(req.Header.Get("Authorization"))
		if subtle.ConstantTimeCompare(got, want) != 1 {
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
		Message: "Unknown request URL: " + r.Method + " " + r.URL.Path + ". There are GET /metrics, /admin/status, /admin/stats and /admin/channels, and POST /admin/explain, /admin/ban and /admin/unban.",
	})
}

// Status is what GET /admin/status answers.
type Status struct {
	Channels  []ChannelStatus  `json:"channels"`
	Models    int              `json:"models"`
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
	out := Status{Models: len(view.Names()), Plugins: st.Plugins(), Channels: st.Channels(time.Now())}
	for _, p := range st.Config.Pipelines {
		pl := st.Pipelines[p]
		out.Pipelines = append(out.Pipelines, PipelineStatus{Name: pl.Name(), Steps: pl.Stats()})
	}
	return out
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.state.Load().Status())
}
