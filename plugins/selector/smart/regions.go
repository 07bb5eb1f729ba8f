package smart

import (
	"strings"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/region"
)

const (
	// bandKm is how much farther makes a difference: light in glass needs 10 ms
	// for it and back, which is below what providers differ by.
	bandKm = 1000
	// neutralKm stands for an unknown distance: beyond a continent, before
	// another one.
	neutralKm = 5000
)

// origin is where a caller is; the zero value is nowhere, and all is equally
// far from it.
type origin struct{ region string }

// origin of a request. A region that neither the table of places nor any
// candidate knows is nowhere.
func (s *selector) origin(name string, candidates []sdk.Candidate) origin {
	if s.Regions != preferNear || name == "" {
		return origin{}
	}
	if region.Known(name) {
		return origin{name}
	}
	for i := range candidates {
		if ch := candidates[i].Channel; ch != nil && strings.EqualFold(ch.Region, name) {
			return origin{name}
		}
	}
	return origin{}
}

// km to a channel; false: not known.
func (o origin) km(ch *sdk.Channel) (float64, bool) {
	if ch == nil {
		return 0, false
	}
	return region.Kilometres(o.region, ch.Region)
}

// band of a channel; the lower the nearer.
func (o origin) band(ch *sdk.Channel) uint8 {
	if o.region == "" {
		return 0
	}
	km, ok := o.km(ch)
	if !ok {
		km = neutralKm
	}
	return uint8(km / bandKm) // half the earth's girth is 20 bands
}
