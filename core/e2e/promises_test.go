package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/clients/golang"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

const upstreamKey = "sk-upstream"

// Each model of the client programs gets a channel of its own: what makes one
// of them fail must not ban the others.
func throughRouter(t *testing.T) (*router, golang.Models) {
	t.Helper()
	m := simulatedModels()
	w := simulateProvider(t, upstreamKey)
	t.Cleanup(func() { sawClientsLeave(t, w) })
	hcl := listen + `key "tests" { secret = "sk-tests" }` + "\n"
	good := []string{m.Chat, m.Completion, m.Embedding, m.Image, m.Speech, m.Transcription, m.Moderation, m.Rerank}
	hcl += channel("good", w.URL(), upstreamKey, "models = "+list(good))
	hcl += channel("slow", w.URL(), upstreamKey, "models = "+list([]string{m.Silent, m.Stalling}))
	for status, name := range m.Failing {
		hcl += channel(fmt.Sprintf("failing-%d", status), w.URL(), upstreamKey, "models = "+list([]string{name}))
	}
	// A provider that refuses its key or its whole account is not the caller's fault.
	delete(m.Failing, 403)
	return startRouter(t, hcl), m
}

func list(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

func TestOfficialNodeClients(t *testing.T) {
	t.Parallel()
	r, models := throughRouter(t)
	runNodeClientsFor(t, r.URL, "sk-tests", models)
}

func TestOfficialGoClient(t *testing.T) {
	t.Parallel()
	r, models := throughRouter(t)
	golang.Run(t, r.URL, "sk-tests", models)
}

func TestOneChannelDeadOneBrokenNoClientSeesIt(t *testing.T) {
	t.Parallel()
	broken := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Status(500).On("/v1/chat/completions")))
	good := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+
		channel("dead", wall.Dead(t), upstreamKey, `models = ["m"]`, "priority = 1")+
		channel("broken", broken.URL(), upstreamKey, "priority = 2")+
		channel("good", good.URL(), upstreamKey, "priority = 3"))
	const requests = 1000
	if errs := r.load(t.Context(), 16, requests, "m"); len(errs) > 0 {
		t.Fatalf("%d of %d requests failed, the first: %v", len(errs), requests, errs[0])
	}
	if tries := r.metric("smartrouter_attempts_total", `channel="broken"`); tries == 0 {
		t.Error("the broken channel was never tried: nothing was shown")
	}
}

// everyKind is a pipeline with all kinds of plugins at work.
const everyKind = `
plugin "guard" "regex" {
  config {
    deny "never" { pattern = "what nobody says" }
  }
}
observe "log" { run = plugin.observer.jsonl }
pipeline "default" {
  step "health"   { run = plugin.prober.models }
  step "patterns" {
    run     = plugin.guard.regex
    timeout = "30s" # in which a busy machine starts it anew
  }
  step "answers" {
    run = plugin.cache.local
    ttl = "10m"
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`

// Faults 1 to 7: each kind of plugin is killed, and stopped, under load.
func TestEveryPluginKilledUnderLoadLosesNoRequest(t *testing.T) {
	t.Parallel()
	everyPluginUnderLoad(t, syscall.SIGKILL, "signal: killed")
}

func TestEveryPluginStoppedUnderLoadLosesNoRequest(t *testing.T) {
	t.Parallel()
	everyPluginUnderLoad(t, syscall.SIGSTOP, "did not answer for ")
}

func everyPluginUnderLoad(t *testing.T, fault syscall.Signal, lastExit string) {
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", a.URL(), upstreamKey)+channel("b", b.URL(), upstreamKey)+everyKind)
	var addresses []string
	for _, p := range r.status().Plugins {
		addresses = append(addresses, p.Address)
	}
	if len(addresses) != 7 {
		t.Fatalf("plugins are %v, seven kinds are declared", addresses)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	done := make(chan []error)
	go func() {
		var errs []error
		for ctx.Err() == nil {
			errs = append(errs, r.load(context.WithoutCancel(ctx), 64, 640, "m")...)
			sent.Add(640)
		}
		done <- errs
	}()
	for _, address := range addresses {
		before := sent.Load()
		was := r.signalPlugin(address, fault)
		wait(t, address+" is back, and the load went on", func() bool {
			p := pluginAt(r, address)
			return p.State == catalog.Ready && p.PID != was.PID && sent.Load() >= before+640
		})
		if n := r.metric("smartrouter_plugin_starts_total", fmt.Sprintf("plugin=%q", address)); n < 2 {
			t.Errorf("%s: metrics count %v starts", address, n)
		}
		// On a busy machine it may have been silent, and replaced, once more, or
		// just before.
		part := strings.Split(address, ".")
		who := fmt.Sprintf("plugin=\"%s(%s)\"", part[1], part[2]) // as the log calls it
		wait(t, address+" ended by "+lastExit, func() bool {
			for line := range strings.Lines(r.log.String()) {
				if strings.Contains(line, who) && (strings.Contains(line, lastExit) || strings.Contains(line, "did not answer for ")) {
					return true
				}
			}
			return false
		})
	}
	cancel()
	errs := <-done
	if len(errs) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(errs), sent.Load(), errs[0])
	}
}

func pluginAt(r *router, address string) catalog.Status {
	for _, p := range r.status().Plugins {
		if p.Address == address {
			return p
		}
	}
	return catalog.Status{}
}

// crashed tells that a plugin was started again for another reason than that a
// busy machine kept it from answering in time.
func crashed(p catalog.Status) bool {
	return p.Restarts > 0 && !strings.HasPrefix(p.LastExit, "did not answer for ")
}

func (r *router) killPlugin(address string) catalog.Status {
	r.t.Helper()
	return r.signalPlugin(address, syscall.SIGKILL)
}

// signalPlugin sends a signal to a plugin's process once it has one: the process
// 0 would be the whole group of this test.
func (r *router) signalPlugin(address string, s syscall.Signal) catalog.Status {
	r.t.Helper()
	var was catalog.Status
	wait(r.t, address+" runs", func() bool {
		was = pluginAt(r, address)
		// The status may tell of a process that has just been killed.
		return was.State == catalog.Ready && was.PID > 1 && syscall.Kill(was.PID, s) == nil
	})
	return was
}

func TestRouterKilledLeavesNoProcessAndAnswersFromItsCacheAfter(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	var first []byte
	wait(t, "the answer is cached", func() bool {
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "the same question"))
		if err != nil {
			t.Fatal(err)
		}
		first = body
		return resp.Header.Get("X-Cache") == "hit"
	})
	// Hot answers are hits before they are written.
	wait(t, "the answer is stored", func() bool { return r.metric("smartrouter_answers_known") == 1 })
	var pids []int
	for _, p := range r.status().Plugins {
		pids = append(pids, p.PID)
	}
	r.stop(syscall.SIGKILL)
	wait(t, "every plugin process has ended", func() bool {
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil && !zombie(pid) {
				return false
			}
		}
		return true
	})

	w.Forget()
	again := startRouterAt(t, r.config, r.data)
	resp, body, err := again.post(t.Context(), "/chat/completions", chatBody("m", false, "the same question"))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Cache") != "hit" || !bytes.Equal(body, first) {
		t.Errorf("after the kill: x-cache %q, %s; before: %s", resp.Header.Get("X-Cache"), body, first)
	}
	for _, q := range w.Requests() {
		if q.Method != http.MethodHead { // a warmed connection
			t.Errorf("the provider was asked %s %s", q.Method, q.Path)
		}
	}
}

// zombie reports a process that has ended and was not waited for.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

func TestNoPluginCallThatALeaseCouldHaveSaved(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	// Calls that a busy machine has late are made again.
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+`
pipeline "default" {
  step "health"  { run = plugin.prober.models }
  step "answers" { run = plugin.cache.local }
  step "choose" {
    run     = plugin.selector.smart
    timeout = "30s"
  }
  step "precheck" {
    run     = plugin.prechecker.race
    timeout = "30s"
  }
  step "call" {
    run     = provider.adapter
    timeout = "30s"
  }
}
`)
	calls := func() float64 { return r.metric("smartrouter_plugin_calls_total") }
	if errs := r.load(t.Context(), 8, 100, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	before, begin := calls(), time.Now()
	const requests = 2000
	if errs := r.load(t.Context(), 16, requests, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	// Plans are renewed every 5 s for each of the handful of distinct facts;
	// requests come by the thousand.
	spans := float64(time.Since(begin)/(5*time.Second)) + 1
	if n := calls() - before; n > 10*spans {
		t.Errorf("%v plugin calls for %d requests in %s", n, requests, time.Since(begin))
	}
}

func TestSIGTERMLetsStreamsFinish(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Pace(50*time.Millisecond))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey))
	const streams = 100
	errs := make(chan error, streams)
	for i := range streams {
		go func() {
			errs <- r.ask(t.Context(), "m", true, fmt.Sprintf("a stream of %s, number %d", strings.Repeat("many words ", 100), i))
		}()
	}
	wait(t, "all streams run", func() bool { return r.metric("smartrouter_requests_in_flight") == streams })
	r.stop(syscall.SIGTERM)
	for range streams {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if !r.cmd.ProcessState.Success() {
		t.Errorf("the router ended with %s", r.cmd.ProcessState)
	}
}
