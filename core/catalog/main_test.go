package catalog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestMain makes the test binary what the router is: one program that is the
// host or, by its arguments, any of the plugins.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch role := os.Args[len(os.Args)-1]; os.Args[1] {
		case "plugin":
			switch role {
			case ReaperRole:
				Reap(os.Stdin)
				os.Exit(0)
			case LauncherRole:
				fmt.Fprintln(os.Stderr, Launch())
				os.Exit(1)
			}
			servePlugin(role)
		case "host":
			beHost(role)
		}
	}
	os.Exit(m.Run())
}

func servePlugin(role string) {
	switch role {
	case "cache/echo":
		sdk.Serve(&sdk.Plugin{Name: "echo", Version: "1.2.3", Cache: &echo{Greeting: "hello"}})
	case "cache/deaf":
		os.Unsetenv(sdk.EnvLifeline)
		sdk.Serve(&sdk.Plugin{Name: "deaf", Version: "1", Cache: &echo{}})
	case "prober/asker":
		sdk.Serve(&sdk.Plugin{Name: "asker", Version: "1", Needs: []string{sdk.NeedBilledCalls, sdk.NeedSecret}, Prober: &asker{}})
	case "prober/modest":
		sdk.Serve(&sdk.Plugin{Name: "modest", Version: "1", Prober: &asker{}})
	}
	fmt.Fprintln(os.Stderr, "no such plugin:", role)
	os.Exit(2)
}

// echo is a cache whose namespaces are questions about its process.
type echo struct {
	sdk.Cache
	Greeting string `config:"greeting"`
	dataDir  string
	hoard    [][]byte
}

func (e *echo) Validate() error {
	if e.Greeting == "rude" {
		return sdk.ConfigError{Path: "greeting", Message: "is rude"}
	}
	return nil
}

// Start fails where its data folder says so.
func (e *echo) Start(_ context.Context, s sdk.Setup) error {
	e.dataDir = s.DataDir
	if reason, err := os.ReadFile(filepath.Join(s.DataDir, "crash")); err == nil {
		fmt.Fprintln(os.Stderr, string(reason))
		os.Exit(7)
	}
	return nil
}

func (e *echo) Close() error { return os.WriteFile(filepath.Join(e.dataDir, "closed"), nil, 0o600) }

func (e *echo) Get(ctx context.Context, question, argument string) (sdk.Entry, bool, error) {
	answer := ""
	switch question {
	case "greeting":
		answer = e.Greeting
	case "pid":
		answer = strconv.Itoa(os.Getpid())
	case "environment":
		answer = strings.Join(os.Environ(), "\n")
	case "sleep":
		d, _ := time.ParseDuration(argument)
		time.Sleep(d)
	case "wait":
		<-ctx.Done()
		return sdk.Entry{}, false, ctx.Err()
	case "deadline":
		deadline, _ := ctx.Deadline()
		answer = time.Until(deadline).String()
	case "fork":
		c := exec.Command("/bin/sleep", "1000")
		if argument == "away" {
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}
		if err := c.Start(); err != nil {
			return sdk.Entry{}, false, err
		}
		answer = strconv.Itoa(c.Process.Pid)
	case "flood":
		n, _ := strconv.Atoi(argument)
		w := bufio.NewWriter(os.Stderr)
		for i := range n {
			fmt.Fprintln(w, "flood", i)
		}
		fmt.Fprintln(w, strings.Repeat("x", 200<<10))
		if err := w.Flush(); err != nil {
			return sdk.Entry{}, false, err
		}
	case "hog":
		n, _ := strconv.Atoi(argument)
		e.hoard = append(e.hoard, bytes.Repeat([]byte{1}, n<<20))
	case "id":
		groups, err := os.Getgroups()
		answer = fmt.Sprint(os.Getuid(), os.Geteuid(), os.Getgid(), groups, err)
	case "limits":
		var files unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files)
		// The kernel counts from 40, for nice -20, down to 1.
		nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
		answer = fmt.Sprint(files.Cur, files.Max, 20-nice)
	case "write":
		if err := os.WriteFile(filepath.Join(e.dataDir, "written"), []byte(argument), 0o600); err != nil {
			return sdk.Entry{}, false, err
		}
	case "read":
		b, err := os.ReadFile(argument)
		if err != nil {
			return sdk.Entry{}, false, err
		}
		answer = string(b)
	case "log":
		sdk.Log.Warn(argument, "key", "value")
	case "fail":
		return sdk.Entry{}, false, errors.New(argument)
	}
	return sdk.Entry{Namespace: question, Key: argument, Value: []byte(answer)}, true, nil
}

// asker asks upstream what the channel's settings say, or tells what it knows.
type asker struct{ grants []string }

func (a *asker) Start(_ context.Context, s sdk.Setup) error {
	a.grants = s.Grants
	return nil
}

func (a *asker) Probe(ctx context.Context, c sdk.Channel, up sdk.Upstream) (sdk.Health, error) {
	if c.Settings["method"] == "tell" {
		return sdk.Health{State: sdk.HealthUp, Reason: fmt.Sprintf("%s %q %s", a.grants, c.Secret.Reveal(), c.Secret)}, nil
	}
	r, err := up.Do(ctx, sdk.UpstreamRequest{Method: c.Settings["method"], Endpoint: sdk.Models})
	if err != nil {
		return sdk.Health{}, err
	}
	return sdk.Health{State: sdk.HealthUp, Reason: string(r.Body)}, nil
}

// beHost loads plugins, prints their pids and lives until it is killed.
func beHost(dataDir string) {
	c, err := New(Options{DataDir: dataDir, Self: self})
	if err == nil {
		var set *Set
		// Of a third party, and where that can be, of another user.
		foreign := config.Defaults.Plugin
		foreign.Kind, foreign.Name, foreign.User = sdk.KindCache, "foreign", config.Defaults.Foreign.User
		foreign.Command = []string{"/proc/self/exe", "plugin", "serve", "cache/deaf"}
		set, err = c.Load(context.Background(), []*config.Plugin{plugin("cache", "echo"), plugin("cache", "deaf"), &foreign})
		if err == nil {
			fork := func(address, argument string) string {
				e, _, _ := set.Plugin(address).Cache().Get(context.Background(), "fork", argument)
				return string(e.Value)
			}
			fmt.Println(set.Plugins()[0].Status().PID, set.Plugins()[1].Status().PID, set.Plugins()[2].Status().PID,
				fork("plugin.cache.deaf", ""), fork("plugin.cache.foreign", ""), fork("plugin.cache.foreign", "away"))
			select {}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// self serves the plugins of servePlugin.
var self = []string{"/proc/self/exe", "plugin", "serve"}

// startTimeout is for a machine under load.
const startTimeout = time.Minute

// patient has a plugin not taken for hung on a machine under load.
func patient(p *config.Plugin) *config.Plugin {
	p.StartTimeout, p.PingTimeout = startTimeout, 20*time.Second
	return p
}

// plugin is a first-party plugin.
func plugin(kind sdk.Kind, name string) *config.Plugin {
	p := config.Defaults.Plugin
	p.Kind, p.Name, p.Builtin = kind, name, name
	return patient(&p)
}

// command is a third party's plugin that runs the test binary.
func command(t testing.TB, kind sdk.Kind, args ...string) *config.Plugin {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := config.Defaults.Plugin
	p.Kind, p.Name = kind, "foreign"
	p.Command = append([]string{exe}, args...)
	return patient(&p)
}

// script is a third party's plugin in shell.
func script(text string) *config.Plugin {
	p := config.Defaults.Plugin
	p.Kind, p.Name = sdk.KindCache, "foreign"
	p.Command = []string{"/bin/sh", "-c", text}
	return patient(&p)
}

// silent lives and says nothing.
const silent = "exec sleep 1000"

// newCatalog is closed with the test.
func newCatalog(t testing.TB, change ...func(*Options)) *Catalog {
	t.Helper()
	o := Options{DataDir: t.TempDir(), Self: self}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

func load(t testing.TB, c *Catalog, plugins ...*config.Plugin) *Set {
	t.Helper()
	s, err := c.Load(t.Context(), plugins)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// loadEcho runs one echo.
func loadEcho(t testing.TB, c *Catalog) *Instance {
	t.Helper()
	return load(t, c, plugin("cache", "echo")).Plugin("plugin.cache.echo")
}

// ask asks an echo.
func ask(t testing.TB, i *Instance, question string) string {
	t.Helper()
	e, _, err := i.Cache().Get(t.Context(), question, "")
	if err != nil {
		t.Fatalf("ask for its %s: %v", question, err)
	}
	return string(e.Value)
}

// eventually polls: the limit is for a machine under load.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(limit) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func signalTo(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("there is no process to send %v to", s)
	}
	if err := unix.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
