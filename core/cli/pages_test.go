package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCleanRangesAreTheProgramsOwnUnwrittenPages(t *testing.T) {
	const smaps = `00400000-01a00000 r-xp 00000000 fe:00 1 /opt/smart router/smartrouter
Size:              22528 kB
Rss:               12808 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01a00000-03000000 r--p 01600000 fe:00 1 /opt/smart router/smartrouter
Anonymous:             4 kB
03000000-03100000 rw-p 02c00000 fe:00 1 /opt/smart router/smartrouter
Anonymous:             0 kB
03100000-03200000 r--p 00000000 fe:00 2 /usr/share/zoneinfo/Europe/Zurich
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
`
	got := cleanRanges(strings.NewReader(smaps), "/opt/smart router/smartrouter")
	if want := []addresses{{0x400000, 0x1a00000}}; !slices.Equal(got, want) {
		t.Errorf("%x, not %x", got, want)
	}
}

func TestAProgramGoesOnWithoutThePagesOfItsStart(t *testing.T) {
	before := fileBacked(t)
	dropProgramPages()
	if after := fileBacked(t); after >= before {
		t.Errorf("%d pages of files are mapped, and were before: %d", after, before)
	}
}

// fileBacked is how many pages of files the process has in memory, by the third
// figure of proc(5)'s statm.
func fileBacked(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[2])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAPluginKeepsLittleGarbageAfterItsFirstCollection(t *testing.T) {
	t.Setenv("GOGC", "")
	rate, percent := runtime.MemProfileRate, debug.SetGCPercent(100)
	defer func() {
		runtime.MemProfileRate = rate
		debug.SetGCPercent(percent)
	}()
	stayLean()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Fatalf("collects at %d %% before there was any collection", got)
	}
	runtime.GC()
	for deadline := time.Now().Add(10 * time.Second); debug.SetGCPercent(100) != spare; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("collects as before")
		}
	}
}
