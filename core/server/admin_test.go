package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAdminTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	s := &Server{metrics: NewMetrics(func() *State { return nil })}
	for _, tt := range []struct {
		name, token, authorization string
		want                       int
	}{
		{name: "the token", token: "t0k3n", authorization: "Bearer t0k3n", want: http.StatusOK},
		{name: "the scheme in another case", token: "t0k3n", authorization: "bearer t0k3n", want: http.StatusOK},
		{name: "another token", token: "t0k3n", authorization: "Bearer t0k3m", want: http.StatusUnauthorized},
		{name: "the token in another case", token: "t0k3n", authorization: "Bearer T0K3N", want: http.StatusUnauthorized},
		{name: "another scheme", token: "t0k3n", authorization: "Basic t0k3n", want: http.StatusUnauthorized},
		{name: "nothing", token: "t0k3n", want: http.StatusUnauthorized},
		{name: "nothing, and there is no token", authorization: "Bearer ", want: http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
			r.Header.Set("Authorization", tt.authorization)
			w := httptest.NewRecorder()
			s.adminRoutes(tt.token).ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%d, want %d", w.Code, tt.want)
			}
		})
	}
}
