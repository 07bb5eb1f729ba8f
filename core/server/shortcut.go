package server

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"
)

// shortcut asks the router once for each entry, and not with every request:
// mux goes through its routes one by one and copies the request twice. What does
// not call an entry by its plain path goes to mux as it is.
func shortcut(r *mux.Router) http.Handler {
	found := make(map[string]http.Handler, len(entries))
	for path := range entries {
		var m mux.RouteMatch
		if r.Match(&http.Request{Method: http.MethodPost, URL: &url.URL{Path: path}}, &m) && len(m.Vars) == 0 {
			found[path] = m.Handler
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost && q.URL.RawPath == "" {
			if h := found[q.URL.Path]; h != nil {
				h.ServeHTTP(w, q)
				return
			}
		}
		r.ServeHTTP(w, q)
	})
}
