package server

import (
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Plan is what GET /admin/plan answers: what a reload would change.
type Plan struct {
	// Path of the configuration's file.
	Path    string          `json:"path"`
	Changes []config.Change `json:"changes"`
	Plugins []PluginFate    `json:"plugins"`
	Notes   []string        `json:"notes,omitempty"`
}

// PluginFate is what would become of a plugin's process.
type PluginFate struct {
	Address string       `json:"address"`
	Fate    catalog.Fate `json:"fate"`
	Why     string       `json:"why,omitempty"`
}

// Empty reports whether a reload would change nothing.
func (p *Plan) Empty() bool {
	for _, f := range p.Plugins {
		if f.Fate != catalog.Carried {
			return false
		}
	}
	return len(p.Changes) == 0
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	p, err := s.operator.Plan(r.Context())
	if err != nil {
		fail(w, &wire.Error{
			Status: http.StatusUnprocessableEntity, Type: "invalid_request_error", Code: "reload_would_fail", Message: err.Error(),
		})
		return
	}
	answer(w, http.StatusOK, p)
}
