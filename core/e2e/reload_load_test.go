package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// children of the router, by their pids, without its reaper.
func (r *router) children() []int {
	return slices.DeleteFunc(childrenOf(r.cmd.Process.Pid), isReaper)
}

func isReaper(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), catalog.ReaperRole)
}

// childrenOf are the processes that a process has started, with those that have
// ended and that it did not wait for.
func childrenOf(parent int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if f := strings.Fields(rest); err == nil && len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sockets are the files below the folder of plugins' sockets.
func (r *router) sockets() (n int) {
	r.t.Helper()
	filepath.WalkDir(filepath.Join(r.data, "run"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil // what has gone meanwhile is not there
	})
	return n
}

// left is what the router holds on to.
type left struct {
	children, sockets int
	files, goroutines float64
}

func (r *router) left() left {
	return left{
		children: len(r.children()), sockets: r.sockets(),
		files: r.metric("process_open_fds"), goroutines: r.metric("go_goroutines"),
	}
}

// reload asks for one by the endpoint.
func (r *router) reload(ctx context.Context) (out server.Reload, err error) {
	answer, err := r.askAdmin(ctx, http.MethodPost, "/admin/reload", nil)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(answer, &out)
}

// stream is a chat with a gated provider that is read to its end.
func (r *router) stream(ctx context.Context, model string, begun func()) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/chat/completions", strings.NewReader(string(chatBody(model, true, "x"))))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var text strings.Builder
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text.Len() == 0 {
			begun()
		}
		text.WriteString(lines.Text() + "\n")
	}
	if got := text.String(); lines.Err() != nil || !strings.Contains(got, "begin ") || !strings.Contains(got, `"end"`) || !strings.Contains(got, "[DONE]") || strings.Contains(got, "error") {
		return fmt.Errorf("%v: %s", lines.Err(), got)
	}
	return nil
}

// A hundred reloads, each of which starts a plugin anew and changes channels, keys
// and settings, while five hundred streams are open and others ask on.
func TestAHundredReloadsUnderFiveHundredStreams(t *testing.T) {
	t.Parallel()
	const reloads, streams = 100, 500
	up, quick := startGated(t), wall.Start(t, wall.Key(upstreamKey), wall.Models("quick"))
	file := func(i int) string {
		hcl := fmt.Sprintf("server {\n  address = %q\n  max_in_flight = %d\n}\nadmin { address = %q }\n", "127.0.0.1:0", 5000+i, "127.0.0.1:0") +
			"pool {\n  idle_timeout    = \"1s\"\n  max_connections = 600\n}\n" +
			channel("slow", up.URL+"/v1", upstreamKey, "timeouts { idle = \"1h\" }") + channel("quick", quick.URL(), upstreamKey, "models = [\"quick\"]") +
			fmt.Sprintf("plugin \"selector\" \"mine\" {\n  use           = plugin.selector.smart\n  start_timeout = \"60s\"\n  config {\n    max_error_rate = 0.%d\n  }\n}\n", 1+i%8) + choosing("mine")
		if i%2 == 1 {
			hcl += channel("more", quick.URL(), upstreamKey, "models = [\"quick\"]")
		}
		return hcl
	}
	// The folder's name is short, so that the sockets are in it.
	dir, err := os.MkdirTemp("", "sr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := startRouterAt(t, write(t, "router.hcl", file(0)), filepath.Join(dir, "data"))
	if err := r.ask(t.Context(), "quick", false, "x"); err != nil {
		t.Fatal(err)
	}
	clients.CloseIdleConnections()
	before := r.left()
	if before.sockets < before.children {
		t.Fatalf("%d sockets of %d plugins: nothing could be shown", before.sockets, before.children)
	}

	var all sync.WaitGroup
	var begun, over atomic.Int64
	for range streams {
		all.Go(func() {
			if err := r.stream(t.Context(), "m", func() { begun.Add(1) }); err != nil {
				t.Errorf("a stream broke: %v", err)
			}
			over.Add(1)
		})
	}
	wait(t, "all streams are open", func() bool { return begun.Load() == streams || t.Failed() })
	asking, enough := context.WithCancel(t.Context())
	var asked atomic.Int64
	for range 4 {
		all.Go(func() {
			for asking.Err() == nil {
				if err := r.ask(t.Context(), "quick", asked.Add(1)%2 == 0, "x"); err != nil {
					t.Errorf("a request failed: %v", err)
				}
			}
		})
	}
	for i := 1; i <= reloads; i++ {
		r.rewrite(file(i))
		if out, err := r.reload(t.Context()); err != nil || out.Result != server.ReloadApplied {
			t.Fatalf("reload %d: %+v %v", i, out, err)
		}
	}
	if n := over.Load(); n != 0 {
		t.Errorf("%d streams are over, and none was to end", n)
	}
	// The old processes do not wait for the streams.
	wait(t, "old processes are gone while the streams are open", func() bool { return len(r.children()) == before.children })
	enough()
	up.release()
	all.Wait()
	t.Logf("%d reloads, %d streams, %d other requests", reloads, streams, asked.Load())
	clients.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	var now left
	deadline := time.Now().Add(waitLimit)
	for {
		now = r.left()
		if now.children == before.children && now.sockets == before.sockets && now.files <= before.files+4 && now.goroutines <= before.goroutines+10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it held %+v before and holds %+v after", before, now)
		}
		time.Sleep(100 * time.Millisecond) // between two looks
	}
	t.Logf("before %+v, after %+v", before, now)
}

// Fault 44.
func TestAHundredReloadsASecondAreCoalesced(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	file := func(i int) string {
		return listen + channel("a", w.URL(), upstreamKey, fmt.Sprintf("weight = %d", i)) +
			fmt.Sprintf("plugin \"selector\" \"mine\" {\n  use           = plugin.selector.smart\n  start_timeout = \"60s\"\n  config {\n    max_error_rate = 0.%d\n  }\n}\n", 1+i%8) + choosing("mine")
	}
	r := startRouter(t, file(1))
	const asks = 100
	var all sync.WaitGroup
	for i := range asks {
		r.rewrite(file(2 + i))
		all.Go(func() {
			if _, err := r.reload(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r.mustAsk("m")
	done := r.metric("smartrouter_config_reloads_total")
	if done < 1 || done > asks/2 {
		t.Errorf("%d were asked for, and %g carried out", asks, done)
	}
	// Whoever asked got a reload that began after it: the last file is at work.
	if out, err := r.reload(t.Context()); err != nil || out.Result != server.ReloadUnchanged {
		t.Errorf("the last file is not at work: %+v %v", out, err)
	}
	wait(t, "old processes are gone", func() bool { return len(r.children()) == len(r.status().Plugins) })
}

// A program that was replaced on disk is taken without a request noticing.
func TestAPluginReplacedOnDiskIsTakenByAReload(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	program := filepath.Join(t.TempDir(), "mine")
	install := func(remark string) {
		script := fmt.Sprintf("#!/bin/sh\n# %s\nexec %s plugin serve selector/smart\n", remark, binary)
		if err := os.WriteFile(program+".new", []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	install("the first")
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+
		fmt.Sprintf("plugin \"selector\" \"mine\" {\n  command       = [%q]\n  start_timeout = \"60s\"\n}\n", program)+
		strings.Replace(choosing("mine"), "{ run = plugin.selector.mine }", "{\n    run = plugin.selector.mine\n    fresh = \"0s\"\n    stale = \"0s\"\n    timeout = \"30s\"\n  }", 1))
	pid := func(address string) int {
		for _, p := range r.status().Plugins {
			if p.Address == address {
				return p.PID
			}
		}
		return 0
	}
	selector, adapter := pid("plugin.selector.mine"), pid("plugin.adapter.openai")
	asking, enough := context.WithCancel(t.Context())
	defer enough()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for asking.Err() == nil {
				if err := r.ask(t.Context(), "m", false, "x"); err != nil {
					t.Errorf("a request failed: %v", err)
				}
			}
		})
	}
	for i := range 5 {
		install(fmt.Sprintf("number %d, a longer one%s", i, strings.Repeat(".", i)))
		if out, err := r.reload(t.Context()); err != nil || out.Result != server.ReloadApplied {
			t.Fatalf("%+v %v", out, err)
		}
		now := pid("plugin.selector.mine")
		if now == selector || now == 0 || pid("plugin.adapter.openai") != adapter {
			t.Errorf("the selector was %d and is %d, the adapter %d and %d", selector, now, adapter, pid("plugin.adapter.openai"))
		}
		selector = now
	}
	enough()
	all.Wait()
	if n := r.metric("smartrouter_step_answers_total", `step="choose"`, `source="failed"`); n != 0 {
		t.Errorf("the selector failed %g times", n)
	}
	wait(t, "old processes are gone", func() bool { return len(r.children()) == len(r.status().Plugins) })
}
