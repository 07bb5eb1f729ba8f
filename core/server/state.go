package server

import (
	"path"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/fleet"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/telemetry"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// State is what one configuration runs on. It does not change; a new
// configuration brings a new one.
type State struct {
	Config *config.Config
	// Print is the configuration's fingerprint, for decision records.
	Print string
	// Since is when it was put to work.
	Since      time.Time
	Keys       *Keys
	Board      *board.Board
	Pipelines  map[*config.Pipeline]*pipeline.Pipeline
	Dispatcher *upstream.Dispatcher
	// Pins outlive the state.
	Pins *Pins
	// Stores are the cache plugins in use.
	Stores []Store
	// Fleet is how the routers do that share the store, nil in it and by itself:
	// there are no others.
	Fleet func() *fleet.Status
	// Telemetry follows requests; nil: nobody does.
	Telemetry *telemetry.Telemetry
	// Plugins are those that run, by address.
	Plugins func() []*catalog.Instance

	users users
}

// route finds the pipeline of a request.
func (s *State) route(urlPath, model string) *pipeline.Pipeline {
	return s.Pipelines[routed(s.Config, urlPath, model)]
}

// routed is the pipeline of the first route in the file which has the path and
// the model; nil: none has.
func routed(c *config.Config, urlPath, model string) *config.Pipeline {
	for _, r := range c.Routes {
		if anyMatch(r.Paths, urlPath, matchPath) && anyMatch(r.Models, model, matchModel) {
			return r.Pipeline
		}
	}
	return nil
}

// Routed is the pipeline that a configuration gives the requests for a model at
// an endpoint; nil: none.
func Routed(c *config.Config, e sdk.Endpoint, model string) *config.Pipeline {
	for urlPath, at := range endpoints {
		if at == e {
			return routed(c, urlPath, model)
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
