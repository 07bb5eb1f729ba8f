package catalog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func TestUnchangedIsCarriedOver(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	const address = "plugin.cache.foreign"
	first := load(t, c, hcl(t, `greeting = "hi"`)...)
	pid := first.Plugin(address).Status().PID

	second := load(t, c, hcl(t, `greeting = "hi" # said again`)...)
	if got := second.Plugin(address).Status().PID; got != pid {
		t.Errorf("unchanged, yet pid %d became %d", pid, got)
	}
	first.Release()
	first.Release() // counts once

	third := load(t, c, hcl(t, `greeting = "good day"`)...)
	other := third.Plugin(address).Status().PID
	if other == pid {
		t.Error("changed, yet the same process")
	}
	for i, want := range map[*Instance]string{second.Plugin(address): "hi", third.Plugin(address): "good day"} {
		if got := ask(t, i, "greeting"); got != want {
			t.Errorf("greeting is %q, want %q", got, want)
		}
	}
	second.Release()
	eventually(t, "the old process is gone", func() bool { return !alive(pid) })
	if got := ask(t, third.Plugin(address), "greeting"); got != "good day" {
		t.Errorf("greeting is %q", got)
	}
	_, _, err := second.Plugin(address).Cache().Get(t.Context(), "pid", "")
	var down Down
	if !errors.As(err, &down) || down.State != Stopped {
		t.Errorf("the stopped plugin says %v", err)
	}
}

func TestWhatChangesAPlugin(t *testing.T) {
	t.Parallel()
	base := func() *config.Plugin {
		p := command(t, sdk.KindCache, "plugin", "serve", "cache/echo")
		p.Env = map[string]string{"A": "1"}
		return p
	}
	for name, c := range map[string]struct {
		change func(*config.Plugin)
		same   bool
	}{
		"nothing":       {change: func(*config.Plugin) {}, same: true},
		"upstream rate": {change: func(p *config.Plugin) { p.UpstreamRate++ }, same: true},
		"start timeout": {change: func(p *config.Plugin) { p.StartTimeout++ }, same: true},
		"ping timeout":  {change: func(p *config.Plugin) { p.PingTimeout++ }, same: true},
		"argument":      {change: func(p *config.Plugin) { p.Command = append(p.Command, "x") }},
		"checksum":      {change: func(p *config.Plugin) { p.SHA256 = strings.Repeat("0", 64) }},
		"environment":   {change: func(p *config.Plugin) { p.Env["A"] = "2" }},
		"grant":         {change: func(p *config.Plugin) { p.Grants = []string{sdk.NeedBilledCalls} }},
		"builtin":       {change: func(p *config.Plugin) { p.Builtin, p.Command = "echo", nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := base()
			c.change(p)
			if same := identity(p) == identity(base()); same != c.same {
				t.Errorf("same plugin: %v", same)
			}
		})
	}
}

func TestFailedLoadChangesNothing(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	set := load(t, c, plugin("cache", "echo"))
	i := set.Plugin("plugin.cache.echo")
	pid := i.Status().PID
	_, err := c.Load(t.Context(), []*config.Plugin{
		plugin("cache", "echo"), plugin("cache", "deaf"), script("echo no disk >&2; exit 3"), plugin("cache", "nonsense"),
	})
	want := "cache(foreign): ended before its handshake: exit status 3: no disk\n" +
		"cache(nonsense): ended before its handshake: exit status 2: no such plugin: cache/nonsense"
	if err == nil || err.Error() != want {
		t.Fatalf("error is %v\nwant %s", err, want)
	}
	if got := ask(t, i, "pid"); i.Status().PID != pid {
		t.Errorf("process %s answers, not %d", got, pid)
	}
	eventually(t, "the others are gone", func() bool { return running(c) == 1 })
	set.Release()
	eventually(t, "it is gone with its only set", func() bool { return !alive(pid) })
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	patient := script(silent)
	patient.StartTimeout = time.Hour
	_, err := c.Load(ctx, []*config.Plugin{patient})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestCloseEndsLoad(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	loaded := make(chan error, 1)
	go func() {
		_, err := c.Load(t.Context(), []*config.Plugin{script(silent)})
		loaded <- err
	}()
	eventually(t, "it starts", func() bool { return running(c) == 1 })
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-loaded; !errors.Is(err, context.Canceled) {
		t.Errorf("Load says %v", err)
	}
	if _, err := c.Load(t.Context(), nil); !errors.Is(err, errClosed) {
		t.Errorf("Load after Close says %v", err)
	}
}

// running counts processes.
func running(c *Catalog) int {
	c.spawner.mu.Lock()
	defer c.spawner.mu.Unlock()
	return len(c.spawner.running)
}

// observer records what happens.
type observer struct {
	mu     sync.Mutex
	events []string
}

func (o *observer) add(e ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, strings.Join(e, " "))
}

func (o *observer) Called(p *config.Plugin, method string, _ time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = err.Error()
	}
	o.add("called", p.Name, method, outcome)
}
func (o *observer) Started(p *config.Plugin, _ int, _ time.Duration) { o.add("started", p.Name) }
func (o *observer) Exited(p *config.Plugin, _ int, reason string)    { o.add("exited", p.Name, reason) }

func TestObserverAndCalls(t *testing.T) {
	t.Parallel()
	var o observer
	c := newCatalog(t, func(op *Options) { op.Observer, op.CallTimeout = &o, 3*time.Second }) // for a busy machine to answer the others
	i := loadEcho(t, c)
	ask(t, i, "pid")
	if _, _, err := i.Cache().Get(t.Context(), "fail", "no such row"); err == nil || err.Error() != "cache(echo): no such row" {
		t.Errorf("the plugin's error is %v", err)
	}
	// A call without a deadline gets one.
	if _, _, err := i.Cache().Get(t.Context(), "wait", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that hangs says %v", err)
	}
	want := "started echo|called echo get ok|called echo get cache(echo): no such row|called echo get "
	o.mu.Lock()
	defer o.mu.Unlock()
	if got := strings.Join(o.events, "|"); !strings.HasPrefix(got, want) {
		t.Errorf("events are %s", got)
	}
	if s := i.Status(); s.Calls != 3 || s.Errors != 2 {
		t.Errorf("status is %+v", s)
	}
	if m := i.Manifest(); m.Name != "echo" || m.Version != "1.2.3" || !m.Lane {
		t.Errorf("manifest is %+v", m)
	}
}
