package plugintest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// process is a plugin's process and the pipe that tells it of our end.
type process struct {
	t        testing.TB
	cmd      *exec.Cmd
	client   *plugin.Client
	lifeline *os.File // the write end
	stderr   *buffer
	end      sync.Once
}

const (
	startTimeout = 30 * time.Second
	// endTimeout is how long the goodbye may take: go-plugin has no bound for a
	// process that is stopped.
	endTimeout = 30 * time.Second
	// raceExit is the exit code that the race detector sets.
	raceExit = 66
)

func startProcess(t testing.TB, what program, o *options) (*process, host.Link, error) {
	t.Helper()
	plugins, lifeline, err := os.Pipe()
	if err != nil {
		return nil, host.Link{}, err
	}
	defer plugins.Close()
	cmd := exec.Command(what.path)
	cmd.Args = what.args
	cmd.Env = o.env
	level := "warn"
	if testing.Verbose() {
		level = "debug"
	}
	p := &process{t: t, cmd: cmd, lifeline: lifeline, stderr: new(buffer)}
	config := host.ClientConfig(cmd, host.Process{SocketDir: o.socketDir, Lifeline: plugins, LogLevel: level})
	config.Logger = hclog.NewNullLogger()
	config.Stderr = p.stderr
	config.StartTimeout = startTimeout
	p.client = plugin.NewClient(config)
	t.Cleanup(p.stop)
	link, err := host.Dial(p.client)
	if err != nil {
		return nil, host.Link{}, fmt.Errorf("start %s: %w", filepath.Base(what.args[0]), err)
	}
	return p, link, nil
}

// kill is the end without a goodbye.
func (p *process) kill() {
	p.end.Do(func() {
		p.killGroup()
		p.client.Kill()
		p.lifeline.Close()
	})
}

// stop is the end of the test.
func (p *process) stop() {
	p.end.Do(func() {
		hung := time.AfterFunc(endTimeout, p.killGroup)
		p.client.Kill()
		p.lifeline.Close()
		if !hung.Stop() {
			p.t.Errorf("the plugin did not end within %v", endTimeout)
		}
		// Children that it left would outlive the test.
		p.killGroup()
		p.judge()
	})
	if text := p.stderr.String(); text != "" && (p.t.Failed() || testing.Verbose()) {
		p.t.Logf("the plugin's log:\n%s", text)
	}
}

func (p *process) killGroup() {
	if p.cmd.Process != nil {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// judge fails the test for an end that the router would call a crash.
func (p *process) judge() {
	state := p.cmd.ProcessState
	switch {
	case state == nil, state.ExitCode() <= 0:
	case state.ExitCode() == raceExit:
		p.t.Errorf("the plugin has a data race")
	default:
		p.t.Errorf("the plugin ended with %v", state)
	}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
