package upstream

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// answering is an upstream that always answers the same.
func answering(t testing.TB, status int, contentType, body string) string {
	t.Helper()
	if contentType == "" {
		contentType = "application/json"
	}
	return handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

// handled is an upstream that reads its requests and answers by do.
func handled(t testing.TB, do http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			do(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// tlsServer speaks HTTP/2 with a certificate that only the test knows.
func tlsServer(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", r.Proto)
		io.WriteString(w, `{"id":"1","choices":[{"finish_reason":"stop"}]}`)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quietLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// quietLog hides net/http's remarks about handshakes that are meant to fail.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// newServer answers by do alone.
func newServer(t testing.TB, do http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(do)
	t.Cleanup(s.Close)
	return s.URL
}
