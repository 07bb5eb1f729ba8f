package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest path of a unix socket, in bytes: sun_path
// without its final zero.
const maxSocketPath = 107

// longestName stands for the longest path below a host's folder: the folder
// of one process, and go-plugin's socket in it.
const longestName = "1234567/plugin4294967295"

// folder is this host's own place for sockets, locked as long as the host lives.
type folder struct {
	path string
	lock *os.File
	next atomic.Uint64
}

// newFolder makes a private folder in the first of the bases that can hold
// unix sockets, after it has swept there what dead hosts left behind.
func newFolder(bases ...string) (*folder, error) {
	var failures []error
	for _, base := range bases {
		f, err := newFolderIn(base)
		if err == nil {
			return f, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("no folder for plugin sockets: %w", errors.Join(failures...))
}

// socketBases are the places for sockets, best first. The data folder's own is
// swept by nobody else; a path too long for a socket needs another.
func socketBases(runtimeDir string) []string {
	bases := []string{runtimeDir}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		bases = append(bases, filepath.Join(dir, "smartrouter"))
	}
	return append(bases, filepath.Join(os.TempDir(), "smartrouter-"+strconv.Itoa(os.Getuid())))
}

func newFolderIn(base string) (_ *folder, err error) {
	base, err = filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	// Known before anything is written: most data folders that are too deep
	// would otherwise get an empty folder.
	if n := len(base) + len("/4194304-4294967295/") + len(longestName); n > maxSocketPath {
		return nil, fmt.Errorf("%s: a socket's path would have %d bytes, %d are possible", base, n, maxSocketPath)
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	if err := private(base); err != nil {
		return nil, err
	}
	// Another router's sweep must not come between a new folder and its lock.
	busy, err := lockFolder(base, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer func() { _ = busy.Close() }()
	sweep(base)

	path, err := os.MkdirTemp(base, strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.lock, err = lockFolder(path, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, err
	}
	// Some file systems hold no sockets.
	probe, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(path, "probe")})
	if err != nil {
		return nil, err
	}
	return f, probe.Close()
}

// sharedFolder is made when the first plugin runs as another user. That one has
// its own folder in it, and can't look at the others'.
type sharedFolder struct {
	mu     sync.Mutex
	folder *folder
}

// socketFolder makes the folder of one process of a user's.
func (c *Catalog) socketFolder(u *user) (path string, err error) {
	if u == nil {
		return c.folder.process()
	}
	s := &c.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == nil {
		if s.folder, err = newFolder(openBases()...); err != nil {
			return "", err
		}
		for _, dir := range []string{filepath.Dir(s.folder.path), s.folder.path} {
			if err := os.Chmod(dir, 0o711); err != nil {
				return "", err
			}
		}
	}
	if path, err = s.folder.process(); err != nil {
		return "", err
	}
	return path, u.own(path)
}

func (s *sharedFolder) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder != nil {
		s.folder.close()
	}
}

// private refuses a folder in which somebody else could place sockets.
func private(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", path)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d", path, st.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s: others may write to it", path)
	}
	return nil
}

// lockFolder holds a folder as long as the file is open. systemd-tmpfiles
// leaves a locked folder alone, too.
func lockFolder(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// sweep removes the folders of dead hosts, and kills what they left running.
// The lock says who is dead: a pid may belong to another process by now, and
// in a container every router has the same.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return // found again, and reported, when the folder is made
	}
	for _, e := range entries {
		pid, _, ok := strings.Cut(e.Name(), "-")
		if _, err := strconv.Atoi(pid); err != nil || !ok || !e.IsDir() {
			continue
		}
		path := filepath.Join(base, e.Name())
		lock, err := lockFolder(path, unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue
		}
		// A plugin dies with its host, but its own children need not.
		killAllMarked(func(folder string) bool { return filepath.Dir(folder) == path })
		_ = os.RemoveAll(path)
		_ = lock.Close()
	}
}

// process makes the folder of one process. It is new for each, so that a
// crash leaves nothing in the way of the next.
func (f *folder) process() (string, error) {
	path := filepath.Join(f.path, strconv.FormatUint(f.next.Add(1)%10_000_000, 10))
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
}

func (f *folder) close() {
	_ = os.RemoveAll(f.path)
	if f.lock != nil {
		_ = f.lock.Close()
	}
}
