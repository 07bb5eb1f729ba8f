package catalog

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Not parallel: it sets the environment.
func TestLongSocketPathFallsBack(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 80))
	fallback := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(fallback, "xdg"))
	c := newCatalog(t, func(o *Options) { o.DataDir = long })
	if !strings.HasPrefix(c.folder.path, filepath.Join(fallback, "xdg", "smartrouter")+"/") {
		t.Errorf("sockets are in %s", c.folder.path)
	}
	ask(t, loadEcho(t, c), "pid")

	// Neither: a private temporary folder.
	t.Setenv("XDG_RUNTIME_DIR", long)
	t.Setenv("TMPDIR", fallback)
	c = newCatalog(t, func(o *Options) { o.DataDir = long })
	if !strings.HasPrefix(c.folder.path, filepath.Join(fallback, fmt.Sprintf("smartrouter-%d", os.Getuid()))+"/") {
		t.Errorf("sockets are in %s", c.folder.path)
	}
	ask(t, loadEcho(t, c), "pid")
	for path := c.folder.path; path != fallback; path = filepath.Dir(path) {
		if mode := stat(t, path).Mode().Perm(); mode != 0o700 {
			t.Errorf("%s has mode %o", path, mode)
		}
	}
}

func TestLongestSocketPathIsKnown(t *testing.T) {
	t.Parallel()
	f, err := newFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.next.Store(9_999_998)
	path, err := f.process()
	if err != nil {
		t.Fatal(err)
	}
	name, _ := filepath.Rel(f.path, path)
	if len(name)+len("/plugin4294967295") > len(longestName) {
		t.Errorf("%s is longer than expected", name)
	}
	if len(filepath.Base(f.path)) > len("4194304-4294967295") {
		t.Errorf("%s is longer than expected", f.path)
	}
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	base := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(base, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := newFolder(base); err == nil || !strings.Contains(err.Error(), "others may write to it") {
		t.Errorf("error is %v", err)
	}
}

func TestHostsDeathLeavesNothing(t *testing.T) {
	t.Parallel()
	dataDir := t.TempDir()
	other := newCatalog(t, func(o *Options) { o.DataDir = dataDir }) // lives on, in the same folder
	mine := loadEcho(t, other)

	cmd := exec.Command("/proc/self/exe", "host", dataDir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var deaf, echo, foreign, child, near, away int
	if _, err := fmt.Sscan(line, &deaf, &echo, &foreign, &child, &near, &away); err != nil {
		t.Fatalf("the host says %q", line)
	}
	for _, pid := range []int{deaf, echo, foreign, child, near, away} {
		if !alive(pid) {
			t.Fatalf("process %d does not live", pid)
		}
	}
	for _, pid := range []int{echo, foreign} {
		signalTo(t, pid, syscall.SIGSTOP) // it can't read its lifeline
	}
	signalTo(t, cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait() // it was killed
	for name, pid := range map[string]int{
		"one that ignores the lifeline": deaf, "a stopped one": echo, "a stopped one of another user": foreign,
		"what a third party's has started": near, "what it has started outside its group": away,
	} {
		eventually(t, name+" is gone", func() bool { return !alive(pid) })
	}

	// Its folder, and the child that a plugin of ours left behind, go with the next start.
	if folders, _ := filepath.Glob(filepath.Join(dataDir, "run", "*")); len(folders) != 2 {
		t.Fatalf("folders are %q", folders)
	}
	newCatalog(t, func(o *Options) { o.DataDir = dataDir })
	if folders, _ := filepath.Glob(filepath.Join(dataDir, "run", fmt.Sprintf("%d-*", cmd.Process.Pid))); len(folders) != 0 {
		t.Errorf("left behind: %q", folders)
	}
	eventually(t, "the orphan is gone", func() bool { return !alive(child) })
	ask(t, mine, "pid")
}
