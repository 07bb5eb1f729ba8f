package server

import (
	"net/http"
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk/region"
)

// regionHeader is how a caller says where it is.
const regionHeader = "X-Smartrouter-Region"

// region is where the caller is, by its request, its key or the configuration;
// empty: nobody knows.
//
// A region is a part of what plans are leased under. So a header counts only
// where it names a place that somebody knows, in one spelling: made-up names
// would have the selector asked for each of them.
func (s *State) region(h http.Header, caller string) string {
	if name := h.Get(regionHeader); name != "" {
		if region.Known(name) {
			return strings.ToLower(name)
		}
		if own := s.ownRegion(name); own != "" {
			return own
		}
	}
	if name := s.Keys.Region(caller); name != "" {
		return name
	}
	return s.Config.Server.Region
}

// ownRegion is a region as the configuration spells it; empty: it has none of
// this name.
func (s *State) ownRegion(name string) string {
	if strings.EqualFold(s.Config.Server.Region, name) {
		return s.Config.Server.Region
	}
	for _, k := range s.Config.Keys {
		if strings.EqualFold(k.Region, name) {
			return k.Region
		}
	}
	for _, c := range s.Config.Channels {
		if strings.EqualFold(c.Region, name) {
			return c.Region
		}
	}
	return ""
}
