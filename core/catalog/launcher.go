package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// LauncherRole is what is appended to [Options].Self, in place of a plugin's
// kind/name, for the process that calls [Launch].
const LauncherRole = "launcher"

// launchVar holds what a launcher is to execute.
const launchVar = "SMARTROUTER_LAUNCH"

// launched is a program whose process limits itself before it begins: root in a
// container often may not limit the processes of others, but anybody may limit
// himself. So where a plugin runs as another user this program runs first, as
// that user, and becomes the plugin.
type launched struct {
	Path string
	Args []string
	// Env is not the launcher's own: with it this program would take itself for
	// a plugin.
	Env       []string
	OpenFiles int
	Nice      int
}

// launcher is the program through this one's launcher; it needs no limits from
// outside then.
func (p *program) launcher(self []string) (path string, args, env []string, err error) {
	b, err := json.Marshal(launched{Path: p.path, Args: p.args, Env: p.env, OpenFiles: p.limits.OpenFiles, Nice: p.limits.Nice})
	if err != nil {
		return "", nil, nil, err
	}
	path, args = ours(self, LauncherRole)
	return path, args, []string{launchVar + "=" + string(b)}, nil
}

// limitsItself reports whether the program has to go through a launcher.
func (p *program) limitsItself() bool {
	return p.user != nil && (p.limits.OpenFiles > 0 || p.limits.Nice > 0)
}

// Launch is the launcher's process, which becomes another program. It returns
// where that fails.
func Launch() error {
	var l launched
	if err := json.Unmarshal([]byte(os.Getenv(launchVar)), &l); err != nil || len(l.Args) == 0 {
		return errors.New("it is for the router to call")
	}
	runtime.LockOSThread() // whose niceness is inherited
	if l.OpenFiles > 0 {
		n := uint64(l.OpenFiles)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("open_files: %w", err)
		}
	}
	if l.Nice > 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, l.Nice); err != nil {
			return fmt.Errorf("nice: %w", err)
		}
	}
	return fmt.Errorf("execute %s: %w", l.Args[0], syscall.Exec(l.Path, l.Args, l.Env))
}
