package catalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// goodbyeTime is how long a process that is not wanted any more may take to
// close what it has open.
const goodbyeTime = 2 * time.Second

// lastWordsTime is how long the end of a process waits for its last output.
const lastWordsTime = 100 * time.Millisecond

// life is one process of a plugin, from its start to its clean-up.
type life struct {
	folder       string
	user         *user  // whom it runs as; nil: the router's
	home         string // its data folder, as it knows it
	child        *child
	began        atomic.Pointer[child] // for those who look at it while it starts
	client       *goplugin.Client
	stopUpstream func()
	plugin       *host.Plugin
	config       []byte // JSON, as the plugin got it
	grants       Grants
	calls        sync.RWMutex // held by calls under way

	selector   *host.Selector
	prechecker *host.Prechecker
	prober     *host.Prober
	cache      *host.Cache
	adapter    *host.Adapter
	guard      *host.Guard
	observer   *host.Observer
}

// begin starts a process and brings it to where it takes calls or, to check
// its config only, to just before that. What began is ended if that fails.
func (c *Catalog) begin(ctx context.Context, up *upstream, checkOnly bool) (_ *life, err error) {
	p := up.plugin.Load()
	l := &life{}
	ctx, cancel := l.startContext(ctx, p, c.log)
	defer cancel()
	defer func() {
		if err != nil {
			err = l.failure(ctx, p, err)
			c.end(l, 0)
		}
	}()

	if err := l.start(ctx, c, p, checkOnly); err != nil {
		return nil, err
	}
	if err := l.describe(p); err != nil {
		return nil, err
	}
	if err := l.configure(ctx, c, up, checkOnly); err != nil {
		return nil, err
	}
	l.selector, l.prechecker, l.prober = l.plugin.Selector(), l.plugin.Prechecker(), l.plugin.Prober()
	l.cache, l.adapter, l.guard = l.plugin.Cache(), l.plugin.Adapter(), l.plugin.Guard()
	l.observer = l.plugin.Observer()
	return l, nil
}

// introduce starts a process up to where it has said what it is.
func (c *Catalog) introduce(ctx context.Context, p *config.Plugin) (_ *life, err error) {
	l := &life{}
	ctx, cancel := l.startContext(ctx, p, c.log)
	defer cancel()
	if err = l.start(ctx, c, p, true); err == nil {
		err = l.describe(p)
	}
	if err != nil {
		err = l.failure(ctx, p, err)
		c.end(l, 0)
		return nil, err
	}
	return l, nil
}

// start runs the program up to its handshake.
func (l *life) start(ctx context.Context, c *Catalog, p *config.Plugin, checkOnly bool) (err error) {
	out := newLines(c.log.With("plugin", who(p)))
	if there, ok := c.options.Reattach[p.Address()]; ok {
		l.child = newGuest(there, out)
	} else {
		prog, err := l.prepare(c, p, checkOnly)
		if err != nil {
			return err
		}
		defer prog.close()
		l.child = newChild(c.spawner, prog, out)
	}
	l.began.Store(l.child)
	if l.folder, err = c.socketFolder(l.user); err != nil {
		return err
	}
	l.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  host.Handshake,
		VersionedPlugins: host.Versions(),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		GRPCDialOptions:  host.DialOptions(),
		SkipHostEnv:      true,
		StartTimeout:     p.StartTimeout + p.StarvedTimeout + time.Minute, // ctx comes first, on a busy machine too
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: l.folder},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			if l.child.program != nil {
				l.child.program.folder = l.folder
				l.child.program.env = environment(p, cmd.Env, c.log.GetLevel().String(), l.folder)
			}
			return l.child, nil
		},
		SyncStdout: out,
		SyncStderr: out,
		// What it would log comes to us as an error, or is said better by us.
		Logger: hclog.NewNullLogger(),
	})

	// go-plugin takes no context: the end of the process ends its start.
	stop := context.AfterFunc(ctx, l.child.kill)
	defer stop()
	link, err := host.Dial(l.client)
	if err != nil {
		return err
	}
	l.plugin, err = host.Connect(ctx, who(p), link)
	return err
}

// prepare finds the program, and the data folder for the user that runs it.
func (l *life) prepare(c *Catalog, p *config.Plugin, checkOnly bool) (prog *program, err error) {
	if len(p.Command) > 0 {
		if l.user, err = userOf(p); err != nil {
			return nil, err
		}
		if file := l.user.closedTo(p); file != "" && !p.UserAsked {
			c.log.Warn("plugin runs as root, since its user can't read its files", "plugin", who(p), "user", p.User, "file", file,
				"remedy", `open them to others; or, if root is meant, say user = "root"`)
			l.user = nil
		}
	}
	if prog, err = newProgram(c.options.Self, p, l.user); err != nil || checkOnly {
		return prog, err
	}
	if l.home, err = c.dataDir(p); err == nil && l.user != nil {
		if err = l.user.ownAll(l.home); err == nil {
			l.home, prog.home, err = l.user.home(l.home)
		}
	}
	if err != nil {
		prog.close()
		return nil, err
	}
	return prog, nil
}

func (l *life) describe(p *config.Plugin) error {
	m := l.plugin.Manifest()
	if p.Kind != "" && !slices.Contains(m.Kinds, p.Kind) { // of a bare program no kind is expected
		return fmt.Errorf("%s: the plugin %s is no %s, its kinds are %v", who(p), m.Name, p.Kind, m.Kinds)
	}
	if p.Lock != nil && p.Lock.Version != m.Version {
		return fmt.Errorf("%s: its version is %s, not %s as in %s; %s", who(p), m.Version, p.Lock.Version, config.LockName, installRemedy)
	}
	return nil
}

func (l *life) configure(ctx context.Context, c *Catalog, up *upstream, checkOnly bool) (err error) {
	p := up.plugin.Load()
	if l.config, err = p.Decode(l.plugin.Manifest().Fields); err != nil {
		return err
	}
	l.grants = grantsOf(l.plugin.Manifest(), p)
	up.given.Store(&l.grants.Given)
	setup := host.Setup{ConfigJSON: l.config, Grants: l.grants.Given, CheckOnly: checkOnly}
	if !checkOnly {
		if setup.DataDir = l.home; setup.DataDir == "" { // a guest's
			if setup.DataDir, err = c.dataDir(p); err != nil {
				return err
			}
		}
		if setup.UpstreamSocket, err = l.lend(up); err != nil {
			return err
		}
	}
	mistakes, err := l.plugin.Configure(ctx, setup)
	if err == nil && len(mistakes) > 0 {
		err = p.Explain(mistakes)
	}
	return err
}

// lend serves the upstream client to the kinds that have a use for it.
func (l *life) lend(up *upstream) (socket string, err error) {
	needs := func(k sdk.Kind) bool { return k == sdk.KindPrechecker || k == sdk.KindProber }
	if up.do == nil || !slices.ContainsFunc(l.plugin.Manifest().Kinds, needs) {
		return "", nil
	}
	socket = filepath.Join(l.folder, "upstream")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		return "", err
	}
	l.stopUpstream = host.ServeUpstream(listener, up.request)
	return socket, l.user.own(socket)
}

// failure says why a start failed, better than go-plugin can.
func (l *life) failure(ctx context.Context, p *config.Plugin, err error) error {
	var mistakes config.Diagnostics
	switch {
	case errors.As(err, &mistakes):
		return err // has file and line
	case ctx.Err() == nil && status.Code(err) == codes.Unavailable && l.endsWithin(killTime):
		err = errors.New("ended at its start: " + l.exit())
	case l.plugin != nil && ctx.Err() == nil:
		return err // says who
	case errors.Is(context.Cause(ctx), errSlow):
		err = fmt.Errorf("did not finish its start within %v", p.StartTimeout)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case l.child != nil && l.child.process() != nil:
		if why := l.noHandshake(); why != "" {
			err = errors.New(why)
		}
	}
	return fmt.Errorf("%s: %w", who(p), l.user.blame(err))
}

// noHandshake says what a process did instead of a handshake; empty: nothing
// is wrong with it.
func (l *life) noHandshake() string {
	select {
	case <-l.child.spoke:
	default:
		return ""
	}
	first := l.child.first
	fields := strings.Split(first, "|")
	switch {
	case first == "":
		reason := l.exit()
		if reason == killed {
			return "closed its stdout before its handshake"
		}
		return "ended before its handshake: " + reason
	case len(fields) < 5 || fields[0] != strconv.Itoa(goplugin.CoreProtocolVersion):
		return fmt.Sprintf("printed %.100q where its handshake was expected; nothing may be printed to stdout before it", first)
	case !served(fields[1]):
		return fmt.Sprintf("speaks protocol version %.20s, the router speaks %d and %d; build it with the router's version of the SDK",
			fields[1], sdk.OldestProtocolVersion, sdk.ProtocolVersion)
	}
	return ""
}

// served reports whether the router speaks a version of the protocol.
func served(version string) bool {
	v, err := strconv.Atoi(version)
	return err == nil && v >= sdk.OldestProtocolVersion && v <= sdk.ProtocolVersion
}

// gone reports whether a call failed since the process, or the connection to
// it, is gone: a plugin may also answer Unavailable itself.
func (l *life) gone() bool {
	return l.plugin.Broken() || l.endsWithin(deathNotice) || l.plugin.Broken()
}

// deathNotice is how long the end of a process may be noticed after a call
// that did not go over the lane has failed by it.
const deathNotice = 5 * time.Millisecond

func (l *life) endsWithin(d time.Duration) bool {
	select {
	case <-l.child.process().ended:
		return true
	case <-time.After(d):
		return false
	}
}

// killed is the exit of a process that was killed by us.
const killed = "signal: killed"

// exit is why the process ended: "exit status 2: panic: boom". The process is
// at its end, or is brought there.
func (l *life) exit() string {
	select {
	case <-l.child.over:
	case <-time.After(lastWordsTime):
		// It still runs, or something that it left behind holds its output.
		l.child.kill()
		if !l.endsWithin(killTime) {
			return "it can't be killed"
		}
		// It is read for drainTime after the end, and on a busy machine later
		// than that.
		select {
		case <-l.child.over:
		case <-time.After(drainTime + killTime):
		}
	}
	exit := l.child.process().exit
	if cause := l.child.out.cause(); cause != "" && exit != killed {
		exit += ": " + cause
	}
	return exit
}

// end kills the process, if it does not go by itself within goodbye, and
// removes all that it had. It works in the background.
func (c *Catalog) end(l *life, goodbye time.Duration) {
	c.ending.Go(func() {
		if l.child != nil {
			if goodbye == 0 {
				l.child.kill()
			} else {
				// Calls have deadlines, and go-plugin's own goodbye has none.
				defer time.AfterFunc(goodbye, l.child.kill).Stop()
				l.finish()
			}
		}
		if l.plugin != nil {
			if goodbye > 0 {
				c.sayGoodbye(l, goodbye)
			}
			_ = l.plugin.Close()
		}
		if l.client != nil {
			l.client.Kill()
		}
		if l.stopUpstream != nil {
			l.stopUpstream()
		}
		if l.folder != "" {
			_ = os.RemoveAll(l.folder)
		}
	})
}

// sayGoodbye lets the plugin close what it has open, and says what it could not.
func (c *Catalog) sayGoodbye(l *life, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := l.plugin.Stop(ctx)
	if status.Code(err) == codes.Unimplemented || ctx.Err() != nil || l.plugin.Protocol() < sdk.StopSince {
		return
	}
	if err != nil && status.Code(err) != codes.Unavailable {
		c.log.Warn("plugin did not end well", "err", err)
	}
	_ = l.plugin.Close() // its last stream
	if l.child.program != nil {
		l.endsWithin(within) // by itself; a guest goes on
	}
}

// finish returns after the last call under way. Once the process was killed there
// is none.
func (l *life) finish() {
	l.calls.Lock()
	defer l.calls.Unlock()
}

// who is a plugin in messages: selector(smart).
func who(p *config.Plugin) string {
	if p.Kind == "" {
		return p.Name
	}
	return string(p.Kind) + "(" + p.Name + ")"
}
