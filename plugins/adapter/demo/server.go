package demo

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// paths of the endpoints that there are.
var paths = map[sdk.Endpoint]string{
	sdk.Models:      "/v1/models",
	sdk.Chat:        "/v1/chat/completions",
	sdk.Completions: "/v1/completions",
	sdk.Embeddings:  "/v1/embeddings",
	sdk.Responses:   "/v1/responses",
}

// model is one that is simulated.
type model struct {
	id            string
	contextTokens int
	// pace multiplies the pause between words.
	pace float64
	// embeds: it makes vectors, not text.
	embeds bool
}

var models = []model{
	{id: "demo", contextTokens: 128_000, pace: 1},
	{id: "demo-fast", contextTokens: 32_000},
	{id: "demo-large", contextTokens: 1_000_000, pace: 2},
	{id: "demo-embed", contextTokens: 8_192, embeds: true},
}

const (
	maxBodyBytes = 32 << 20
	writeTimeout = 30 * time.Second // of one write, not of a stream
)

// server simulates the provider.
type server struct {
	token string
	delay time.Duration
}

func newServer(token string, delay time.Duration) *http.Server {
	s := &server{token: token, delay: delay}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", s.listModels)
	mux.HandleFunc("GET /v1/models/{id}", s.oneModel)
	mux.HandleFunc("POST /v1/chat/completions", s.chat)
	mux.HandleFunc("POST /v1/completions", s.complete)
	mux.HandleFunc("POST /v1/embeddings", s.embed)
	mux.HandleFunc("POST /v1/responses", s.respond)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "", "no such path: "+r.Method+" "+r.URL.Path)
	})
	return &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// Longer than routers keep idle connections, so that they end them.
		IdleTimeout:    10 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
}

// guard answers those who have the token.
func (s *server) guard(next http.Handler) http.Handler {
	want := []byte("Bearer " + s.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			refuse(w, http.StatusUnauthorized, "invalid_api_key", "the simulated provider is asked through the router")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		next.ServeHTTP(w, r)
	})
}

// read decodes a request and finds its model; false: it was refused.
func read(w http.ResponseWriter, r *http.Request, into any, name *string, embeds bool) (model, bool) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "", "the body is no request: "+err.Error())
		return model{}, false
	}
	for _, m := range models {
		if m.id != *name {
			continue
		}
		if m.embeds != embeds {
			refuse(w, http.StatusBadRequest, "", fmt.Sprintf("the model %q is not for %s", m.id, r.URL.Path))
			return model{}, false
		}
		return m, true
	}
	refuse(w, http.StatusNotFound, "model_not_found", fmt.Sprintf("the model %q does not exist", *name))
	return model{}, false
}

type object = map[string]any

func refuse(w http.ResponseWriter, status int, code, message string) {
	e := object{"message": message, "type": "invalid_request_error", "param": nil, "code": nil}
	if code != "" {
		e["code"] = code
	}
	answer(w, status, object{"error": e})
}

func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"no JSON","type":"server_error"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b) // who left does not want it
}

func (s *server) listModels(w http.ResponseWriter, _ *http.Request) {
	data := make([]object, len(models))
	for i, m := range models {
		data[i] = m.describe()
	}
	answer(w, http.StatusOK, object{"object": "list", "data": data})
}

func (s *server) oneModel(w http.ResponseWriter, r *http.Request) {
	for _, m := range models {
		if m.id == r.PathValue("id") {
			answer(w, http.StatusOK, m.describe())
			return
		}
	}
	refuse(w, http.StatusNotFound, "model_not_found", fmt.Sprintf("the model %q does not exist", r.PathValue("id")))
}

func (m model) describe() object {
	return object{"id": m.id, "object": "model", "created": 1767225600, "owned_by": "demo", "context_length": m.contextTokens}
}
