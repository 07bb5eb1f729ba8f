package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A target is what clients can send requests to.
type target struct {
	name   string
	addr   string
	pid    int     // root of its process tree; 0 for direct
	router *router // nil for the others
}

const (
	direct = "direct"
	floor  = "floor"
	us     = "smartrouter"
	// These are the router with other configurations.
	cached    = "smartrouter, answers cached"
	leaseless = "smartrouter, each request decided by the selector"
	// Their mock speaks TLS.
	secureFloor = "floor, upstream by TLS and HTTP/2"
	secureUs    = "smartrouter, upstream by TLS and HTTP/2"
	secureHTTP1 = "smartrouter, upstream by TLS and HTTP/1.1"
)

const (
	// readyWithin is how long a part may take until it listens.
	readyWithin = 20 * time.Second
	// stopWithin is how long a part may take to end before it is killed.
	stopWithin = 5 * time.Second
)

// startRole has another process of this program play a part.
func startRole(ctx context.Context, name string, args ...string) (*part, error) {
	return startPart(ctx, "/proc/self/exe", append([]string{rolePrefix + name}, args...), listening)
}

// start starts the mock, the floor and the router. What stop ends may be only
// some of them, where there is an error.
func start(ctx context.Context) (targets []target, stop func(), err error) {
	var running []*part
	stop = func() {
		for i := len(running) - 1; i >= 0; i-- {
			running[i].stop()
		}
	}
	role := func(name string, args ...string) (*part, error) {
		p, err := startRole(ctx, name, args...)
		if err == nil {
			running = append(running, p)
		}
		return p, err
	}
	mock, err := role("upstream")
	if err != nil {
		return nil, stop, err
	}
	targets = append(targets, target{name: direct, addr: mock.said[0]})
	proxy, err := role("floor", "http", mock.said[0])
	if err != nil {
		return nil, stop, err
	}
	targets = append(targets, target{name: floor, addr: proxy.said[0], pid: proxy.cmd.Process.Pid})
	if options.smartrouter == "" {
		return targets, stop, nil
	}
	folder, err := os.MkdirTemp("", "smartrouter-bench-")
	if err != nil {
		return nil, stop, err
	}
	stopParts := stop
	stop = func() { stopParts(); os.RemoveAll(folder) }
	trust := filepath.Join(folder, "trust.pem")
	secure, err := role("secure", trust)
	if err != nil {
		return nil, stop, err
	}
	if err := os.Setenv(trustVariable, trust); err != nil { // of the parts that follow
		return nil, stop, err
	}
	proxy, err = role("floor", "https", secure.said[0])
	if err != nil {
		return nil, stop, err
	}
	targets = append(targets, target{name: secureFloor, addr: proxy.said[0], pid: proxy.cmd.Process.Pid})
	selector, err := ownCopy(folder)
	if err != nil {
		return nil, stop, err
	}
	plain, https := "http://"+mock.said[0], "https://"+secure.said[0]
	for i, v := range []struct{ name, origin, more string }{
		{us, plain, ""}, {cached, plain, cachedHCL}, {leaseless, plain, fmt.Sprintf(leaselessHCL, selector, selectorRole)},
		{secureUs, https, ""}, {secureHTTP1, https + http1Origin, http1HCL},
	} {
		hcl := fmt.Sprintf(routerHCL, v.origin) + v.more
		r, err := startRouter(ctx, options.smartrouter, filepath.Join(folder, strconv.Itoa(i)), hcl)
		if err != nil {
			return nil, stop, err
		}
		running = append(running, r.part)
		targets = append(targets, target{name: v.name, addr: r.addr, pid: r.part.cmd.Process.Pid, router: r})
	}
	return targets, stop, nil
}

// ownCopy copies this program to where a plugin of another user can be run from.
func ownCopy(folder string) (string, error) {
	if err := os.Chmod(folder, 0o755); err != nil {
		return "", err
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", err
	}
	to := filepath.Join(folder, "bench")
	return to, os.WriteFile(to, program, 0o755)
}

// A part is a child process that listens.
type part struct {
	cmd    *exec.Cmd
	said   []string // what each pattern matched
	cancel context.CancelFunc
	ended  chan struct{} // its output is at its end
}

// startPart starts a program and waits until its stderr had a line for each
// pattern, in this order. The program ends with ctx, with stop, and with us.
func startPart(ctx context.Context, program string, args []string, patterns ...*regexp.Regexp) (*part, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &part{cmd: exec.CommandContext(ctx, program, args...), cancel: cancel, ended: make(chan struct{})}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopWithin
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	ready := make(chan []string, 1)
	var lines []string
	go func() {
		defer close(p.ended)
		var said []string
		for scan := bufio.NewScanner(output); len(said) < len(patterns) && scan.Scan(); {
			lines = append(lines, scan.Text())
			if m := patterns[len(said)].FindStringSubmatch(scan.Text()); m != nil {
				said = append(said, m[1])
			}
		}
		if len(said) == len(patterns) {
			ready <- said
		}
		_, _ = io.Copy(io.Discard, output) // a full pipe would stop it
	}()
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case p.said = <-ready:
		return p, nil
	case <-late.C:
		err = fmt.Errorf("not ready after %s", readyWithin)
	case <-p.ended:
		err = errors.New("ended at once")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, strings.Join(lines, "\n"))
}

func (p *part) stop() {
	p.cancel()
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
	}
	_ = p.cmd.Wait() // killed after stopWithin; how it ended tells nothing
	<-p.ended
}

// listen opens a port of the kernel's choice, and says so to startPart.
func listen() (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Fprintln(os.Stderr, "listening on", l.Addr())
	}
	return l, err
}

var listening = regexp.MustCompile(`^listening on (\S+)$`)
