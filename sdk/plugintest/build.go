package plugintest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// program is what to execute, and how it is named.
type program struct {
	path string
	args []string // with the name first
	file *os.File // keeps path alive; nil where it needs no help
}

// built programs by their folder, each a func() (program, error).
var built sync.Map

// build compiles the main package in dir, once.
func build(t testing.TB, dir string) program {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := built.LoadOrStore(dir, sync.OnceValues(func() (program, error) { return compile(dir) }))
	p, err := once.(func() (program, error))()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(dir string) (program, error) {
	tmp, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		return program{}, err
	}
	p := program{path: filepath.Join(tmp, filepath.Base(dir)), args: []string{filepath.Base(dir)}}
	args := []string{"build", "-o", p.path}
	if raceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(tmp)
		return program{}, fmt.Errorf("go build in %s: %w\n%s", dir, err, out)
	}
	if runtime.GOOS != "linux" {
		return p, nil // stays behind in the folder for temporary files
	}
	// A test binary has no end at which to remove it. So it is removed now,
	// and lives as an open file for as long as the test binary does.
	if p.file, err = os.Open(p.path); err != nil {
		return program{}, err
	}
	p.path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.file.Fd())
	return p, os.RemoveAll(tmp)
}
