package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// badPlugin is a selector without the SDK that does one thing wrong.
var badPlugin = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "bad")
	out, err := exec.Command("go", "build", "-o", path, "../../sdk/conform/testdata/bad").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// selectedBy is a configuration whose selector is the bad one.
func selectedBy(t *testing.T, does string, channels ...string) string {
	t.Helper()
	bad, err := badPlugin()
	if err != nil {
		t.Fatal(err)
	}
	return listen + strings.Join(channels, "") + fmt.Sprintf(`
plugin "selector" "bad" {
  command       = [%q, %q]
  start_timeout = "60s"
}
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" {
    run   = plugin.selector.bad
    fresh = "1ms"
    stale = "0s"
  }
  step "call" { run = provider.adapter }
}
`, bad, does)
}

// Faults 1, 8 and 12: whatever a selector does, every request is answered,
// and the router says what was wrong.
func TestBadSelectorLosesNoRequest(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	status := func(r *router) catalog.Status { return pluginAt(r, "plugin.selector.bad") }
	logged := func(part string) func(*router) bool {
		return func(r *router) bool { return strings.Contains(r.log.String(), part) }
	}
	restarted := func(r *router) bool { return status(r).Restarts > 0 }
	for _, tc := range []struct {
		does    string
		hurried bool // a call has the default time-out, not one that any machine keeps
		what    string
		seen    func(*router) bool
	}{
		{does: "crash", what: "it is started again", seen: restarted},
		{does: "crash-always", what: "it is quarantined, and the list says why", seen: func(r *router) bool {
			s := status(r)
			return s.State == catalog.Quarantined && strings.Contains(s.LastExit, "exit status 3")
		}},
		{does: "hang-always", hurried: true, what: "its time-outs are logged", seen: logged("no plan")},
		{does: "slow", hurried: true, what: "its time-outs are logged", seen: logged("no plan")},
		{does: "pick-a-stranger", what: "its plan is refused", seen: logged("was not offered")},
		{does: "huge-answer", what: "its answer is refused", seen: func(r *router) bool {
			// On a busy machine it may be silent for too long while it makes 80 MB.
			return logged("larger than max")(r) || strings.Contains(r.log.String(), "did not answer for ")
		}},
		{does: "answer-nothing", what: "its plan is refused", seen: logged("plan: no picks")},
		{does: "answer-at-random", what: "its plans are obeyed", seen: func(r *router) bool { return status(r).Calls > 0 }},
		{does: "lease-below-zero", what: "every request asks", seen: func(r *router) bool { return status(r).Calls >= 400 }},
		{does: "lease-for-ever", what: "its first plan holds, and no longer than a day", seen: func(r *router) bool {
			return status(r).Calls > 0 && status(r).Calls < 100 && leaseOf(r) < sdk.MaxLease && leaseOf(r) > sdk.MaxLease-time.Hour
		}},
		{does: "read-undeclared", what: "what it does not declare it never sees", seen: func(r *router) bool { return status(r).Calls > 0 }},
		{does: "old-version", what: "it is served", seen: func(r *router) bool { return status(r).State == catalog.Ready }},
	} {
		t.Run(tc.does, func(t *testing.T) {
			config := selectedBy(t, tc.does, channel("a", w.URL(), upstreamKey), channel("b", w.URL(), upstreamKey))
			if !tc.hurried { // on a busy machine it would be late before it is seen what it is
				config = strings.Replace(config, "plugin.selector.bad\n", "plugin.selector.bad\n    timeout = \"10s\"\n", 1)
			}
			r := startRouter(t, config)
			for range 4 {
				if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
					t.Fatalf("%d requests failed, the first: %v", len(errs), errs[0])
				}
			}
			wait(t, tc.what, func() bool {
				if tc.seen(r) {
					return true
				}
				if err := r.ask(t.Context(), "m", false, "one more"); err != nil {
					t.Fatal(err)
				}
				return false
			})
		})
	}
}

var freshFor = regexp.MustCompile(`fresh for (\S+) more`)

// leaseOf is how long the selector's plan is fresh, as explain tells it.
func leaseOf(r *router) time.Duration {
	out, err := r.command("explain", "--model", "m")
	m := freshFor.FindStringSubmatch(out)
	if err != nil || m == nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	left, err := time.ParseDuration(m[1])
	if err != nil {
		r.t.Fatal(err)
	}
	return left
}

const adapter = "plugin.adapter.openai"

// Fault 5: nobody misses an adapter that is down for long.
func TestAdapterThatIsDownIsServedFromItsLeases(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+channel("b", w.URL(), upstreamKey))
	if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 { // whole and streamed, by both channels
		t.Fatal(errs[0])
	}
	wait(t, "it is quarantined", func() bool {
		p := pluginAt(r, adapter)
		if p.State == catalog.Ready && p.PID > 1 {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		return p.State == catalog.Quarantined
	})
	shown := 0
	for pluginAt(r, adapter).State == catalog.Quarantined && shown < 400 {
		if errs := r.load(t.Context(), 8, 40, "m"); len(errs) > 0 {
			t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		shown += 40
	}
	// A slow machine may not get as far as 400 within the minute.
	if shown < 80 {
		t.Errorf("it is back after %d requests, so nothing was shown", shown)
	}
}

// Fault 6: no byte of a stream passes through the adapter that prepared it.
func TestAdapterKilledUnderStreamsCutsNone(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Pace(150*time.Millisecond))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	const streams = 50
	errs := make(chan error, streams)
	for i := range streams {
		go func() {
			errs <- r.ask(t.Context(), "m", true, fmt.Sprintf("stream %d of %s", i, strings.Repeat("many words ", 100)))
		}()
	}
	running := func() bool { return r.metric("smartrouter_requests_in_flight") == streams }
	wait(t, "all streams run", running)
	was := r.killPlugin(adapter)
	wait(t, "it is another process", func() bool { p := pluginAt(r, adapter); return p.State == catalog.Ready && p.PID != was.PID })
	if !running() {
		t.Error("some streams were over by then: too little was shown")
	}
	for range streams {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Fault 9: a plugin that leaks dies of its limit, and alone.
func TestLeakingPluginDiesAlone(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, selectedBy(t, "leak-memory", channel("a", w.URL(), upstreamKey), `plugins { memory = "48MiB" }`))
	others := func() (pids []int) {
		for _, p := range r.status().Plugins {
			if p.Address != "plugin.selector.bad" {
				pids = append(pids, p.PID)
			}
		}
		return pids
	}
	before := others()
	wait(t, "it is killed for its memory, and back", func() bool {
		if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
			t.Fatalf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		s := pluginAt(r, "plugin.selector.bad")
		return s.MemoryKills > 0 && s.State == catalog.Ready
	})
	if s := pluginAt(r, "plugin.selector.bad"); !strings.Contains(s.LastExit, `MiB of memory, and memory = "48MiB"`) {
		t.Errorf("the list says %q", s.LastExit)
	}
	if now := others(); !slices.Equal(now, before) {
		t.Errorf("the other plugins were %v and are %v", before, now)
	}
}

// Fault 10: of what a plugin prints too much, the log has 100 lines a second,
// and 500 at once before that.
func TestFloodOfStderrIsLimited(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	began := time.Now()
	r := startRouter(t, selectedBy(t, "flood-stderr", channel("a", w.URL(), upstreamKey)))
	printed := func() int { return 50 * int(pluginAt(r, "plugin.selector.bad").Calls) }
	wait(t, "it has printed a lot", func() bool {
		if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
			t.Fatalf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		return printed() > 10_000
	})
	wait(t, "the log says that lines are left out", func() bool { return strings.Contains(r.log.String(), "plugin prints too much") })
	logged := strings.Count(r.log.String(), "a line of no use")
	if most := 500 + 100*(int(time.Since(began)/time.Second)+1); logged == 0 || logged > most {
		t.Errorf("%d lines of %d are logged, at most %d should be", logged, printed(), most)
	}
}

// Fault 13: what a plugin has started goes with it, in its group or not.
func TestWhatAPluginStartsEndsWithIt(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	for _, does := range []string{"fork", "fork-away"} {
		for _, dies := range []string{"plugin", "router"} {
			t.Run(does+", the "+dies+" is killed", func(t *testing.T) {
				r := startRouter(t, selectedBy(t, does, channel("a", w.URL(), upstreamKey)))
				if errs := r.load(t.Context(), 4, 20, "m"); len(errs) > 0 {
					t.Fatal(errs[0])
				}
				was := pluginAt(r, "plugin.selector.bad")
				var started []int
				// On a busy machine it may not have decided any of these in time.
				wait(t, "it has started some", func() bool {
					r.load(t.Context(), 1, 1, "m")
					started = slices.DeleteFunc(childrenOf(was.PID), zombie)
					return len(started) > 0
				})
				if dies == "router" {
					started = append(started, childrenOf(r.cmd.Process.Pid)...)
					r.stop(syscall.SIGKILL)
				} else if err := syscall.Kill(was.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				wait(t, "they are gone", func() bool {
					return !slices.ContainsFunc(started, func(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) })
				})
			})
		}
	}
}

// Faults 13 and 14: a third party's plugin that watches nothing, or is stopped,
// dies with a router that was killed.
func TestKilledRouterTakesDeafAndStoppedPluginsAlong(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopped=%v", stopped), func(t *testing.T) {
			r := startRouter(t, selectedBy(t, "deaf", channel("a", w.URL(), upstreamKey)))
			pid := pluginAt(r, "plugin.selector.bad").PID
			if pid < 2 {
				t.Fatal("it does not run")
			}
			if stopped {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			r.stop(syscall.SIGKILL)
			wait(t, "it is gone", func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) })
		})
	}
}

// Fault 11: what can't be started is refused at the router's start, with the
// reason.
func TestWrongProtocolIsRefused(t *testing.T) {
	t.Parallel()
	for does, want := range map[string]string{
		"wrong-version":  "speaks protocol version 7, the router speaks 1 and 2; build it with the router's version of the SDK",
		"print-early":    `printed "hello, world" where its handshake was expected; nothing may be printed to stdout before it`,
		"never-ready":    "did not finish its start within 1s",
		"crash-at-start": "ended before its handshake: exit status 2: panic: no disk",
	} {
		t.Run(does, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "router.hcl")
			hcl := selectedBy(t, does, "channel \"demo\" { provider = provider.demo }\n")
			if does == "never-ready" {
				hcl = strings.Replace(hcl, `start_timeout = "60s"`, `start_timeout = "1s"`, 1)
			}
			if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := cli(t, "validate", "--config", config); err == nil || !strings.Contains(out, "selector(bad): ") || !strings.Contains(out, want) {
				t.Errorf("validate says %v\n%s", err, out)
			}
		})
	}
}
