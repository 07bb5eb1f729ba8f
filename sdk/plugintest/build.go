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

// built programs by their folder, each a func() (string, error).
var built sync.Map

// build compiles the main package in dir, once, and answers what to execute.
func build(t testing.TB, dir string) string {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := built.LoadOrStore(dir, sync.OnceValues(func() (string, error) { return compile(dir) }))
	program, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func compile(dir string) (string, error) {
	tmp, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		return "", err
	}
	program := filepath.Join(tmp, filepath.Base(dir))
	args := []string{"build", "-o", program}
	if raceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(tmp)
		return "", fmt.Errorf("go build in %s: %w\n%s", dir, err, out)
	}
	if runtime.GOOS != "linux" {
		return program, nil // stays behind in the folder for temporary files
	}
	// A test binary has no end at which to remove it. So it is removed now,
	// and lives as an open file for as long as the test binary does.
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
}
