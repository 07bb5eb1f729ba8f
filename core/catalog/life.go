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

// errSlow ends a start that takes too long.
var errSlow = errors.New("the start took too long")

// life is one process of a plugin, from its start to its clean-up.
type life struct {
	folder       string
	child        *child
	client       *goplugin.Client
	stopUpstream func()
	plugin       *host.Plugin
	config       []byte // JSON, as the plugin got it

	selector   *host.Selector
	prechecker *host.Prechecker
	prober     *host.Prober
	cache      *host.Cache
	adapter    *host.Adapter
}

// begin starts a process and brings it to where it takes calls or, to check
// its config only, to just before that. What began is ended if that fails.
func (c *Catalog) begin(ctx context.Context, up *upstream, checkOnly bool) (_ *life, err error) {
	p := up.plugin.Load()
	ctx, cancel := context.WithTimeoutCause(ctx, p.StartTimeout, errSlow)
	defer cancel()
	l := &life{}
	defer func() {
		if err != nil {
			err = l.failure(ctx, p, err)
			c.end(l, 0)
		}
	}()

	if err := l.start(ctx, c, p); err != nil {
		return nil, err
	}
	if err := l.describe(ctx, p); err != nil {
		return nil, err
	}
	if err := l.configure(ctx, c, up, checkOnly); err != nil {
		return nil, err
	}
	l.selector, l.prechecker, l.prober = l.plugin.Selector(), l.plugin.Prechecker(), l.plugin.Prober()
	l.cache, l.adapter = l.plugin.Cache(), l.plugin.Adapter()
	return l, nil
}

// start runs the program up to its handshake.
func (l *life) start(ctx context.Context, c *Catalog, p *config.Plugin) (err error) {
	if l.folder, err = c.folder.process(); err != nil {
		return err
	}
	prog, err := newProgram(c.self, p)
	if err != nil {
		return err
	}
	defer prog.close()
	out := newLines(c.log.With("plugin", who(p)))
	l.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  host.Handshake,
		VersionedPlugins: host.Versions(),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		GRPCDialOptions:  host.DialOptions(),
		SkipHostEnv:      true,
		StartTimeout:     2 * p.StartTimeout, // ctx comes first
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: l.folder},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			prog.env = environment(p, cmd.Env, c.log.GetLevel().String(), l.folder)
			return l.child, nil
		},
		SyncStdout: out,
		SyncStderr: out,
		// What it would log comes to us as an error, or is said better by us.
		Logger: hclog.NewNullLogger(),
	})
	l.child = newChild(c.spawner, prog, out)

	// go-plugin takes no context: the end of the process ends its start.
	stop := context.AfterFunc(ctx, l.child.kill)
	defer stop()
	conn, err := host.Dial(l.client)
	if err != nil {
		return err
	}
	l.plugin, err = host.Connect(ctx, who(p), conn)
	return err
}

func (l *life) describe(_ context.Context, p *config.Plugin) error {
	m := l.plugin.Manifest()
	if !slices.Contains(m.Kinds, p.Kind) {
		return fmt.Errorf("%s: the plugin %s is no %s, its kinds are %v", who(p), m.Name, p.Kind, m.Kinds)
	}
	return nil
}

func (l *life) configure(ctx context.Context, c *Catalog, up *upstream, checkOnly bool) (err error) {
	p := up.plugin.Load()
	if l.config, err = p.Decode(l.plugin.Manifest().Fields); err != nil {
		return err
	}
	setup := host.Setup{ConfigJSON: l.config, Grants: p.Grants, CheckOnly: checkOnly}
	if !checkOnly {
		if setup.DataDir, err = c.dataDir(p); err != nil {
			return err
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
	return socket, nil
}

// failure says why a start failed, better than go-plugin can.
func (l *life) failure(ctx context.Context, p *config.Plugin, err error) error {
	var mistakes config.Diagnostics
	switch {
	case errors.As(err, &mistakes):
		return err // has file and line
	case ctx.Err() == nil && status.Code(err) == codes.Unavailable && l.endsWithin(lastWordsTime):
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
	return fmt.Errorf("%s: %w", who(p), err)
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
	case fields[1] != strconv.Itoa(sdk.ProtocolVersion):
		return fmt.Sprintf("speaks protocol version %.20s, the router speaks %d", fields[1], sdk.ProtocolVersion)
	}
	return ""
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
				// go-plugin's own goodbye has no deadline.
				defer time.AfterFunc(goodbye, l.child.kill).Stop()
			}
		}
		if l.plugin != nil {
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

// who is a plugin in messages: selector(smart).
func who(p *config.Plugin) string { return string(p.Kind) + "(" + p.Name + ")" }
