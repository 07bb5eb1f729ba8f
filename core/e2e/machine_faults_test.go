package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// Faults of the machine. Not here are those of the clock (42): the wall clock
// can't be changed for one process; every time-out and lease rests on Go's
// monotonic one, and what is stored is tested with clocks of the tests' own.

// Fault 37: more clients than descriptors. Some are refused, nobody's upstream
// is blamed for it, and with the crowd the refusals go.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip(err)
	}
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.StallAfter(3).On("/v1/chat")))
	dir := t.TempDir()
	config := filepath.Join(dir, "router.hcl")
	hcl := listen + channel("a", w.URL(), upstreamKey, "pool {\n    max_connections = 1000\n  }")
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	const files, clients = 320, 300
	r := startRouterIn(t, []string{"prlimit", fmt.Sprintf("--nofile=%d", files)}, config, filepath.Join(dir, "data"))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var refused atomic.Int64
	var all sync.WaitGroup
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range clients {
		all.Go(func() {
			q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/chat/completions", strings.NewReader(string(chatBody("m", true, "hello"))))
			if err != nil {
				t.Error(err)
				return
			}
			q.Header.Set("Content-Type", "application/json")
			resp, err := own.Do(q)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil: // the door had too many to tell each of them
				refused.Add(1)
				return
			case resp.StatusCode == http.StatusTooManyRequests:
				refused.Add(1)
			case resp.StatusCode != http.StatusOK:
				b, _ := io.ReadAll(resp.Body)
				t.Errorf("%s %s", resp.Status, b)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
	}
	wait(t, "all are served or refused", func() bool { return int(refused.Load())+w.Counts().Streams == clients && refused.Load() > 0 })
	served := w.Counts().Streams
	if served < 50 {
		t.Errorf("only %d of %d clients are served with %d descriptors", served, clients, files)
	}
	t.Logf("%d of %d clients were refused", refused.Load(), clients)
	if n := r.metric("smartrouter_attempts_total", `channel="a"`); n != 0 {
		t.Errorf("tries have ended:\n%s", attempts(r, "a"))
	}
	wait(t, "the refusals are counted", func() bool {
		return int64(r.metric("smartrouter_requests_shed_total", `reason="connections"`)) >= refused.Load()
	})
	leave()
	all.Wait()
	w.Mend()
	wait(t, "requests are taken again", func() bool { return r.ask(t.Context(), "m", true, "hello") == nil })
}

// disk is a small one of its own.
func disk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// cached asks until an answer comes from the cache.
func (r *router) cached(text string) {
	r.t.Helper()
	wait(r.t, "the answer is cached: "+text, func() bool {
		resp, body, err := r.post(r.t.Context(), "/chat/completions", chatBody("m", false, text))
		if err != nil || resp.StatusCode != http.StatusOK {
			r.t.Fatalf("%v %v %s", err, resp, body)
		}
		return resp.Header.Get("X-Cache") == "hit"
	})
}

// Fault 39: with a full disk requests are served on, and kept again when there
// is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	data := disk(t, "16m")
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	config := write(t, "router.hcl", listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	r := startRouterAt(t, config, data)
	r.cached("before")
	free := fill(t, data)
	long := strings.Repeat("a long question ", 100)
	for i := range 200 {
		if err := r.ask(t.Context(), "m", i%2 == 0, fmt.Sprint(long, i)); err != nil {
			t.Fatalf("request %d with a full disk: %v", i, err)
		}
	}
	wait(t, "what could not be kept is counted", func() bool {
		return r.metric("smartrouter_plugin_calls_total", `result="error"`)+r.metric("smartrouter_store_failures_total") > 0
	})
	free()
	r.cached("after")
}

// fill leaves no room on a disk, until free is called.
func fill(t *testing.T, disk string) (free func()) {
	t.Helper()
	junk := filepath.Join(disk, "junk")
	f, err := os.Create(junk)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, zeros{})
	f.Close()
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(junk); err != nil {
			t.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// stores are the files of the cache's database.
func stores(t *testing.T, data string) []string {
	t.Helper()
	var of []string
	err := filepath.WalkDir(filepath.Join(data, "plugins"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(path, "cache") {
			of = append(of, path)
		}
		return err
	})
	if err != nil || len(of) == 0 {
		t.Fatalf("%v: no store in %s", err, data)
	}
	return of
}

// Fault 40: a store that is no store any more is set aside; the router begins
// anew and says so.
func TestCorruptStore(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	r.cached("the same question")
	r.stop(syscall.SIGKILL)
	files := stores(t, r.data)
	for _, path := range files {
		if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := startRouterAt(t, r.config, r.data)
	resp, _, err := again.post(t.Context(), "/chat/completions", chatBody("m", false, "the same question"))
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Cache") != "miss" {
		t.Errorf("%v %v", err, resp)
	}
	again.cached("the same question")
	aside := 0
	for _, path := range stores(t, r.data) {
		if b, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(b), "no database ") {
			aside++
		}
	}
	if aside == 0 {
		t.Errorf("nothing was set aside: %v", stores(t, r.data))
	}
	wait(t, "the log says so", func() bool { return strings.Contains(again.log.String(), "a new one is begun") })

	// The alarm is there until somebody has looked, also over a restart.
	alarm := func(r *router, want float64) {
		r.counts(want, "smartrouter_store_set_aside", `plugin="plugin.cache.local"`)
	}
	alarm(again, 1)
	again.stop(syscall.SIGTERM)
	last := startRouterAt(t, r.config, r.data)
	alarm(last, 1)
	for _, path := range stores(t, r.data) {
		if strings.Contains(path, ".corrupt-") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	alarm(last, 0)
}

// Fault 41: a store that can't be written keeps nobody from an answer.
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a folder read-only")
	}
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+answersPipeline(`ttl = "10m"`))
	r.cached("the same question")
	r.stop(syscall.SIGTERM)
	asked := len(chatsAt(w))
	folder := filepath.Dir(stores(t, r.data)[0])
	if err := syscall.Mount(folder, folder, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("no folder of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mount("", folder, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	again := startRouterAt(t, r.config, r.data)
	again.cached("the same question")
	if n := len(chatsAt(w)); n != asked {
		t.Errorf("what is kept is not read: %d requests, and %d before", n, asked)
	}
	if errs := again.load(t.Context(), 4, 40, "m"); len(errs) > 0 {
		t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
	}
	wait(t, "the log says so", func() bool {
		return strings.Contains(again.log.String(), "read-only") || strings.Contains(again.log.String(), "readonly")
	})
	again.stop(syscall.SIGTERM)
}

// Fault 45: the first SIGTERM lets streams finish, the second does not wait.
func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.StallAfter(3).On("/v1/chat")))
	// What ends does not end by this time-out.
	patient := strings.Replace(listen, `server { address = "127.0.0.1:0" }`, "server {\n  address       = \"127.0.0.1:0\"\n  drain_timeout = \"1h\"\n}", 1)
	r := startRouter(t, patient+channel("a", w.URL(), upstreamKey, "timeouts { idle = \"1h\" }"))
	pids := []int{}
	for _, p := range r.status().Plugins {
		pids = append(pids, p.PID)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r.post(t.Context(), "/chat/completions", chatBody("m", true, "hello"))
	}()
	wait(t, "the stream runs", func() bool { return w.Counts().Streams == 1 })
	r.cmd.Process.Signal(syscall.SIGTERM)
	ready := func() (int, error) {
		resp, err := http.Get("http://" + r.host() + "/readyz")
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	wait(t, "the router drains", func() bool { code, err := ready(); return err != nil || code == http.StatusServiceUnavailable })
	select {
	case <-r.exited:
		t.Fatal("the first signal did not wait for the stream")
	default:
	}
	r.stop(syscall.SIGTERM)
	<-answered
	wait(t, "every plugin process has ended", func() bool {
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil && !zombie(pid) {
				return false
			}
		}
		return true
	})
}

// Fault 46: a log that nobody reads stops nobody. Lines are dropped, and counted.
func TestStuckLog(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	dir := t.TempDir()
	r := &router{t: t, data: filepath.Join(dir, "data"), log: &log{}, exited: make(chan struct{})}
	config := write(t, "router.hcl", listen+"log { level = \"debug\" }\n"+channel("a", w.URL(), upstreamKey))
	r.cmd = exec.Command(binary, "serve", "--config", config, "--data-dir", r.data)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.cmd.Stderr = in
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() { r.cmd.Wait(); close(r.exited) }()
	t.Cleanup(func() { r.stop(syscall.SIGKILL) })
	for lines := bufio.NewScanner(out); r.Admin == "" && lines.Scan(); { // and then no more
		if m := publicLine.FindStringSubmatch(lines.Text()); m != nil {
			r.URL = m[1]
		}
		if m := adminLine.FindStringSubmatch(lines.Text()); m != nil {
			r.Admin = m[1]
		}
	}
	dropped := func() float64 { return r.metric("smartrouter_log_lines_dropped_total") }
	wait(t, "the log has no room", func() bool {
		if errs := r.load(t.Context(), 16, 500, "m"); len(errs) > 0 {
			t.Fatalf("%d requests failed, the first: %v", len(errs), errs[0])
		}
		return dropped() > 0
	})
	if errs := r.load(t.Context(), 16, 100, "m"); len(errs) > 0 {
		t.Errorf("%d requests failed with a stuck log, the first: %v", len(errs), errs[0])
	}
	r.stop(syscall.SIGTERM) // does not wait for the log either
	if !r.cmd.ProcessState.Success() {
		t.Errorf("the router ended with %s", r.cmd.ProcessState)
	}
}
