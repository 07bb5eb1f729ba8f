package conform

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what can be seen of a process from outside. Where there is no /proc
// all is zero, and nothing is found.
type usage struct {
	files, threads, children int
	rss                      int64
}

func usageOf(pid int, marker string) usage {
	var u usage
	dir := "/proc/" + strconv.Itoa(pid)
	if list, err := os.ReadDir(dir + "/fd"); err == nil {
		u.files = len(list)
	}
	status, _ := os.ReadFile(dir + "/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			u.rss = n << 10
		case name == "Threads":
			u.threads = int(n)
		}
	}
	u.children = len(relatives(pid, marker))
	return u
}

// relatives are the processes that a plugin's process started: those of its
// group, and those that left it and still have its socket folder in their
// environment.
func relatives(pid int, marker string) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		other, err := strconv.Atoi(e.Name())
		if err != nil || other == pid || other == os.Getpid() {
			continue
		}
		state, group := stateOf(other)
		if state == 0 || state == 'Z' || state == 'X' {
			continue
		}
		if group != pid {
			env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
			if err != nil || !bytes.Contains(env, []byte(marker)) {
				continue
			}
		}
		pids = append(pids, other)
	}
	return pids
}

// stateOf is a process's state and its group; 0: there is none.
func stateOf(pid int) (state byte, group int) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	at := bytes.LastIndex(stat, []byte(") "))
	if at < 0 {
		return 0, 0
	}
	fields := strings.Fields(string(stat[at+2:]))
	if len(fields) < 3 {
		return 0, 0
	}
	group, _ = strconv.Atoi(fields[2])
	return fields[0][0], group
}
