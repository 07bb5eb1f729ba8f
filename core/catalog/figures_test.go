package catalog

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func TestQuantileIsOffByAnEighthAtMost(t *testing.T) {
	t.Parallel()
	err := quick.Check(func(us uint32, below uint16) bool {
		var l latencies
		d := time.Duration(us) * time.Microsecond
		for range int(below%90) + 1 {
			l.add(d)
		}
		got := l.p99()
		return got >= d && got <= d+d/4+2*time.Microsecond
	}, nil)
	if err != nil {
		t.Error(err)
	}
	var l latencies
	if got := l.p99(); got != 0 {
		t.Errorf("without calls: %v", got)
	}
	for n := range 1000 {
		l.add(time.Duration(n) * time.Millisecond)
	}
	l.add(1000 * time.Hour) // beyond the last bucket
	if got := l.p99(); got < 980*time.Millisecond || got > 1250*time.Millisecond {
		t.Errorf("p99 of 0 to 1 s: %v", got)
	}
}

func TestDetailsOfAPlugin(t *testing.T) {
	t.Parallel()
	i := loadEcho(t, newCatalog(t))
	ask(t, i, "pid")
	if _, _, err := i.Cache().Get(t.Context(), "fail", "no luck"); err == nil {
		t.Fatal("it did not fail")
	}
	s := i.Details()
	if s.Memory < 1<<20 || s.P99 <= 0 || !strings.Contains(s.LastError, "no luck") || s.LastErrorAt == nil {
		t.Errorf("details are %+v", s)
	}
	if got := memoryOf(0); got != 0 {
		t.Errorf("no process has %d bytes", got)
	}
	if _, err := os.Stat("/proc/self/status"); errors.Is(err, os.ErrNotExist) {
		t.Skip("no /proc")
	}
	if got := memoryOf(os.Getpid()); got < 1<<20 {
		t.Errorf("this process has %d bytes", got)
	}
}
