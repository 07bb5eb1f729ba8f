package catalog

import (
	"testing"
	"time"
)

// Whenever plugins have started and answered, their next pings come together.
func TestPingsOfAllPluginsComeAtTheSameTime(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	for running, want := range map[time.Duration]time.Duration{
		0: interval, interval: interval, time.Millisecond: 199 * time.Millisecond, 990 * time.Millisecond: 10 * time.Millisecond,
	} {
		if got := untilNext(running, interval); got != want {
			t.Errorf("after %s: in %s, not %s", running, got, want)
		}
	}
}
