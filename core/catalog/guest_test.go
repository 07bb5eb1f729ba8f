package catalog

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// startByHand starts the echo as its author would, under a debugger.
func startByHand(t *testing.T) (*exec.Cmd, sdk.Reattach) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "plugin", sdk.DebugFlag, "cache/echo")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if m := regexp.MustCompile(`--reattach (\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			at, err := sdk.ParseReattach(m[1])
			if err != nil {
				t.Fatal(err)
			}
			return cmd, at
		}
	}
	t.Fatal("the plugin printed nothing to reattach to")
	return nil, sdk.Reattach{}
}

// One router after the other may use a process that its author started; it may
// stand still, and nobody kills it.
func TestGuestIsNeitherStartedNorKilled(t *testing.T) {
	t.Parallel()
	cmd, at := startByHand(t)
	p := plugin("cache", "echo")
	p.PingInterval, p.PingTimeout = time.Millisecond, 50*time.Millisecond
	for range 2 {
		c := newCatalog(t, func(o *Options) { o.Reattach = map[string]sdk.Reattach{p.Address(): at} })
		i := loadGuest(t, c, p)
		if got := ask(t, i, "pid"); got != strconv.Itoa(cmd.Process.Pid) {
			t.Errorf("process %s answers, want %d", got, cmd.Process.Pid)
		}
		signalTo(t, cmd.Process.Pid, syscall.SIGSTOP)
		<-time.After(200 * time.Millisecond) // longer than any other plugin may be silent
		signalTo(t, cmd.Process.Pid, syscall.SIGCONT)
		ask(t, i, "pid")
		if s := i.Status(); s.Epoch != 1 || s.PID != cmd.Process.Pid {
			t.Errorf("after it stood still: %+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if !alive(cmd.Process.Pid) {
			t.Fatal("the router's end ended the process")
		}
	}
	signalTo(t, cmd.Process.Pid, syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(at.Address)); err == nil {
		t.Error("its sockets were left behind")
	}
}

func TestEndOfAGuestIsTold(t *testing.T) {
	t.Parallel()
	cmd, at := startByHand(t)
	p := plugin("cache", "echo")
	c := newCatalog(t, func(o *Options) { o.Reattach = map[string]sdk.Reattach{p.Address(): at} })
	i := loadGuest(t, c, p)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "the end is told", func() bool { return i.Status().LastExit != "" && i.Status().State != Ready })
}

// loadGuest waits for the process to be ready for the next router.
func loadGuest(t *testing.T, c *Catalog, p *config.Plugin) *Instance {
	t.Helper()
	var set *Set
	eventually(t, "it is loaded", func() bool {
		var err error
		set, err = c.Load(t.Context(), []*config.Plugin{p})
		return err == nil
	})
	return set.Plugin(p.Address())
}
