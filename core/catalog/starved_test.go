package catalog

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// A plugin that gets no CPU misses its start time and its pings, and is not
// killed for that: it is on a CPU that others use, with the kernel's lowest
// priority.
func TestPluginWithoutACPUIsWaitedFor(t *testing.T) {
	t.Parallel()
	chrt, err := exec.LookPath("chrt")
	if err != nil {
		t.Fatal(err) // of util-linux, which every Debian has
	}
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !allowed.IsSet(cpu) {
		cpu++
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := command(t, sdk.KindCache)
	p.Command = []string{chrt, "-i", "0", "taskset", "-c", strconv.Itoa(cpu), exe, "plugin", "serve", "cache/echo"}
	p.StartTimeout, p.PingInterval = 200*time.Millisecond, 10*time.Millisecond
	impatient := *p
	impatient.PingTimeout = 200 * time.Millisecond

	var log buffer
	said := func(what string) func() bool { return func() bool { return strings.Contains(log.String(), what) } }
	c := newCatalog(t, func(o *Options) { o.Log = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Warn}) })
	stop := burn(t, cpu)
	go func() {
		defer stop()
		eventually(t, "its late start is told", said("waits for a CPU at its start"))
	}()
	i := load(t, c, p).Plugin(p.Address())
	stop()

	stop = burn(t, cpu)
	load(t, c, &impatient)
	eventually(t, "its silence is told", said("gets no time to answer"))
	load(t, c, p)
	stop()
	answers(t, i)
	if s := i.Status(); s.Epoch != 1 || s.State != Ready {
		t.Errorf("%+v\n%s", s, log.String())
	}
}

// burn uses all of a CPU until it is stopped.
func burn(t *testing.T, cpu int) (stop func()) {
	t.Helper()
	var stopped atomic.Bool
	ready := make(chan error)
	for range 2 {
		go func() {
			runtime.LockOSThread() // for good: the thread ends with it
			var set unix.CPUSet
			set.Set(cpu)
			ready <- unix.SchedSetaffinity(0, &set)
			for !stopped.Load() {
			}
		}()
		if err := <-ready; err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { stopped.Store(true) })
	return func() { stopped.Store(true) }
}

func TestStarvedSince(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, c := range map[string]struct {
		then, now share
		want      bool
	}{
		"sleeps":                    {},
		"has waited":                {then: share{waited: second}, now: share{waited: second * 3 / 2}, want: true},
		"has hardly waited":         {now: share{waited: second / 10}},
		"waits, and never ran":      {then: share{active: true}, now: share{active: true}, want: true},
		"runs all the time":         {then: share{active: true}, now: share{active: true, ran: second}},
		"wakes up just now":         {now: share{active: true}},
		"waits, and the other ones": {then: share{waited: second, active: true}, now: share{waited: 4 * second, active: true}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.now.starvedSince(c.then, second); got != c.want {
				t.Errorf("starved: %v", got)
			}
		})
	}
}

// A stopped process waits for no CPU.
func TestShareOfAGroup(t *testing.T) {
	t.Parallel()
	i := loadEcho(t, newCatalog(t))
	pid := i.Status().PID
	s := shareOf(pid)
	if s.ran <= 0 {
		t.Errorf("it has started, and never ran: %+v", s)
	}
	signalTo(t, pid, unix.SIGSTOP)
	eventually(t, "all its threads stand still", func() bool { return !shareOf(pid).active })
	then := shareOf(pid)
	now := shareOf(pid)
	if now.active || now.starvedSince(then, time.Microsecond) {
		t.Errorf("stopped: %+v, then %+v", then, now)
	}
	signalTo(t, pid, unix.SIGCONT)
	answers(t, i)
}
