package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newProject makes a project with a router at free ports.
func newProject(t *testing.T, language string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mine")
	if out, err := cli(t, "plugin", "new", "selector", "mine", "--lang", language, "--dir", dir, "--sdk", "../.."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	edit(t, filepath.Join(dir, "router.hcl"), "pipeline \"default\"", listen+"pipeline \"default\"")
	return dir
}

// edit replaces text in a file, as an editor does.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q (%v)", path, from, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte(strings.ReplaceAll(string(text), from, to)), info.Mode()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

// newDev is smartrouter plugin dev, not started yet.
func newDev(t *testing.T, dir string, args ...string) *router {
	t.Helper()
	r := &router{t: t, config: filepath.Join(dir, "router.hcl"), data: filepath.Join(dir, "data"), log: &log{}, exited: make(chan struct{})}
	r.cmd = exec.Command(binary, append([]string{"plugin", "dev", dir}, args...)...)
	r.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	return r
}

func startDev(t *testing.T, dir string, args ...string) *router {
	t.Helper()
	r := newDev(t, dir, args...)
	r.start()
	return r
}

// says waits for a line of the log.
func (r *router) says(what string) {
	r.t.Helper()
	wait(r.t, "it says "+what, func() bool { return strings.Contains(r.log.String(), what) })
}

// decided asks until the selector is seen to give a reason.
func (r *router) decided(reason string) {
	r.t.Helper()
	wait(r.t, "the selector says "+reason, func() bool {
		if err := r.ask(r.t.Context(), "demo", false, "hello"); err != nil {
			r.t.Fatal(err)
		}
		return strings.Contains(r.log.String(), "in flight 0: "+reason)
	})
}

// Each save of a selector decides the requests that follow, and one that does
// not build, or is refused, changes nothing.
func TestDevSwapsThePluginAtEachSave(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "go")
	source := filepath.Join(dir, "main.go")
	r := startDev(t, dir)
	r.decided("steady")
	r.says("select   plugin.selector.mine")
	r.says("facts    model=demo, and it reads none")
	r.says("lease    fresh for 5s, then stale for 1m0s, as the step says")
	r.says("request  demo: 200 in ")

	edit(t, source, `"steady"`, `"firm"`)
	r.says("main.go was saved: swapped in ")
	r.decided("firm")

	edit(t, source, `"firm"`, `"fir`)
	r.says("main.go was saved, and not taken: the one before goes on")
	r.says("go build: exit status 1")
	r.says("./main.go:") // the compiler names the line
	if err := r.ask(t.Context(), "demo", true, "hello"); err != nil {
		t.Error(err)
	}

	edit(t, source, `"fir`, `"mended"`)
	r.decided("mended")

	edit(t, r.config, "max_error_rate = 0.2", "max_error_rate = 2")
	r.says("max_error_rate: is 2 and must be from 0 to 1")
	r.says("router.hcl was saved, and not taken: the one before goes on")
	if err := r.ask(t.Context(), "demo", false, "hello"); err != nil {
		t.Error(err)
	}
}

func TestDevWaitsForAPluginThatBuilds(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "go")
	source := filepath.Join(dir, "main.go")
	edit(t, source, "sdk.Serve(", "sdk.Server(")
	mended := make(chan struct{})
	r := newDev(t, dir)
	go func() {
		defer close(mended)
		wait(t, "it says what is wrong", func() bool { return strings.Contains(r.log.String(), "undefined: sdk.Server") })
		edit(t, source, "sdk.Server(", "sdk.Serve(")
	}()
	r.start()
	<-mended
	r.decided("steady")
}

func TestDevRunsAPluginInNode(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "node")
	run(t, dir, nil, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline")
	r := startDev(t, dir)
	r.decided("steady")
	edit(t, filepath.Join(dir, "mine.js"), `"steady"`, `"firm"`)
	r.decided("firm")
	edit(t, filepath.Join(dir, "mine.js"), `select(`, `select)(`)
	r.says("mine.js was saved, and not taken: the one before goes on")
	r.says("SyntaxError")
	if err := r.ask(t.Context(), "demo", false, "hello"); err != nil {
		t.Error(err)
	}
}

// A process that its author started serves the router, may stand still at a
// breakpoint for as long as it likes, and outlives the router.
func TestDevReattachesToADebuggedProcess(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "go")
	run(t, dir, nil, "go", "build", "-o", "mine", ".")
	plugin := exec.Command("./mine", "--debug")
	plugin.Dir = dir
	stdout, err := plugin.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := plugin.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { plugin.Process.Kill(); plugin.Wait() }()
	at := ""
	for lines := bufio.NewScanner(stdout); at == "" && lines.Scan(); {
		if m := regexp.MustCompile(`--reattach (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			at = m[1]
		}
	}
	for range 2 { // the same line holds for the next router
		r := startDev(t, dir, "--reattach", at)
		if got := pluginAt(r, "plugin.selector.mine").PID; got != plugin.Process.Pid {
			t.Errorf("process %d is used, want %d", got, plugin.Process.Pid)
		}
		plugin.Process.Signal(syscall.SIGSTOP)
		answered := make(chan error, 1)
		go func() { answered <- r.ask(t.Context(), "demo", false, "hello") }()
		select {
		case err := <-answered:
			t.Errorf("a request was answered, with %v, while its selector stood still", err)
		case <-time.After(1500 * time.Millisecond): // any other plugin would have been given up
		}
		plugin.Process.Signal(syscall.SIGCONT)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		r.says("in flight 0: steady")
		r.stop(syscall.SIGINT)
		if err := plugin.Process.Signal(syscall.Signal(0)); err != nil {
			t.Fatalf("the plugin did not outlive the router: %v", err)
		}
	}
}

func TestDevRefusesToReattachElsewhere(t *testing.T) {
	t.Parallel()
	dir := newProject(t, "go")
	out, err := cli(t, "plugin", "dev", dir, "--reattach", "2,4711,tcp:192.0.2.1:80")
	if err == nil || !strings.Contains(out, "not a loopback address") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = cli(t, "serve", "--config", filepath.Join(dir, "router.hcl"), "--reattach", "2,4711,unix:/tmp/x")
	if err == nil || !strings.Contains(out, "unknown flag: --reattach") {
		t.Errorf("a router in service reattaches: %v\n%s", err, out)
	}
}
