package cli

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// garbage is how much of it there may be before it is collected, in percent of
// what is in use, where GOGC does not say. A router's requests make little: the
// collector's part of its CPU stays at 3 %, and under load it has a tenth less
// memory than with Go's 100. Plugins make next to none.
const garbage = 75

func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
}

// spare is how much garbage a plugin may have, in percent of what it uses, once some
// was collected. Its first collection comes as late as Go lets it, at 4 MiB: it costs
// more than a megabyte for good, and a plugin makes a kilobyte of garbage a second.
const spare = 25

// stayLean is for a plugin. Nobody profiles its memory.
func stayLean() {
	runtime.MemProfileRate = 0
	if os.Getenv("GOGC") == "" {
		runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, spare)
	}
}

// settled is how long after its start a process has run what only a start runs.
// What is done now and then, such as a round of probes, leaves as much behind:
// so pages are dropped again every dropEvery, which costs a busy router less than
// a millisecond.
const (
	settled   = 5 * time.Second
	dropEvery = 15 * time.Second
)

// dropUnused gives the kernel back what is not in use of the program's file: half
// of what a process of ours has mapped after its start.
func dropUnused() {
	time.AfterFunc(settled, func() {
		for ; ; time.Sleep(dropEvery) {
			dropProgramPages()
		}
	})
}

// dropProgramPages unmaps all pages of the program's file that hold what the
// file holds. Those that are still needed come back from the page cache at the
// next use, as any page does.
func dropProgramPages() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // then they stay
	}
	defer maps.Close()
	for _, r := range cleanRanges(maps, exe) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
}

// addresses of memory, without end.
type addresses struct{ start, end uintptr }

// cleanRanges are the read-only mappings of a file in a process's smaps of which
// no page differs from the file: none was written to, as a loader or a debugger
// would.
func cleanRanges(smaps io.Reader, file string) (all []addresses) {
	var r addresses
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Bytes() // of hundreds: only ours are worth memory
		switch {
		case len(line) > 0 && 'A' <= line[0] && line[0] <= 'Z': // a figure of the mapping
			if r.end > 0 && bytes.HasPrefix(line, []byte("Anonymous:")) {
				if f := strings.Fields(string(line)); len(f) == 3 && f[1] == "0" {
					all = append(all, r)
				}
				r = addresses{}
			}
		case bytes.HasSuffix(line, []byte(" "+file)):
			r = mapping(string(line), file)
		default:
			r = addresses{}
		}
	}
	return all
}

// mapping reads a line such as "address perms offset dev inode path". One that is
// of another file, or can be written to, is none.
func mapping(line, file string) (r addresses) {
	f := strings.Fields(line)
	if len(f) < 6 || strings.Join(f[5:], " ") != file || len(f[1]) < 2 || f[1][1] == 'w' {
		return r
	}
	from, to, _ := strings.Cut(f[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if err1 == nil && err2 == nil {
		r = addresses{uintptr(start), uintptr(end)}
	}
	return r
}
