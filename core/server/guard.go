package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/gemini"
)

// guard decides who may ask. A page in the user's browser can send requests to
// loopback too: it must not spend the user's keys. So a request without an API
// key must be addressed to loopback or a listed host, and one that comes from a
// web page must come from a listed origin.
type guard struct {
	cfg  *config.Server
	keys *Keys
}

func guardOf(st *State) guard { return guard{cfg: &st.Config.Server, keys: st.Keys} }

// caller is the name of the API key, or anonymous.
func (g guard) caller(r *http.Request) (string, *wire.Error) {
	if origin := r.Header.Get("Origin"); origin != "" && !g.listed(origin) {
		return "", &wire.Error{
			Status: http.StatusForbidden, Type: "invalid_request_error", Code: "origin_not_allowed",
			Message: "Web pages of this origin may not use the router. List it in server.origins of the configuration to allow it.",
		}
	}
	if g.keys.Required() {
		key := credential(r)
		if key == "" {
			return "", &wire.Error{
				Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "missing_api_key",
				Message: "You didn't provide an API key. Send one of the router's keys as Authorization: Bearer KEY.",
			}
		}
		name, ok := g.keys.Name(key)
		if !ok {
			return "", &wire.Error{
				Status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "invalid_api_key",
				Message: "Incorrect API key provided. The router has keys of its own, which its configuration names.",
			}
		}
		return name, nil
	}
	if !g.cfg.AllowAnonymous && !g.addressed(r.Host) {
		return "", &wire.Error{
			Status: http.StatusForbidden, Type: "invalid_request_error", Code: "host_not_allowed",
			Message: "The router has no API keys and answers only requests addressed to this machine. Declare a key, or list the host in server.hosts.",
		}
	}
	return "", nil
}

// bearer is the token of an Authorization header, whose scheme may be in any
// case (RFC 9110).
func bearer(h http.Header) string {
	const scheme = "Bearer "
	if a := h.Get("Authorization"); len(a) > len(scheme) && strings.EqualFold(a[:len(scheme)], scheme) {
		return strings.TrimSpace(a[len(scheme):])
	}
	return ""
}

// credential is the caller's key in any of the forms that SDKs send.
func credential(r *http.Request) string {
	h := r.Header
	if token := bearer(h); token != "" {
		return token
	}
	for _, name := range [...]string{"X-Api-Key", "Api-Key", geminiKey} {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	if r.URL.RawQuery != "" && formatOf(r) == gemini.Format {
		return r.URL.Query().Get("key")
	}
	return ""
}

func (g guard) listed(origin string) bool {
	return slices.ContainsFunc(g.cfg.Origins, func(o string) bool {
		return o == "*" || strings.EqualFold(o, origin)
	})
}

// addressed reports whether the Host header names this machine.
func (g guard) addressed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(g.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// The headers that a listed web page may send, and read.
const (
	corsMethods = "GET, POST, DELETE, OPTIONS"
	corsExpose  = "x-request-id, x-smartrouter-decision, x-smartrouter-channel, x-smartrouter-model, x-smartrouter-attempts, x-cache, age, retry-after"
	corsMaxAge  = "600" // seconds
)

// cors answers what a browser asks before and beside a request of a listed
// origin. It reports whether the request was only that question.
func (g guard) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || !g.listed(origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", corsExpose)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	if ask := r.Header.Get("Access-Control-Request-Headers"); ask != "" {
		h.Set("Access-Control-Allow-Headers", ask)
	}
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
