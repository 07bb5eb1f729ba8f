package server

import (
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/wire"
)

// PluginOrder is what POST /admin/plugin/reload, quarantine and unquarantine take.
type PluginOrder struct {
	// Plugin by its address, plugin.selector.mine, or by as much of its end as
	// names only one.
	Plugin string `json:"plugin"`
	// Reason for people. Only of a quarantine.
	Reason string `json:"reason,omitempty"`
}

// PluginAnswer is what they answer.
type PluginAnswer struct {
	Plugin catalog.Status `json:"plugin"`
	// Lifted: there was a quarantine to end.
	Lifted bool `json:"lifted,omitempty"`
}

// pluginOrder has an order about a plugin carried out.
func (s *Server) pluginOrder(do func(*http.Request, PluginOrder) (PluginAnswer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		const example = `{"plugin":"selector.mine"}`
		var q PluginOrder
		werr := readOrder(w, r, &q, example)
		if werr == nil && q.Plugin == "" {
			werr = &wire.Error{
				Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "plugin",
				Message: "Name a plugin, such as in " + example + ".",
			}
		}
		if werr != nil {
			fail(w, werr)
			return
		}
		out, err := do(r, q)
		if err != nil {
			fail(w, &wire.Error{
				Status: http.StatusUnprocessableEntity, Type: "invalid_request_error", Param: "plugin", Message: err.Error(),
			})
			return
		}
		answer(w, http.StatusOK, out)
	}
}

func (s *Server) reloadPlugin(r *http.Request, q PluginOrder) (out PluginAnswer, err error) {
	out.Plugin, err = s.operator.ReloadPlugin(r.Context(), q.Plugin)
	return out, err
}

func (s *Server) quarantinePlugin(_ *http.Request, q PluginOrder) (out PluginAnswer, err error) {
	out.Plugin, err = s.operator.QuarantinePlugin(q.Plugin, q.Reason)
	return out, err
}

func (s *Server) releasePlugin(_ *http.Request, q PluginOrder) (out PluginAnswer, err error) {
	out.Plugin, out.Lifted, err = s.operator.ReleasePlugin(q.Plugin)
	return out, err
}
