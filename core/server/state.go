package server

import (
	"path"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/pipeline"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/sdk"
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

// channelState is a channel's state in one word, and why.
func channelState(c *board.Channel, now time.Time) (state, why string) {
	if c.Config.Off != "" {
		return "off", c.Config.Off
	}
	if b := c.Ban(); b != nil && !b.Ended(now) {
		return "banned", b.Reason
	}
	if a := c.Availability(); a != nil {
		if a.Available {
			return "up", a.Reason
		}
		return "down", a.Reason
	}
	h := c.Health()
	if h.State == sdk.HealthUnknown {
		return "unknown", "not probed yet"
	}
	return h.State.String(), h.Reason
}
