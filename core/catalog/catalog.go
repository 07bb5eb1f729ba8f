package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Options of a Catalog. Fields that are zero take their default.
type Options struct {
	Log hclog.Logger
	// DataDir holds a folder for each plugin. It is required.
	DataDir string
	// RuntimeDir is for sockets: <DataDir>/run by default. Where their paths
	// would be too long, $XDG_RUNTIME_DIR or a private temporary folder is taken.
	RuntimeDir string
	// Self is the command of this program that serves a first-party plugin,
	// whose kind/name is appended, or [ReaperRole] or [LauncherRole].
	Self []string
	// Upstream is what plugins ask the router's HTTP client for; nil: they
	// get none.
	Upstream UpstreamFunc
	// Reattach has the plugins, by address, whose process their author has
	// started, for a debugger. They are not started, not pinged and not killed.
	Reattach map[string]sdk.Reattach
	// Secret is the credential of a channel, for plugins that are granted it;
	// nil: there is none.
	Secret func(channel string) sdk.Secret
	// Observer is told what happens.
	Observer Observer
	Restart  Restart
	// CallTimeout bounds calls whose context has no deadline.
	CallTimeout time.Duration
}

var defaults = Options{
	Log: hclog.NewNullLogger(),
	// Not os.Executable: this path goes on working when the file was replaced.
	Self:     []string{"/proc/self/exe", "plugin", "serve"},
	Observer: unobserved{},
	Restart: Restart{
		First: 100 * time.Millisecond, Max: 30 * time.Second,
		Crashes: 5, Window: time.Minute, Quarantine: time.Minute,
	},
	CallTimeout: 10 * time.Second,
}

// Observer is told of calls and processes, by many goroutines. It must not block.
type Observer interface {
	Called(p *config.Plugin, method string, took time.Duration, err error)
	Started(p *config.Plugin, pid int, took time.Duration)
	// Exited is for processes that ended unasked, or had to be killed.
	Exited(p *config.Plugin, pid int, reason string)
}

type unobserved struct{}

func (unobserved) Called(*config.Plugin, string, time.Duration, error) {}
func (unobserved) Started(*config.Plugin, int, time.Duration)          {}
func (unobserved) Exited(*config.Plugin, int, string)                  {}

// Catalog runs plugins.
type Catalog struct {
	options Options
	log     hclog.Logger
	folder  *folder
	shared  sharedFolder
	spawner *spawner
	selfSum func() string  // of the program that serves first-party plugins
	ending  sync.WaitGroup // processes and supervisors that are on their way out

	loading sync.Mutex // one Load at a time

	mu         sync.Mutex
	latest     map[string]*Instance // by address: what the next Load may carry over
	all        map[*Instance]struct{}
	cancelLoad context.CancelFunc
	closed     bool
}

var errClosed = errors.New("the catalog of plugins is closed")

// New makes a Catalog without plugins. What dead routers left behind in the
// same folders is removed.
func New(o Options) (*Catalog, error) {
	o.fill()
	c := &Catalog{
		options: o, log: o.Log,
		latest: make(map[string]*Instance), all: make(map[*Instance]struct{}),
		cancelLoad: func() {},
		selfSum: sync.OnceValue(func() string {
			sum, _ := config.HashFile(o.Self[0]) // empty: not known
			return sum
		}),
	}
	var err error
	if c.folder, err = newFolder(socketBases(o.RuntimeDir)...); err != nil {
		return nil, err
	}
	if c.spawner, err = newSpawner(o.Self); err != nil {
		c.folder.close()
		return nil, err
	}
	return c, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = defaults.Log
	}
	if o.RuntimeDir == "" {
		o.RuntimeDir = filepath.Join(o.DataDir, "run")
	}
	if o.Self == nil {
		o.Self = defaults.Self
	}
	if o.Observer == nil {
		o.Observer = defaults.Observer
	}
	if o.Restart == (Restart{}) {
		o.Restart = defaults.Restart
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = defaults.CallTimeout
	}
}

// Load makes a Set of the plugins: those that run unchanged are carried over,
// unless they are among anew, by address, and the others are started side by side. After an error nothing has changed, and
// every plugin that failed is named, with file and line where a file declares it.
func (c *Catalog) Load(ctx context.Context, plugins []*config.Plugin, anew ...string) (_ *Set, err error) {
	ctx, done, err := c.beginLoad(ctx)
	if err != nil {
		return nil, err
	}
	defer done()

	members := make([]member, len(plugins))
	errs := make([]error, len(plugins))
	defer func() {
		if err != nil {
			c.abandon(members)
		}
	}()
	var starts sync.WaitGroup
	for n, p := range plugins {
		starts.Go(func() {
			m, err := c.member(ctx, p, slices.Contains(anew, p.Address()))
			members[n], errs[n] = m, p.Locate(err)
		})
	}
	starts.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c.commit(members)
}

// Check finds the mistakes in the config blocks of plugins. They are asked for
// them in processes of their own, and nothing is started in these.
func (c *Catalog) Check(ctx context.Context, plugins []*config.Plugin) error {
	ctx, done, err := c.beginLoad(ctx)
	if err != nil {
		return err
	}
	defer done()
	errs := make([]error, len(plugins))
	var checks sync.WaitGroup
	for n, p := range plugins {
		checks.Go(func() {
			l, err := c.begin(ctx, newUpstream(nil, p), true)
			if errs[n] = p.Locate(err); l != nil {
				c.end(l, 0)
			}
		})
	}
	checks.Wait()
	return errors.Join(errs...)
}

// Describe asks plugins what they are, in processes of their own that are not
// configured. An answer is worth nothing where its error is set.
func (c *Catalog) Describe(ctx context.Context, plugins []*config.Plugin) ([]sdk.Manifest, []error) {
	manifests, errs := make([]sdk.Manifest, len(plugins)), make([]error, len(plugins))
	ctx, done, err := c.beginLoad(ctx)
	if err != nil {
		for n := range errs {
			errs[n] = err
		}
		return manifests, errs
	}
	defer done()
	var asked sync.WaitGroup
	for n, p := range plugins {
		asked.Go(func() {
			var l *life
			if l, errs[n] = c.introduce(ctx, p); l != nil {
				manifests[n] = l.plugin.Manifest()
				c.end(l, 0)
			}
		})
	}
	asked.Wait()
	return manifests, errs
}

func (c *Catalog) beginLoad(ctx context.Context) (_ context.Context, done func(), err error) {
	c.loading.Lock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.loading.Unlock()
		return nil, nil, errClosed
	}
	ctx, c.cancelLoad = context.WithCancel(ctx)
	cancel := c.cancelLoad
	return ctx, func() {
		cancel()
		c.loading.Unlock()
	}, nil
}

// member is a plugin of a Set in the making.
type member struct {
	plugin   *config.Plugin
	instance *Instance
	// life is the first process of a new instance; nil: it is carried over.
	life *life
}

// member carries a plugin over or starts it.
func (c *Catalog) member(ctx context.Context, p *config.Plugin, anew bool) (member, error) {
	old, why, err := c.running(p)
	if err != nil {
		return member{}, err
	}
	if why == "" && !anew && c.hold(old) {
		return member{plugin: p, instance: old}, nil
	}
	i := c.newInstance(p, identity(p))
	if old != nil {
		i.follow(old)
	}
	l, err := i.start(ctx)
	if err != nil {
		return member{}, err
	}
	return member{plugin: p, instance: i, life: l}, nil
}

// running is the instance at the plugin's address, nil where there is none, and
// why that can't be carried over; empty: it can.
func (c *Catalog) running(p *config.Plugin) (old *Instance, why string, err error) {
	c.mu.Lock()
	old = c.latest[p.Address()]
	c.mu.Unlock()
	switch {
	case old == nil:
		return nil, "it is new", nil
	case old.identity != identity(p):
		return old, "its program, environment or grants have changed", nil
	}
	// The same program has the same schema.
	json, err := p.Decode(old.Manifest().Fields)
	if err == nil && !bytes.Equal(json, old.configJSON()) {
		why = "its config block has changed"
	}
	return old, why, err
}

// Fate is what a Load would do about a plugin.
type Fate string

// The fates.
const (
	Starts   Fate = "starts"
	Restarts Fate = "restarts"
	Carried  Fate = "carried over"
	Stops    Fate = "stops"
)

// Foresee says what a Load would do about a plugin, and why.
func (c *Catalog) Foresee(p *config.Plugin) (f Fate, why string, err error) {
	old, why, err := c.running(p)
	switch {
	case err != nil:
		return "", "", p.Locate(err)
	case old == nil:
		return Starts, why, nil
	case why != "":
		return Restarts, why, nil
	}
	return Carried, "", nil
}

// hold keeps a running instance from being dropped; false: it was.
func (c *Catalog) hold(i *Instance) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i.holders == 0 {
		return false
	}
	i.holders++
	return true
}

// release is the opposite of hold. The caller holds c.mu.
func (c *Catalog) release(i *Instance) {
	if i.holders--; i.holders == 0 {
		c.drop(i)
	}
}

// abandon gives up what a Load that failed has started or held.
func (c *Catalog) abandon(members []member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		switch {
		case m.life != nil:
			m.instance.absent(Stopped, "another plugin of its configuration failed")
			c.end(m.life, 0)
		case m.instance != nil:
			c.release(m.instance)
		}
	}
}

// commit makes the members the ones that run.
func (c *Catalog) commit(members []member) (*Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	s := &Set{catalog: c, instances: make(map[string]*Instance, len(members))}
	for _, m := range members {
		i := m.instance
		s.instances[i.address] = i
		c.latest[i.address] = i
		if m.life == nil {
			i.upstream.set(m.plugin)
			i.retry()
			continue
		}
		i.holders = 1
		c.all[i] = struct{}{}
		var ctx context.Context
		ctx, i.stop = context.WithCancel(context.Background())
		c.ending.Go(func() { i.supervise(ctx, m.life) })
	}
	return s, nil
}

// drop gives an instance up. The caller holds c.mu.
func (c *Catalog) drop(i *Instance) {
	i.stop()
	delete(c.all, i)
	if c.latest[i.address] == i {
		delete(c.latest, i.address)
	}
}

// Close ends all plugins. Those that are not gone when ctx ends are killed,
// which is then the error.
func (c *Catalog) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.cancelLoad()
	for i := range c.all {
		c.drop(i)
	}
	c.mu.Unlock()
	c.loading.Lock() // its processes are abandoned when it returns
	defer c.loading.Unlock()

	gone := make(chan struct{})
	go func() {
		c.ending.Wait()
		close(gone)
	}()
	var err error
	select {
	case <-gone:
	case <-ctx.Done():
		err = fmt.Errorf("plugins had to be killed: %w", context.Cause(ctx))
		c.spawner.killAll()
		select {
		case <-gone:
		case <-time.After(killTime):
		}
	}
	// Whatever still runs now dies with its parent's thread.
	c.spawner.close()
	c.folder.close()
	c.shared.close()
	return err
}

// dataDir is the plugin's own folder, which outlives its processes.
func (c *Catalog) dataDir(p *config.Plugin) (string, error) {
	dir, err := filepath.Abs(filepath.Join(c.options.DataDir, "plugins", string(p.Kind)+"."+p.Name))
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}
