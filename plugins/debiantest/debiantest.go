// Package debiantest has the servers that tests start: where a program is missing,
// root has Debian's package of it installed, and its service does not run
// afterwards.
package debiantest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Package is a package of Debian's with a service of the same name.
type Package struct {
	Name     string
	Programs []string
	PID      string // the file with the pid of its service
}

// Ensure installs the package where a program is missing. Only root can.
func (p Package) Ensure() error {
	if p.there() {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Getuid() != 0 {
		return fmt.Errorf("this test needs %s in PATH: install it, such as by apt-get install %s", strings.Join(p.Programs, " and "), p.Name)
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
	wanted := []string{"install", "-y", "--no-install-recommends", p.Name}
	if get(wanted...) != nil {
		// The lists may be missing or old.
		if err := get("update"); err != nil {
			return err
		}
		if err := get(wanted...); err != nil {
			return err
		}
	}
	return p.stop()
}

func (p Package) there() bool {
	for _, program := range p.Programs {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// stop ends the service that came with the package, and keeps it from starting
// with the machine.
func (p Package) stop() error {
	commands := [][]string{{"systemctl", "disable", "--now", p.Name}}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		commands = [][]string{{"update-rc.d", p.Name, "disable"}}
		if _, err := os.Stat(p.PID); err == nil {
			commands = append(commands, []string{"/etc/init.d/" + p.Name, "stop"})
		}
	}
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("stop the service %s: %w\n%s", p.Name, err, out)
		}
	}
	return nil
}
