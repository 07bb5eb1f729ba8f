package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// A router is a smartrouter of its own for one measurement.
type router struct {
	base   string // URL for clients
	folder string
	cmd    *exec.Cmd
	ended  chan struct{}
}

const (
	readyWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

var ready = regexp.MustCompile(`models at (http://\S+/v1)`)

// channel is one channel's HCL.
func channel(name string, u *upstream, rest ...string) string {
	return fmt.Sprintf("provider %[1]q {\n  base_url = %[2]q\n}\nchannel %[1]q {\n  provider = provider.%[1]s\n  api_key  = \"sk-bench\"\n  %[3]s\n}\n",
		name, u.base, strings.Join(rest, "\n  "))
}

// startRouter runs the binary with a configuration, until stop.
func startRouter(ctx context.Context, binary string, w *world, hcl string) (*router, error) {
	folder, err := os.MkdirTemp("", "smartrouter-seed-")
	if err != nil {
		return nil, err
	}
	r := &router{folder: folder, ended: make(chan struct{})}
	config, certificate := filepath.Join(folder, "router.hcl"), filepath.Join(folder, "upstreams.pem")
	hcl = "server {\n  address = \"127.0.0.1:0\"\n}\nadmin {\n  address = \"127.0.0.1:0\"\n}\n" + hcl
	if err := errors.Join(os.WriteFile(config, []byte(hcl), 0o600), os.WriteFile(certificate, w.pem, 0o600)); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	r.cmd = exec.CommandContext(ctx, binary, "serve", "--config", config, "--data-dir", filepath.Join(folder, "data"))
	r.cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+certificate)
	r.cmd.Cancel = func() error { return r.cmd.Process.Signal(syscall.SIGTERM) }
	r.cmd.WaitDelay = stopWithin
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := r.cmd.StderrPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	said, listens := new(strings.Builder), make(chan string, 1)
	go func() {
		defer close(r.ended)
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			fmt.Fprintln(said, scan.Text())
			if m := ready.FindStringSubmatch(scan.Text()); m != nil {
				listens <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, stderr) // a full pipe would stop it
	}()
	select {
	case r.base = <-listens:
		return r, nil
	case <-time.After(readyWithin):
		err = fmt.Errorf("%s is not ready after %s", binary, readyWithin)
		r.stop()
	case <-r.ended:
		err = fmt.Errorf("%s ended at its start", binary)
		r.stop()
	}
	return nil, fmt.Errorf("%w:\n%s", err, said)
}

func (r *router) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-r.ended:
	case <-time.After(stopWithin):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
	_ = r.cmd.Wait() // how it ended tells nothing
	os.RemoveAll(r.folder)
}
