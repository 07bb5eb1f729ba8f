package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// ensure fails the test where there is no redis-server and none can be had.
func ensure(t testing.TB) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
}

var install = sync.OnceValue(func() error {
	if _, err := exec.LookPath("redis-server"); err == nil {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Getuid() != 0 {
		return fmt.Errorf("these tests need redis-server in PATH: install it, such as by apt-get install redis-server")
	}
	get := func(args ...string) error {
		cmd := exec.Command(apt, append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		// Without a runlevel the package starts no service.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
		}
		return nil
	}
	wanted := []string{"install", "-y", "--no-install-recommends", "redis-server"}
	if get(wanted...) != nil {
		// The lists may be missing or old.
		if err := get("update"); err != nil {
			return err
		}
		if err := get(wanted...); err != nil {
			return err
		}
	}
	return stopService()
})

// stopService ends the service that came with the package, and keeps it from
// starting with the machine.
func stopService() error {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		if out, err := exec.Command("systemctl", "disable", "--now", "redis-server").CombinedOutput(); err != nil {
			return fmt.Errorf("stop the service redis-server: %w\n%s", err, out)
		}
		return nil
	}
	if _, err := os.Stat("/run/redis/redis-server.pid"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if out, err := exec.Command("/etc/init.d/redis-server", "stop").CombinedOutput(); err != nil {
		return fmt.Errorf("stop the service redis-server: %w\n%s", err, out)
	}
	return nil
}
