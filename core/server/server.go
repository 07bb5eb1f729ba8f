package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Server answers clients and operators from the present State.
type Server struct {
	log     hclog.Logger
	metrics *Metrics
	state   atomic.Pointer[State]
	ids     ids
	batches *batch.Batches // nil: there are no such endpoints
	lanes   lanes
	load    *load
	flights flights
	// telemetry is nil where nobody asked for it.
	telemetry *telemetry.Telemetry

	public, admin *http.Server
	draining      atomic.Bool
	// cut is closed when the drain has taken too long.
	cut context.CancelFunc
}

// Options of a server.
type Options struct {
	Log     hclog.Logger
	Metrics *Metrics
	// AdminToken is what the admin listener asks for.
	AdminToken string
	State      *State
	// Telemetry follows requests; nil: nobody does.
	Telemetry *telemetry.Telemetry
	// Batches answer the files and batches endpoints; nil: there are none.
	Batches *batch.Batches
}

// New is a server that does not listen yet.
func New(o Options) *Server {
	s := &Server{log: o.Log, metrics: o.Metrics, load: newLoad(o.Metrics.Shed), telemetry: o.Telemetry}
	s.ids.init()
	s.state.Store(o.State)
	if o.Batches != nil {
		s.batches = o.Batches
		o.Metrics.registry.MustRegister(&batchSnapshot{o.Batches})
	}
	cfg := o.State.Config.Server
	base, cut := context.WithCancel(context.Background())
	s.cut = cut
	s.public = s.http(&cfg, s.routes(), base)
	s.admin = s.http(&cfg, s.adminRoutes(o.AdminToken), base)
	return s
}

func (s *Server) http(cfg *config.Server, h http.Handler, base context.Context) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    int(cfg.MaxHeader),
		ErrorLog:          s.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
}

// Swap takes a new state for the requests that come from now on.
func (s *Server) Swap(st *State) { s.state.Store(st) }

// State is the present one.
func (s *Server) State() *State { return s.state.Load() }

// endpoints by path: every one takes a POST and goes through a pipeline.
var endpoints = map[string]sdk.Endpoint{
	"/v1/chat/completions":     sdk.Chat,
	"/v1/completions":          sdk.Completions,
	"/v1/embeddings":           sdk.Embeddings,
	"/v1/responses":            sdk.Responses,
	"/v1/images/generations":   sdk.ImageGeneration,
	"/v1/images/edits":         sdk.ImageEdit,
	"/v1/images/variations":    sdk.ImageVariation,
	"/v1/audio/speech":         sdk.Speech,
	"/v1/audio/transcriptions": sdk.Transcription,
	"/v1/audio/translations":   sdk.Translation,
	"/v1/moderations":          sdk.Moderations,
	"/v1/rerank":               sdk.Rerank,
}

func (s *Server) routes() http.Handler {
	// SkipClean: mux would answer //v1/... with a redirect, which loses the
	// body. UseEncodedPath: %2f is no slash.
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for path, e := range endpoints {
		r.Handle(path, s.infer(e)).Methods(http.MethodPost)
	}
	r.HandleFunc("/v1/responses/{id}", s.response).Methods(http.MethodGet, http.MethodDelete)
	r.HandleFunc("/v1/responses/{id}/cancel", s.response).Methods(http.MethodPost)
	r.HandleFunc("/v1/responses/{id}/input_items", s.response).Methods(http.MethodGet)
	if s.batches != nil {
		s.batchRoutes(r)
	}
	r.HandleFunc("/v1/models", s.guarded(s.models)).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/v1/models/{id:.+}", s.guarded(s.model)).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/healthz", s.healthz).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", s.readyz).Methods(http.MethodGet, http.MethodHead)
	r.NotFoundHandler = http.HandlerFunc(notFound)
	r.MethodNotAllowedHandler = http.HandlerFunc(wrongMethod)
	return s.outer(r)
}

// decisionHeader tells the router's own id of a request.
const decisionHeader = "X-Smartrouter-Decision"

// outer is what happens to every request of a client: an id, and what
// browsers ask for.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		id := s.ids.next()
		h[decisionHeader] = []string{id}
		if own := r.Header.Get("X-Request-Id"); validID(own) {
			id = own
		}
		h["X-Request-Id"] = []string{id}
		g := s.guard()
		if g.cors(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) guard() *guard {
	st := s.state.Load()
	return &guard{cfg: &st.Config.Server, keys: st.Keys}
}

func (s *Server) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard().caller(r); err != nil {
			fail(w, err)
			return
		}
		next(w, r)
	}
}

// healthz answers as long as the process works.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz answers 503 while the router should get no new requests.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, &wire.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: "Unknown request URL: " + r.Method + " " + r.URL.Path + ". The base URL for OpenAI clients ends in /v1.",
	})
}

// wrongMethod says which method the path takes.
func wrongMethod(w http.ResponseWriter, r *http.Request) {
	allow := "GET, HEAD"
	_, infers := endpoints[r.URL.Path]
	kept := strings.HasPrefix(r.URL.Path, "/v1/responses/")
	switch {
	case infers, kept && strings.HasSuffix(r.URL.Path, "/cancel"):
		allow = http.MethodPost
	case kept && strings.HasSuffix(r.URL.Path, "/input_items"):
		allow = http.MethodGet
	case kept:
		allow = "GET, DELETE"
	default:
		allow = batchMethods(r.URL.Path, allow)
	}
	w.Header().Set("Allow", allow)
	fail(w, &wire.Error{
		Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed",
		Message: "Not allowed: " + r.Method + " " + r.URL.Path + ". Use " + allow + ".",
	})
}

// ServePublic answers clients until Drain.
func (s *Server) ServePublic(l net.Listener) error {
	return served(s.public.Serve(&door{Listener: l, most: mostClients(), shed: s.metrics.Shed}))
}

// ServeAdmin answers operators until Drain.
func (s *Server) ServeAdmin(l net.Listener) error { return served(s.admin.Serve(l)) }

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drainNotice is how long a draining server still takes requests: a load
// balancer sees readyz fail before connections are refused.
const drainNotice = 200 * time.Millisecond

// Drain stops taking requests and lets those under way finish until ctx ends;
// the ones left then are cut, with an error event where a stream had begun.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.public.SetKeepAlivesEnabled(false)
	select {
	case <-time.After(drainNotice):
	case <-ctx.Done():
	}
	err := s.public.Shutdown(ctx)
	if err != nil {
		s.cut()
		// The handlers see their context end and write the last event.
		last, cancel := context.WithTimeout(context.Background(), lastWrite)
		defer cancel()
		if s.public.Shutdown(last) != nil {
			s.public.Close()
		}
	}
	s.cut()
	s.admin.Close()
	return err
}

// lastWrite is how long a cut request has to write its error event.
const lastWrite = 2 * time.Second
