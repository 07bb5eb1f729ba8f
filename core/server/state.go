package server

import (
	"path"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
)

// State is what one configuration runs on. It does not change; a new
// configuration brings a new one.
type State struct {
	Config     *config.Config
	Keys       *Keys
	Board      *board.Board
	Pipelines  map[*config.Pipeline]*pipeline.Pipeline
	Dispatcher *upstream.Dispatcher
	// Pins outlive the state.
	Pins *Pins
	// Plugins are the plugin processes as they are now.
	Plugins func() []catalog.Status
}

// route finds the pipeline of a request: that of the first route in the file
// which has its path and its model.
func (s *State) route(urlPath, model string) *pipeline.Pipeline {
	for _, r := range s.Config.Routes {
		if anyMatch(r.Paths, urlPath, matchPath) && anyMatch(r.Models, model, matchModel) {
			return s.Pipelines[r.Pipeline]
		}
	}
	return nil
}

func anyMatch(patterns []string, s string, match func(pattern, s string) bool) bool {
	for _, p := range patterns {
		if match(p, s) {
			return true
		}
	}
	return false
}

func matchPath(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, prefix)
	}
	return pattern == s
}

// matchModel lets "*" stand for any part of a name, slashes included.
func matchModel(pattern, s string) bool {
	if pattern == "*" || pattern == s {
		return true
	}
	if !strings.Contains(pattern, "*") {
		return false
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00"))
	return err == nil && ok
}
