package board

import (
	"strings"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// Fault 42: a jump of the wall clock moves no ban, because ends are reckoned
// by the monotonic clock, which their time values carry along ("m=").
func TestEndsOfBansKeepTheMonotonicClock(t *testing.T) {
	t.Parallel()
	b := New(nil)
	end := next(&config.Defaults.Bans, Failure{Class: Quota}, nil, false, b.now()).Until
	if !strings.Contains(end.String(), " m=") {
		t.Errorf("the end %s is on the wall clock alone", end)
	}
}
