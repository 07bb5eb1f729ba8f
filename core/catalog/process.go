package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lifelineFD is the descriptor in a plugin that reads EOF when the host is gone.
const lifelineFD = 3

// programFD is the descriptor of a program that was hashed.
const programFD = 4

// drainTime is how long output is still read after the end of a process, which a
// busy machine may not have begun. What a process left behind may hold the pipe
// open for ever.
const drainTime = 500 * time.Millisecond

// spawner starts processes that die with the host. Pdeathsig follows the
// parent's thread, so all are started by one thread that ends with the spawner.
type spawner struct {
	jobs  chan func()
	read  *os.File // inherited by every plugin
	write *os.File // held by the host alone

	self   []string
	reaper *reaper

	mu      sync.Mutex
	running map[*process]struct{}
}

func newSpawner(self []string) (*spawner, error) {
	// Not os.Pipe: its ends are non-blocking, which children would inherit.
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("lifeline: %w", err)
	}
	s := &spawner{
		jobs:  make(chan func()),
		read:  os.NewFile(uintptr(pipe[0]), "lifeline"),
		write: os.NewFile(uintptr(pipe[1]), "lifeline"),

		self:    self,
		reaper:  newReaper(self),
		running: make(map[*process]struct{}),
	}
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		// Inherited by what it starts: no program there is of more rights by
		// belonging to somebody else. Old kernels do without.
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		for job := range s.jobs {
			job()
		}
	}()
	return s, nil
}

// close ends the thread, and with it every process that still runs.
func (s *spawner) close() {
	close(s.jobs)
	_ = s.read.Close()
	_ = s.write.Close()
	s.reaper.close()
}

// start runs the program. Its output is read from stdout and stderr, which
// the caller closes.
func (s *spawner) start(p *program) (proc *process, stdout, stderr *os.File, err error) {
	var files []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
			files = append(files, r, w)
		}
		return r, w
	}
	defer func() {
		for _, f := range files {
			_ = f.Close() // of those, Close is safe on nil
		}
	}()
	null, err := os.Open(os.DevNull)
	files = append(files, null)
	stdout, outW := pipe()
	stderr, errW := pipe()
	if err != nil {
		return nil, nil, nil, err
	}

	attr := &os.ProcAttr{
		Dir:   p.dir,
		Env:   p.env,
		Files: []*os.File{null, outW, errW, s.read},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: p.user.credential()},
	}
	if p.file != nil || p.home != nil {
		attr.Files = append(attr.Files, p.file, p.home) // nil: closed
	}
	path, args := p.path, p.args
	if p.limitsItself() {
		if path, args, attr.Env, err = p.launcher(s.self); err != nil {
			return nil, nil, nil, err
		}
	}
	child, err := s.fork(path, args, attr)
	if err != nil {
		var pathErr *fs.PathError // names the path of a descriptor
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, nil, nil, fmt.Errorf("start %s: %w", p.name, err)
	}

	if !p.limitsItself() {
		err = limit(child.Pid, p.limits)
	}
	if err == nil && p.foreign {
		err = s.reaper.watch(child.Pid, p.folder, s.fork)
	}
	if err != nil {
		_ = unix.Kill(-child.Pid, unix.SIGKILL)
		_, _ = child.Wait()
		return nil, nil, nil, err
	}
	files = []*os.File{null, outW, errW}
	proc = &process{pid: child.Pid, ended: make(chan struct{})}
	s.mu.Lock()
	s.running[proc] = struct{}{}
	s.mu.Unlock()
	go func() {
		proc.wait(child, stdout, stderr)
		s.mu.Lock()
		delete(s.running, proc)
		s.mu.Unlock()
		close(proc.ended)
		if p.foreign {
			s.reaper.sweep(proc.pid, p.folder)
		}
	}()
	return proc, stdout, stderr, nil
}

// fork starts a process by the spawner's thread.
func (s *spawner) fork(path string, args []string, attr *os.ProcAttr) (child *os.Process, err error) {
	started := make(chan struct{})
	s.jobs <- func() {
		defer close(started)
		child, err = os.StartProcess(path, args, attr)
	}
	<-started
	return child, err
}

// killAll does not wait.
func (s *spawner) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.running {
		p.kill()
	}
}

// process is a running child and its process group, or a guest.
type process struct {
	pid int
	// leave ends our interest in a guest; nil: the process is a child of ours.
	leave context.CancelFunc
	ended chan struct{} // closed when it was reaped
	exit  string        // why it ended; valid after ended

	mu     sync.Mutex
	reaped bool
}

// wait reaps the process and kills what it leaves in its group.
func (p *process) wait(child *os.Process, output ...*os.File) {
	for {
		// It stays a zombie, so that its pid, which is the group's id, is not
		// given to another before the group is dead.
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	p.mu.Lock()
	p.killLocked()
	p.reaped = true
	p.mu.Unlock()

	state, err := child.Wait()
	if err != nil {
		p.exit = err.Error()
	} else {
		p.exit = state.String()
	}
	for _, f := range output {
		_ = f.SetReadDeadline(time.Now().Add(drainTime))
	}
}

// kill ends the process and its group. It does not wait for that.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killLocked()
	}
}

func (p *process) killLocked() {
	if p.leave != nil {
		p.leave()
		return
	}
	// The only failure is that there is nobody left.
	_ = unix.Kill(-p.pid, unix.SIGKILL)
}
