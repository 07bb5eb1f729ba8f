package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes maps each process of this machine to its parent.
func processes() (map[int]int, error) {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		if parent, ok := parentIn(stat); ok {
			parents[pid] = parent
		}
	}
	return parents, nil
}

// parentIn reads a /proc/PID/stat, "PID (command) state parent ...": the
// command may hold blanks and brackets.
func parentIn(stat []byte) (int, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}

// running reports whether a process is there, and no zombie.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(fields) > 0 && fields[0][0] != 'Z' && fields[0][0] != 'X'
}

// tree lists a process and all its descendants that still run.
func tree(parents map[int]int, root int) []int {
	var pids []int
	for pid := range parents {
		for p, ok := pid, true; ok && p != 0; p, ok = parents[p] {
			if p == root {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// cpuTimes reads what each process has used of the CPUs so far, its ended
// threads included, from its CPU clock: nanoseconds, where /proc counts ticks.
func cpuTimes(pids []int) map[int]time.Duration {
	times := make(map[int]time.Duration, len(pids))
	for _, pid := range pids {
		const schedClock = 2 // CPUCLOCK_SCHED; see clock_getcpuclockid(3)
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|schedClock), &t); err == nil {
			times[pid] = time.Duration(t.Nano())
		}
	}
	return times
}

// spent is the CPU time between two readings. A process that is new in the
// second counts from its start; one that ended meanwhile does not count.
func spent(from, to map[int]time.Duration) (sum time.Duration) {
	for pid, t := range to {
		sum += t - from[pid]
	}
	return sum
}

// memory adds up what processes hold, in bytes: rss counts a page that they
// share once for each, pss counts it once. pss is 0 where one of them is closed
// to us, as the router's process is to users other than root.
func memory(pids []int) (rss, pss int64) {
	closed := false
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err == nil {
			rss += kilobytes(text, "Rss:")
			pss += kilobytes(text, "Pss:")
			continue
		}
		if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			rss += kilobytes(text, "VmRSS:")
			closed = true
		}
	}
	if closed {
		pss = 0
	}
	return rss, pss
}

// kilobytes finds a line "name   123 kB"; the result is bytes.
func kilobytes(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			n, _ := strconv.ParseInt(fields[1], 10, 64) // the kernel's own number
			return n << 10
		}
	}
	return 0
}

// busy is the time that all CPUs of this machine have worked, to 10 ms.
func busy() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return busyIn(string(text))
}

// busyIn reads the line "cpu user nice system idle iowait irq softirq ...".
func busyIn(stat string) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	line, _, _ := strings.Cut(stat, "\n")
	var ticks int64
	for i, field := range strings.Fields(line) {
		switch i {
		case 1, 2, 3, 6, 7:
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}
