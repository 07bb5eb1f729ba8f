package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// openTerminal is a pseudo terminal of so many rows and columns: what is
// printed to the second file is read from the first.
func openTerminal(t *testing.T, rows, columns uint16) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return screen, program
}

// watch runs a command until stop, which sends SIGINT as ctrl-c does.
func watch(t *testing.T, out *os.File, args ...string) (printed *log, stop func() error) {
	t.Helper()
	printed = &log{}
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = printed, printed
	if out != nil {
		cmd.Stdout = out
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			cmd.Process.Kill()
			<-ended
		}
	})
	return printed, func() error {
		stopped = true
		cmd.Process.Signal(syscall.SIGINT)
		select {
		case err := <-ended:
			return err
		case <-time.After(waitLimit):
			cmd.Process.Kill()
			<-ended
			return fmt.Errorf("still runs %s after ctrl-c", waitLimit)
		}
	}
}

func TestChannelsAreWatched(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, fixedAdmin(t)+channel("first", w.URL(), upstreamKey))
	place := []string{"--config", r.config, "--data-dir", r.data}
	live := append([]string{"channels", "--watch", "--interval", "50ms"}, place...)
	change := func(args ...string) {
		t.Helper()
		if out, err := cli(t, append(args, place...)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	t.Run("in a terminal", func(t *testing.T) {
		screen, program := openTerminal(t, 24, 60)
		_, stop := watch(t, program, live...)
		seen := &log{}
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := screen.Read(buf)
				seen.Write(buf[:n])
				if err != nil {
					return // the test has closed it
				}
			}
		}()
		wait(t, "a second page over the first", func() bool { return strings.Count(seen.String(), "\x1b[H") >= 2 })
		change("ban", "first", "--reason", "maintenance")
		wait(t, "the ban is shown", func() bool { return strings.Contains(seen.String(), "banned") })
		for line := range strings.SplitSeq(seen.String(), "\r\n") {
			line = strings.NewReplacer("\x1b[H", "", "\x1b[K", "", "\x1b[0J", "", "\r", "").Replace(line)
			if len([]rune(line)) > 60 {
				t.Errorf("a line is %d wide: %q", len(line), line)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})

	t.Run("into a pipe, as JSON", func(t *testing.T) {
		printed, stop := watch(t, nil, append(live, "--json")...)
		wait(t, "three lists", func() bool { return strings.Count(printed.String(), "\n") >= 3 })
		if err := stop(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(printed.String()) {
			var list server.Channels
			if err := json.Unmarshal([]byte(line), &list); err != nil || len(list.Channels) != 1 || list.Channels[0].Name != "first" {
				t.Fatalf("%v: %s", err, line)
			}
		}
	})

	t.Run("over the router's end", func(t *testing.T) {
		printed, stop := watch(t, nil, live...)
		wait(t, "a list", func() bool { return strings.Contains(printed.String(), "CHANNEL") })
		if strings.Contains(printed.String(), "\x1b") {
			t.Error("a pipe gets what only a terminal understands")
		}
		r.stop(syscall.SIGTERM)
		wait(t, "it says that no router runs", func() bool { return strings.Contains(printed.String(), "no router is running here") })
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
