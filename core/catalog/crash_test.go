package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	// Calls that did not fail at once would go on for an hour.
	i := loadEcho(t, newCatalog(t, func(o *Options) { o.CallTimeout = time.Hour }))
	old := i.Status()

	const callers = 200
	failed := make(chan error, callers)
	for range callers {
		go func() {
			_, _, err := i.Cache().Get(t.Context(), "wait", "")
			failed <- err
		}()
	}
	eventually(t, "all calls are under way", func() bool { return i.present.Load().life.plugin.LaneStats().Calls >= callers })
	signalTo(t, old.PID, syscall.SIGKILL)
	for range callers {
		var down Down
		if err := <-failed; !errors.As(err, &down) || down.Plugin != "plugin.cache.echo" {
			t.Fatalf("a call under way failed with %v", err)
		}
	}
	eventually(t, "it answers again", func() bool { s := i.Status(); return s.State == Ready && s.Epoch == 2 })
	s := i.Status()
	if got := ask(t, i, "pid"); got == strconv.Itoa(old.PID) || got != strconv.Itoa(s.PID) {
		t.Errorf("process %s answers, the status says %d, %d was killed", got, s.PID, old.PID)
	}
	if s.Epoch != 2 || s.Restarts != 1 || s.LastExit != "signal: killed" || s.Errors != callers || s.Calls != callers {
		t.Errorf("status is %+v", s)
	}
}

func TestDownFailsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{First: time.Hour, Max: time.Hour, Crashes: 1, Window: time.Minute, Quarantine: time.Hour}
	})
	i := loadEcho(t, c)
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is down", func() bool { return i.Status().State == Quarantined })
	_, _, err := i.Cache().Get(context.Background(), "pid", "")
	var down Down
	if !errors.As(err, &down) || down.State != Quarantined {
		t.Fatalf("error is %v", err)
	}
	if want := "plugin.cache.echo is quarantined: 1 crashes within 1m0s, the last: signal: killed"; err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	// Of a busy machine the fastest is what it takes.
	fastest := time.Hour
	for range 10 {
		began := time.Now()
		if _, _, err := i.Cache().Get(context.Background(), "pid", ""); !errors.As(err, &down) {
			t.Errorf("error is %v", err)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 100*time.Millisecond {
		t.Errorf("it took %v", fastest)
	}
}

// A call that comes when the connection of a process that ended is closed already can
// be made again, as any that its end cut off.
func TestCallByAClosedConnectionCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{Crashes: 1, Window: time.Minute, Quarantine: time.Hour}
	})
	i := loadEcho(t, c)
	l := i.present.Load().life
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is quarantined", func() bool { return i.Status().State == Quarantined })
	_ = l.plugin.Close()
	i.present.Store(&presence{life: l}) // as it was when the call looked
	_, _, err := i.Cache().Get(context.Background(), "pid", strings.Repeat("x", lane.MaxBodyBytes))
	var down Down
	if !errors.As(err, &down) || status.Code(err) != codes.Unavailable {
		t.Errorf("error is %v", err)
	}
}

// A reload is the user's way to say that it is mended now.
func TestReloadEndsQuarantine(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{Crashes: 1, Window: time.Minute, Quarantine: time.Hour}
	})
	i := loadEcho(t, c)
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is quarantined", func() bool { return i.Status().State == Quarantined })
	if again := loadEcho(t, c); again != i {
		t.Error("it was not carried over")
	}
	eventually(t, "it answers again", func() bool { s := i.Status(); return s.State == Ready && s.Epoch == 2 })
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{First: time.Millisecond, Max: time.Second, Crashes: 4, Window: time.Minute, Quarantine: 300 * time.Millisecond}
	})
	i := loadEcho(t, c)
	crash := filepath.Join(c.options.DataDir, "plugins", "cache.echo", "crash")
	if err := os.WriteFile(crash, []byte("no disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "it is quarantined", func() bool { return i.Status().State == Quarantined })
	if s := i.Status(); s.LastExit != "ended at its start: exit status 7: no disk" {
		t.Errorf("status says %q", s.LastExit)
	}
	if err := os.Remove(crash); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is tried again", func() bool { return i.Status().State == Ready })
	if got := ask(t, i, "greeting"); got != "hello" {
		t.Errorf("it says %q", got)
	}
}

func TestHungIsReplaced(t *testing.T) {
	t.Parallel()
	p, d := plugin("cache", "echo"), &config.Defaults.Plugin
	p.PingTimeout = d.PingTimeout
	if found := d.PingInterval + d.PingTimeout + lastWordsTime + killTime; found > 2*time.Second {
		t.Errorf("it takes %v to find out and to end it", found)
	}
	i := load(t, newCatalog(t), p).Plugin(p.Address())
	old := i.Status().PID
	signalTo(t, old, syscall.SIGSTOP)
	eventually(t, "it is killed", func() bool { return !alive(old) })
	eventually(t, "it is replaced", func() bool { s := i.Status(); return s.State == Ready && s.PID != old })
	if s := i.Status(); !strings.HasPrefix(s.LastExit, "did not answer for ") {
		t.Errorf("status says %q", s.LastExit)
	}
	answers(t, i)
}

// answers waits for an answer: on a busy machine a process that may be silent for
// a moment only is replaced more often than a test asks for.
func answers(t testing.TB, i *Instance) {
	t.Helper()
	eventually(t, "it answers", func() bool {
		_, _, err := i.Cache().Get(t.Context(), "pid", "")
		return err == nil
	})
}

// go-plugin's Kill would wait for ever for a stopped process.
func TestKillNeverBlocks(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	unwatched := plugin("cache", "echo")
	unwatched.PingInterval = time.Hour
	set := load(t, c, unwatched)
	i := set.Plugin("plugin.cache.echo")
	pid := i.Status().PID
	signalTo(t, pid, syscall.SIGSTOP)
	began := time.Now()
	if set.Release(); time.Since(began) > goodbyeTime/2 && !alive(pid) {
		t.Error("release waited for its end")
	}
	eventually(t, "the stopped process is gone", func() bool { return !alive(pid) })

	i = load(t, c, unwatched).Plugin(unwatched.Address())
	pid = i.Status().PID
	signalTo(t, pid, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close says %v", err)
	}
	eventually(t, "the stopped process is gone", func() bool { return !alive(pid) })
}

func TestForkedChildrenDieToo(t *testing.T) {
	t.Parallel()
	i := loadEcho(t, newCatalog(t))
	child, err := strconv.Atoi(ask(t, i, "fork"))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(child) {
		t.Fatal("the child does not live")
	}
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "the child is gone", func() bool { return !alive(child) })
	eventually(t, "it answers again", func() bool { s := i.Status(); return s.State == Ready && s.Epoch == 2 })
}

// Nor do they get away by leaving its group, where it is a third party's.
func TestForkedChildrenOutsideTheGroupDieToo(t *testing.T) {
	t.Parallel()
	i := load(t, newCatalog(t), command(t, sdk.KindCache, "plugin", "serve", "cache/echo")).Plugin("plugin.cache.foreign")
	e, _, err := i.Cache().Get(t.Context(), "fork", "away")
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(string(e.Value))
	if err != nil || !alive(child) {
		t.Fatal(err, child)
	}
	signalTo(t, i.Status().PID, syscall.SIGKILL)
	eventually(t, "the child is gone", func() bool { return !alive(child) })
	eventually(t, "it answers again", func() bool { s := i.Status(); return s.State == Ready && s.Epoch == 2 })
}

// A reaper that somebody kills is started again with the next plugin, and knows
// of those before.
func TestReaperIsReplaced(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	foreign := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
	i := load(t, c, foreign).Plugin("plugin.cache.foreign")
	e, _, err := i.Cache().Get(t.Context(), "fork", "away")
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(string(e.Value))
	if err != nil {
		t.Fatal(err)
	}
	r, pid := c.spawner.reaper, i.Status().PID
	signalTo(t, r.pid, syscall.SIGKILL)
	<-r.ended
	another := *foreign
	another.Name = "another"
	load(t, c, foreign, &another)
	if !alive(r.pid) {
		t.Fatal("there is no reaper")
	}
	r.close() // as when the host ends
	for name, pid := range map[string]int{"the reaper": r.pid, "the plugin": pid, "what it started": child} {
		eventually(t, name+" is gone", func() bool { return !alive(pid) })
	}
}

func TestGoodbye(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	set := load(t, c, plugin("cache", "echo"))
	pid := set.Plugins()[0].Status().PID
	set.Release()
	eventually(t, "the process is gone", func() bool { return !alive(pid) })
	if _, err := os.Stat(filepath.Join(c.options.DataDir, "plugins", "cache.echo", "closed")); err != nil {
		t.Errorf("it could not close what it had open: %v", err)
	}
	if s := set.Plugins()[0].Status(); s.State != Stopped || s.PID != 0 {
		t.Errorf("status is %+v", s)
	}
}

// Not parallel: it counts what the whole process has.
func TestRestartsLeaveNothing(t *testing.T) {
	c := newCatalog(t, func(o *Options) {
		o.Restart = Restart{First: time.Microsecond, Max: time.Microsecond, Crashes: 1000, Window: time.Minute, Quarantine: time.Minute}
	})
	p := plugin("cache", "echo")
	p.PingInterval, p.PingTimeout = 20*time.Millisecond, 500*time.Millisecond
	i := load(t, c, p).Plugin(p.Address())
	restart := func(s syscall.Signal) {
		old := i.Status()
		signalTo(t, old.PID, s)
		eventually(t, "it answers again", func() bool { now := i.Status(); return now.State == Ready && now.Epoch > old.Epoch })
		answers(t, i)
	}
	restart(syscall.SIGKILL)
	before := quiet(t, func() usage { return measure(t, c) })
	for n := range 50 {
		if n%10 == 9 {
			restart(syscall.SIGSTOP)
		} else {
			restart(syscall.SIGKILL)
		}
	}
	if now := quiet(t, func() usage { return measure(t, c) }); now != before || now.folders != 1 || now.zombies != 0 {
		t.Fatalf("before: %+v, after 50 restarts: %+v\n%s", before, now, stacks())
	}
}

// Not parallel: it counts what the whole process has.
func TestCloseLeavesNothing(t *testing.T) {
	count := func() [2]int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return [2]int{runtime.NumGoroutine(), len(files)}
	}
	before := quiet(t, count)
	c, err := New(Options{DataDir: t.TempDir(), Self: self})
	if err != nil {
		t.Fatal(err)
	}
	set := load(t, c, plugin("cache", "echo"), plugin("prober", "asker"))
	pids := []int{set.Plugins()[0].Status().PID, set.Plugins()[1].Status().PID}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	if _, err := os.Stat(c.folder.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket folder is still there: %v", err)
	}
	if set.Release(); set.Plugins()[0].Status().State != Stopped {
		t.Errorf("status is %+v", set.Plugins()[0].Status())
	}
	if now := quiet(t, count); now != before {
		t.Fatalf("goroutines and files before: %v, now: %v\n%s", before, now, stacks())
	}
}

// quiet counts what does not change any more: earlier tests may still end.
func quiet[T comparable](t testing.TB, count func() T) T {
	t.Helper()
	last, since := count(), time.Now()
	eventually(t, "all is quiet", func() bool {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 200*time.Millisecond
	})
	return last
}

// usage is what a leak would grow.
type usage struct{ goroutines, files, folders, sockets, zombies int }

func measure(t testing.TB, c *Catalog) (u usage) {
	t.Helper()
	u.goroutines = runtime.NumGoroutine()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	folders, err := os.ReadDir(c.folder.path)
	if err != nil {
		t.Fatal(err)
	}
	u.folders = len(folders)
	sockets, err := filepath.Glob(filepath.Join(c.folder.path, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	u.sockets = len(sockets)
	children, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range children {
		list, err := os.ReadFile(filepath.Join("/proc/self/task", task.Name(), "children"))
		if err != nil {
			continue // a thread that has ended meanwhile
		}
		for _, child := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(child); err == nil && !alive(pid) {
				u.zombies++
			}
		}
	}
	return u
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
