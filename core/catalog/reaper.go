package catalog

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
)

// ReaperRole is what is appended to [Options].Self, in place of a plugin's
// kind/name, for the process that calls [Reap].
const ReaperRole = "reaper"

// reaper is our end of a small process that outlives the host by some
// milliseconds. A plugin dies with its host by the kernel's doing, but what it
// has started does not, where the host could not kill it any more. So another
// process is told which groups and folders there are, and kills what is left of
// them when the pipe between the two ends, however the host has ended.
//
// It runs where a third party's plugin does; ours start nothing.
type reaper struct {
	self []string

	mu    sync.Mutex
	pipe  *os.File
	pid   int
	ended chan struct{} // of the process; nil: there is none
	// watched are the socket folders of plugins, by their group.
	watched map[int]string
}

const (
	// tellTime is how long the host waits for a reaper that does not read.
	tellTime = 100 * time.Millisecond
	// reapPasses bounds the search for processes of a plugin that forks and forks.
	reapPasses = 100
)

func newReaper(self []string) *reaper {
	return &reaper{self: self, watched: make(map[int]string)}
}

// watch has what a plugin starts killed with the host. start is how a process is
// started.
func (r *reaper) watch(group int, folder string, start func(path string, args []string, attr *os.ProcAttr) (*os.Process, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched[group] = folder
	if r.ended != nil {
		select {
		case <-r.ended: // somebody killed it
		default:
			r.tell(fmt.Sprintf("+%d %s\n", group, folder))
			return nil
		}
	}
	err := r.begin(start)
	if err != nil {
		delete(r.watched, group) // the plugin does not start, and its id is soon another's
	}
	return err
}

// begin starts the process. The lock is held.
func (r *reaper) begin(start func(string, []string, *os.ProcAttr) (*os.Process, error)) error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		out.Close()
		return err
	}
	defer null.Close()
	path, args := ours(r.self, ReaperRole)
	child, err := start(path, args, &os.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1"}, Files: []*os.File{in, null, null},
		// Not in the group that a terminal or a service manager ends.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		out.Close()
		return fmt.Errorf("start the reaper: %w", err)
	}
	if r.pipe != nil {
		r.pipe.Close()
	}
	ended := make(chan struct{})
	r.pipe, r.pid, r.ended = out, child.Pid, ended
	go func() {
		_, _ = child.Wait()
		close(ended)
	}()
	var all strings.Builder
	for group, folder := range r.watched {
		fmt.Fprintf(&all, "+%d %s\n", group, folder)
	}
	r.tell(all.String())
	return nil
}

// tell does not wait for a reaper that hangs: it only is a second net.
func (r *reaper) tell(lines string) {
	_ = r.pipe.SetWriteDeadline(time.Now().Add(tellTime))
	_, _ = io.WriteString(r.pipe, lines)
}

// sweep kills what a plugin that has ended left behind outside its group, and
// forgets the plugin.
func (r *reaper) sweep(group int, folder string) {
	killAllMarked(func(f string) bool { return f == folder })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched[group] == folder { // else the id is already another's
		delete(r.watched, group)
		r.tell(fmt.Sprintf("-%d\n", group))
	}
}

// close lets the process do its work, and waits for its end.
func (r *reaper) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil {
		return
	}
	r.pipe.Close()
	select {
	case <-r.ended:
	case <-time.After(killTime):
	}
}

// Reap is the reaper's process. It returns after the end of in, when nothing of
// the host's plugins runs any more.
func Reap(in io.Reader) {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	watched := make(map[int]string)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		what, folder, _ := strings.Cut(lines.Text(), " ")
		group, err := strconv.Atoi(what) // with its sign
		switch {
		case err != nil:
		case group < 0:
			delete(watched, -group)
		case group > 1:
			watched[group] = folder
		}
	}
	folders := make(map[string]bool)
	for group, folder := range watched {
		_ = unix.Kill(-group, unix.SIGKILL)
		folders[folder] = true
	}
	if len(folders) > 0 {
		killAllMarked(func(folder string) bool { return folders[folder] })
	}
}

// killAllMarked looks again until nobody is found: who is found may have started
// another meanwhile.
func killAllMarked(such func(folder string) bool) {
	for range reapPasses {
		if killMarked(such) == 0 {
			return
		}
	}
}

// killMarked kills every process that was started with a socket folder such, and
// says how many there were. What a plugin starts has its environment, unless it
// takes care not to.
func killMarked(such func(folder string) bool) (killed int) {
	const marker = goplugin.EnvUnixSocketDir + "="
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range procs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // it has ended, or is another user's
		}
		for _, kv := range strings.Split(string(env), "\x00") {
			if folder, ok := strings.CutPrefix(kv, marker); ok && such(folder) {
				if unix.Kill(pid, unix.SIGKILL) == nil {
					killed++
				}
				break
			}
		}
	}
	return killed
}
