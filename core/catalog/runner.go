package catalog

import (
	"bufio"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// child is go-plugin's runner over one of our processes. go-plugin gets to see
// the handshake line and the end of the process, and nothing else: its own
// reader of stdout stops at a long line, and that of stderr panics at a JSON
// line whose @message is no text.
type child struct {
	spawner *spawner
	program *program // nil where the process is a guest
	guest   sdk.Reattach
	out     *lines

	handshake *io.PipeReader
	// first is the line that should be the handshake; valid after spoke.
	first string
	spoke chan struct{}
	// over is closed after the end of the process and of its output.
	over chan struct{}

	mu     sync.Mutex
	proc   *process // nil before the start
	killed bool
}

var _ runner.Runner = (*child)(nil)

func newChild(s *spawner, p *program, out *lines) *child {
	return &child{spawner: s, program: p, out: out, spoke: make(chan struct{}), over: make(chan struct{})}
}

// Start is called once, by go-plugin.
func (c *child) Start(context.Context) error {
	if c.program == nil {
		return c.visit()
	}
	proc, stdout, stderr, err := c.spawner.start(c.program)
	if err != nil {
		return err
	}
	c.out.log = c.out.log.With("pid", proc.pid)
	c.mu.Lock()
	c.proc = proc
	if c.killed {
		proc.kill()
	}
	c.mu.Unlock()

	var handshake *io.PipeWriter
	c.handshake, handshake = io.Pipe()
	var readers sync.WaitGroup
	readers.Go(func() {
		defer func() { _ = stderr.Close() }()
		c.out.read(bufio.NewReaderSize(stderr, outputBuffer))
	})
	readers.Go(func() { c.readStdout(stdout, handshake) })
	go func() {
		<-proc.ended
		readers.Wait()
		close(c.over)
	}()
	return nil
}

func (c *child) readStdout(stdout *os.File, handshake *io.PipeWriter) {
	defer func() { _ = stdout.Close() }()
	r := bufio.NewReaderSize(stdout, outputBuffer)
	line, _ := r.ReadSlice('\n')
	line = line[:min(len(line), maxLineBytes)]
	c.first = strings.TrimSpace(string(line))
	close(c.spoke)
	_, _ = handshake.Write(line)
	_ = handshake.Close()
	c.out.read(r)
}

// kill does not wait. A child that was not started yet is killed then.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.proc != nil {
		c.proc.kill()
	}
}

// process is nil before the start.
func (c *child) process() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proc
}

// Wait answers after the end of the process and of its output.
func (c *child) Wait(context.Context) error {
	<-c.over
	return nil
}

// Kill does not wait.
func (c *child) Kill(context.Context) error {
	c.kill()
	return nil
}

// ID is the pid.
func (c *child) ID() string {
	p := c.process()
	if p == nil {
		return ""
	}
	return strconv.Itoa(p.pid)
}

// Stdout is the handshake, Stderr nothing.
func (c *child) Stdout() io.ReadCloser { return c.handshake }
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name and Diagnose are for messages that we write better ourselves.
func (c *child) Name() string                    { return "plugin" }
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost and HostToPlugin: both sides see the same files.
func (c *child) PluginToHost(network, addr string) (string, string, error) { return network, addr, nil }
func (c *child) HostToPlugin(network, addr string) (string, string, error) { return network, addr, nil }
