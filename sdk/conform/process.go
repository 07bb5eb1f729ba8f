package conform

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// process is one process of the plugin.
type process struct {
	cmd      *exec.Cmd
	folder   string // of its socket
	lifeline *os.File
	conn     *grpc.ClientConn
	protocol int
	limits   limits

	stdout, stderr output
	ended          chan struct{} // closed after the end and the last output
	once           sync.Once
}

const (
	// coreProtocol is go-plugin's own version, the first field of a handshake.
	coreProtocol = "1"
	outputBuffer = 64 << 10
	lifelineFD   = 3
)

// startProcess runs the program up to its handshake, offering versions of the
// protocol ("1,2") as a router does that speaks these.
func startProcess(ctx context.Context, t *Target, l limits, versions string, intercept grpc.UnaryClientInterceptor) (_ *process, err error) {
	p := &process{limits: l, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			p.kill()
		}
	}()
	// Not below a folder of the caller's, whose path may be too long for a socket.
	if p.folder, err = os.MkdirTemp("", "conform"); err != nil {
		return nil, err
	}
	stdout, stderr, err := p.spawn(t, versions)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(stdout, outputBuffer)
	first := make(chan string, 1)
	var readers sync.WaitGroup
	readers.Go(func() {
		line, _ := lines.ReadSlice('\n')
		first <- strings.TrimSpace(string(line[:min(len(line), keptLineBytes)]))
		p.stdout.read(lines)
	})
	readers.Go(func() { p.stderr.read(bufio.NewReaderSize(stderr, outputBuffer)) })
	go func() {
		_ = p.cmd.Wait()
		// What it left behind may hold its output open for ever.
		stop := time.AfterFunc(time.Second, func() { stdout.Close(); stderr.Close() })
		readers.Wait()
		stop.Stop()
		stdout.Close()
		stderr.Close()
		close(p.ended)
	}()

	limit := time.NewTimer(l.start)
	defer limit.Stop()
	select {
	case line := <-first:
		return p, p.dial(line, versions, intercept)
	case <-limit.C:
		return nil, fmt.Errorf("no handshake within %v", l.start)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *process) spawn(t *Target, versions string) (stdout, stderr *os.File, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer read.Close()
	p.lifeline = write
	stdout, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer outW.Close()
	stderr, errW, err := os.Pipe()
	if err != nil {
		stdout.Close()
		return nil, nil, err
	}
	defer errW.Close()

	p.cmd = exec.Command(cmp.Or(t.program, t.Command[0]))
	p.cmd.Args = t.Command
	p.cmd.Stdout, p.cmd.Stderr = outW, errW
	p.cmd.ExtraFiles = []*os.File{read}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, name := range host.Inherited {
		if v, ok := os.LookupEnv(name); ok {
			p.cmd.Env = append(p.cmd.Env, name+"="+v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, t.Env...)
	p.cmd.Env = append(p.cmd.Env,
		sdk.CookieKey+"="+sdk.CookieValue, p.marker(),
		"PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS="+versions,
		sdk.EnvLifeline+"="+strconv.Itoa(lifelineFD), sdk.EnvLogLevel+"=warn",
	)
	if err := p.cmd.Start(); err != nil {
		stdout.Close()
		stderr.Close()
		p.cmd.Process = nil
		return nil, nil, err
	}
	return stdout, stderr, nil
}

// marker is what the environment of the process and of its children has.
func (p *process) marker() string { return "PLUGIN_UNIX_SOCKET_DIR=" + p.folder }

// dial reads the handshake and connects.
func (p *process) dial(line, versions string, intercept grpc.UnaryClientInterceptor) error {
	fields := strings.Split(line, "|")
	switch {
	case line == "":
		return fmt.Errorf("closed its stdout before its handshake: %s", p.exit())
	case len(fields) < 5 || fields[0] != coreProtocol:
		return fmt.Errorf("printed %.100q where its handshake was expected", line)
	case fields[4] != "grpc":
		return fmt.Errorf("speaks %.20q, not grpc", fields[4])
	}
	offered := "," + versions + ","
	if !strings.Contains(offered, ","+fields[1]+",") {
		return errVersion{fields[1]}
	}
	p.protocol, _ = strconv.Atoi(fields[1])
	network, address := fields[2], fields[3]
	if network != "unix" && network != "tcp" {
		return fmt.Errorf("listens at %.20q, not at unix or tcp", network)
	}
	opts := append(host.DialOptions(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}))
	if intercept != nil {
		opts = append(opts, grpc.WithUnaryInterceptor(intercept))
	}
	var err error
	p.conn, err = grpc.NewClient("passthrough:///plugin", opts...)
	return err
}

// errVersion is a handshake of a version that was not offered.
type errVersion struct{ version string }

func (e errVersion) Error() string {
	return fmt.Sprintf("answers with version %.20q of the protocol, which was not offered", e.version)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive reports whether it still runs.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// endsWithin waits for its end.
func (p *process) endsWithin(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// exit says how it ended: "exit status 2: panic: boom".
func (p *process) exit() string {
	if !p.endsWithin(time.Second) {
		return "it still runs"
	}
	text := "its end was not seen"
	if state := p.cmd.ProcessState; state != nil {
		text = state.String()
	}
	if cause := p.stderr.cause(); cause != "" {
		text += ": " + cause
	}
	return text
}

// stop says goodbye by the version of the protocol that is spoken.
func (p *process) stop(ctx context.Context, plugin *host.Plugin) error {
	if p.protocol >= sdk.StopSince {
		return plugin.Stop(ctx)
	}
	err := p.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) == codes.Unavailable {
		return nil // it ended before its answer was out
	}
	return err
}

// killGroup ends it, and what it started in its group.
func (p *process) killGroup() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
}

// kill ends it and cleans up. Nothing of it is left after.
func (p *process) kill() {
	p.once.Do(func() {
		if p.cmd != nil && p.cmd.Process != nil {
			left := relatives(p.pid(), p.marker())
			p.killGroup()
			for _, pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			<-p.ended
		}
		if p.conn != nil {
			_ = p.conn.Close()
		}
		if p.lifeline != nil {
			p.lifeline.Close()
		}
		if p.folder != "" {
			os.RemoveAll(p.folder)
		}
	})
}

// Build compiles the Go program in dir into a folder, and answers its path.
func Build(ctx context.Context, dir, into string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(into, filepath.Base(abs))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	cmd.Dir = abs
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s holds Go source, and there is no go in PATH to build it", dir)
	}
	if err != nil {
		return "", fmt.Errorf("go build in %s: %w\n%s", dir, err, out)
	}
	return path, nil
}
