package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// weighEvery is how often the memory of a plugin with a limit is looked at.
const weighEvery = 500 * time.Millisecond

// limit is called right after the start, when the process has done nothing yet
// but load its program: what it starts later inherits the limits.
func limit(pid int, l config.Limits) error {
	if l.OpenFiles > 0 {
		n := uint64(l.OpenFiles)
		err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended already: its last words say why
			return fmt.Errorf("open_files: %w", err)
		}
	}
	if l.Nice > 0 {
		// Of the group: of a process it would be that of its first thread.
		if err := unix.Setpriority(unix.PRIO_PGRP, pid, l.Nice); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("nice: %w", err)
		}
	}
	return nil
}

// weigh says when the process and all in its group use more memory together
// than they may.
func (l *life) weigh(ctx context.Context, most int64, over chan<- string) {
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if used := groupMemory(l.child.process().pid); used > most {
			over <- fmt.Sprintf("used %s of memory, and memory = %q", inMiB(used), sdk.Size(most))
			return
		}
	}
}

func inMiB(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) + "MiB" }

// groupMemory is the resident memory of all processes in a group, in bytes.
// What they share is counted for each.
func groupMemory(group int) (total int64) {
	eachInGroup(group, func(_ string, stat []string) {
		if pages, err := strconv.ParseInt(stat[21], 10, 64); err == nil { // resident ones
			total += pages * int64(os.Getpagesize())
		}
	})
	return total
}

// eachInGroup calls f for each process in a group, with its folder in /proc and
// its statFields.
func eachInGroup(group int, f func(dir string, stat []string)) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if stat := statFields(dir + "/stat"); len(stat) > 21 && stat[2] == strconv.Itoa(group) {
			f(dir, stat)
		}
	}
}

// statFields are what stands in a stat file behind the name, which is in
// parentheses and may hold anything: the state, the parent, the group, and more.
// There are none where the process has ended.
func statFields(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}
