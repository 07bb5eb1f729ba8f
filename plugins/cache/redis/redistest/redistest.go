// Package redistest runs a real redis-server for a test.
//
//	s := redistest.Start(t)
//	... s.URL ...
//	s.Kill()
//	s.Restart()
//
// Every server has a folder, a port of the loopback and a socket of its own, and
// writes to its disk before it answers. Where redis-server is missing, root has
// it installed from Debian's package; else the test fails and says so.
package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/debiantest"
)

// limit is how long a server may take to start or to end, on a busy machine.
const limit = 30 * time.Second

var ensure = sync.OnceValue(debiantest.Package{
	Name: "redis-server", Programs: []string{"redis-server"}, PID: "/run/redis/redis-server.pid",
}.Ensure)

// Server is a redis-server.
type Server struct {
	// URL is redis://127.0.0.1:port, Socket the path of its socket.
	URL    string
	Socket string
	// Addr is host:port.
	Addr string

	t     testing.TB
	dir   string
	args  []string
	cmd   *exec.Cmd
	out   *bytes.Buffer
	ended chan struct{}
}

// Start runs a server until the end of the test, with more arguments such as
// "--requirepass", "secret".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if err := ensure(); err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, whose path is too long for a socket where the test's name is.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, args: args, Socket: filepath.Join(dir, "redis.sock")}
	t.Cleanup(func() {
		s.end(syscall.SIGKILL)
		os.RemoveAll(dir)
	})
	// Somebody may take a port before the server does.
	for try := 0; ; try++ {
		s.Addr = freeAddress(t)
		s.URL = "redis://" + s.Addr
		if err := s.start(); err == nil {
			return s
		} else if try == 2 {
			t.Fatal(err)
		}
		s.end(syscall.SIGKILL)
	}
}

// Kill is kill -9.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(syscall.SIGKILL)
}

// Stop is an orderly end.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(syscall.SIGTERM)
}

// Restart starts a server that has ended, with what it has on its disk.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Wipe removes what a server that has ended has on its disk.
func (s *Server) Wipe() {
	s.t.Helper()
	for _, name := range []string{"appendonlydir", "dump.rdb"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Freeze stops the process: connections are there, but nothing answers.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
}

// Thaw lets it go on.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	_, bus, err := net.SplitHostPort(freeAddress(s.t))
	if err != nil {
		return err
	}
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command("redis-server", append([]string{
		"--bind", "127.0.0.1", "--port", port, "--cluster-port", bus, "--unixsocket", s.Socket, "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no",
	}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	// It must not outlive a test that is killed.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		_ = s.cmd.Wait() // how it ended is in its output
		close(ended)
	}()
	for deadline := time.Now().Add(limit); !s.answers(); time.Sleep(5 * time.Millisecond) { // between two looks
		select {
		case <-ended:
			return fmt.Errorf("redis-server ended at its start:\n%s", s.out)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("redis-server does not answer after %s", limit)
		}
	}
	return nil
}

// answers reports whether it has read its disk; one that wants a password has.
func (s *Server) answers() bool {
	c, err := net.DialTimeout("unix", s.Socket, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && (strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NOAUTH"))
}

func (s *Server) end(sig syscall.Signal) {
	s.t.Helper()
	if s.ended == nil {
		return
	}
	select {
	case <-s.ended:
		return
	default:
	}
	// It may have ended just now, which is what is wanted.
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.ended:
	case <-time.After(limit):
		s.t.Errorf("redis-server still runs %s after %s", limit, sig)
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}
