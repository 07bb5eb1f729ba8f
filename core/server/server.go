package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/batch"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/decision"
	"github.com/smart-ai-router/smartrouter/core/h1"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/anthropic"
)

// Server answers clients and operators from the present State.
type Server struct {
	log      hclog.Logger
	metrics  *Metrics
	state    atomic.Pointer[State]
	ids      ids
	batches  *batch.Batches // nil: there are no such endpoints
	operator Operator
	lanes    lanes
	load     *load
	flights  flights
	desk     *decision.Desk // nil: nobody ever follows decisions

	public   *h1.Server
	admin    *http.Server
	draining atomic.Bool
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
	// Operator does what the admin listener is asked for.
	Operator Operator
	// Desk takes what decision records are made of; nil: none are.
	Desk *decision.Desk
	// Batches answer the files and batches endpoints; nil: there are none.
	Batches *batch.Batches
}

// New is a server that does not listen yet.
func New(o Options) (*Server, error) {
	s := &Server{log: o.Log, metrics: o.Metrics, load: newLoad(o.Metrics.Shed), operator: o.Operator, desk: o.Desk}
	s.ids.init()
	s.state.Store(o.State)
	if o.Batches != nil {
		s.batches = o.Batches
		o.Metrics.registry.MustRegister(&batchSnapshot{o.Batches})
	}
	cfg := o.State.Config.Server
	base, cut := context.WithCancel(context.Background())
	s.cut = cut
	// Clients get our own server, which needs half of net/http's time for a
	// request; operators do without.
	var err error
	s.public, err = h1.NewServer(h1.ServerOptions{
		Handler: s.routes(), Context: base, Limits: connectionLimits(&cfg),
		Log: func(format string, args ...any) { s.log.Error(fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return nil, err
	}
	s.admin = &http.Server{
		Handler:           s.adminRoutes(o.AdminToken),
		ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    int(cfg.MaxHeader),
		ErrorLog:          s.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	return s, nil
}

// Swap takes a new state for the requests that come from now on. The old one is
// to be retired then.
func (s *Server) Swap(st *State) {
	s.state.Store(st)
	s.public.Limit(connectionLimits(&st.Config.Server))
}

func connectionLimits(cfg *config.Server) h1.Limits {
	return h1.Limits{HeadTimeout: cfg.HeaderTimeout, IdleTimeout: cfg.IdleTimeout, MaxHead: int(cfg.MaxHeader)}
}

// State is the present one.
func (s *Server) State() *State { return s.state.Load() }

func (s *Server) routes() http.Handler {
	// SkipClean: mux would answer //v1/... with a redirect, which loses the
	// body. UseEncodedPath: %2f is no slash.
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for path, e := range entries {
		r.Handle(path, s.infer(e)).Methods(http.MethodPost)
	}
	r.HandleFunc("/v1/responses/{id}", s.response).Methods(http.MethodGet, http.MethodDelete)
	r.HandleFunc("/v1/responses/{id}/cancel", s.response).Methods(http.MethodPost)
	r.HandleFunc("/v1/responses/{id}/input_items", s.response).Methods(http.MethodGet)
	if s.batches != nil {
		s.batchRoutes(r)
	}
	for _, version := range [...]string{"/v1", "/v1beta"} {
		r.HandleFunc(version+"/models", s.guarded(s.models)).Methods(http.MethodGet, http.MethodHead)
		r.HandleFunc(version+"/models/{id:.+}", s.guarded(s.model)).Methods(http.MethodGet, http.MethodHead)
		r.HandleFunc(version+"/models/{id:.+:.+}", s.gemini).Methods(http.MethodPost)
	}
	r.HandleFunc("/healthz", s.healthz).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", s.readyz).Methods(http.MethodGet, http.MethodHead)
	r.NotFoundHandler = http.HandlerFunc(notFound)
	r.MethodNotAllowedHandler = http.HandlerFunc(wrongMethod)
	return s.outer(shortcut(r))
}

// decisionHeader tells the router's own id of a request.
const decisionHeader = "X-Smartrouter-Decision"

// outer is what happens to every request of a client: an id, and what
// browsers ask for.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		id := s.ids.next()
		given := [...]string{id, id}
		if own := r.Header.Get("X-Request-Id"); validID(own) {
			given[1] = own
		}
		h[decisionHeader], h["X-Request-Id"] = given[:1:1], given[1:]
		if formatOf(r) == anthropic.Format {
			h["Request-Id"] = given[1:] // Anthropic's name of it
		}
		if s.guard().cors(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) guard() guard { return guardOf(s.state.Load()) }

func (s *Server) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard().caller(r); err != nil {
			failIn(formatOf(r), w, err)
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
	failIn(formatOf(r), w, &wire.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: "Unknown request URL: " + r.Method + " " + r.URL.Path + ". The base URL for OpenAI clients ends in /v1.",
	})
}

// wrongMethod says which method the path takes.
func wrongMethod(w http.ResponseWriter, r *http.Request) {
	allow := "GET, HEAD"
	_, infers := entryOf(r.URL.Path, nil)
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
	failIn(formatOf(r), w, &wire.Error{
		Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed",
		Message: "Not allowed: " + r.Method + " " + r.URL.Path + ". Use " + allow + ".",
	})
}

// ServePublic answers clients until Drain, or until the listener is closed: what
// it has accepted then goes on.
func (s *Server) ServePublic(l net.Listener) error {
	return served(s.public.Serve(&door{Listener: l, most: mostClients(), shed: s.metrics.Shed}))
}

// ServeAdmin answers operators in the same way.
func (s *Server) ServeAdmin(l net.Listener) error { return served(s.admin.Serve(l)) }

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
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
			_ = s.public.Close() // there is nothing that could fail
		}
	}
	s.cut()
	s.admin.Close()
	return err
}

// lastWrite is how long a cut request has to write its error event.
const lastWrite = 2 * time.Second
