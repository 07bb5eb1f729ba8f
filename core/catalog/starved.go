package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/config"
)

// A plugin that is silent since it waits for a CPU does not hang: to kill it
// would cost the busy machine a start more, and the next plugin its answer.

// share is what a process group had of the CPUs up to some moment, by the
// scheduler's own figures of all its threads.
type share struct {
	ran, waited time.Duration
	active      bool // one of the threads runs, could run, or waits for the disk
}

// shareOf reads /proc; a group that is gone has none.
func shareOf(group int) (s share) {
	eachInGroup(group, func(dir string, _ []string) {
		threads, _ := filepath.Glob(dir + "/task/*")
		for _, thread := range threads {
			// Nanoseconds on a CPU and nanoseconds waiting for one. The wait that
			// is going on is not in it yet, so that the state counts, too.
			if text, err := os.ReadFile(thread + "/schedstat"); err == nil {
				s.ran += nanoseconds(strings.Fields(string(text)), 0)
				s.waited += nanoseconds(strings.Fields(string(text)), 1)
			}
			if stat := statFields(thread + "/stat"); len(stat) > 0 && (stat[0] == "R" || stat[0] == "D") {
				s.active = true
			}
		}
	})
	return s
}

func nanoseconds(fields []string, i int) time.Duration {
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return time.Duration(n)
}

// starvedSince reports whether the group got too little of the CPUs since then:
// it waited for a quarter of the time, or waits now and hardly ran.
func (now share) starvedSince(then share, elapsed time.Duration) bool {
	return now.waited-then.waited >= elapsed/4 ||
		now.active && then.active && now.ran-then.ran < elapsed/2
}

// hunger looks at a process group within a time that it was given for something.
type hunger struct {
	group func() int // 0: there is none
	begun time.Time
	then  share
}

// look comes after a part of the time: nearly all answers are there by then, and
// cost no look.
func (h *hunger) look() {
	h.begun = time.Time{}
	if group := h.group(); group != 0 {
		h.begun, h.then = time.Now(), shareOf(group)
	}
}

// starved reports whether the group has been short of CPU since the look. Where
// there was none yet it is the router that was.
func (h *hunger) starved() bool {
	return h.begun.IsZero() || shareOf(h.group()).starvedSince(h.then, time.Since(h.begun))
}

// errSlow ends a start that takes too long.
var errSlow = errors.New("the start took too long")

// startContext bounds the start of a process by its start_timeout and, while it
// waits for a CPU, by its starved_timeout on top.
func (l *life) startContext(ctx context.Context, p *config.Plugin, log hclog.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		h := &hunger{group: l.group}
		last, told := time.Now().Add(p.StartTimeout+p.StarvedTimeout), false
		for wait := p.StartTimeout; ; wait = min(p.StartTimeout, time.Second) {
			if !sleep(ctx, wait*3/4) {
				return
			}
			h.look()
			if !sleep(ctx, wait/4) {
				return
			}
			if time.Now().After(last) || !h.starved() {
				cancel(errSlow)
				return
			}
			if !told {
				told = true
				log.Warn("plugin waits for a CPU at its start", "plugin", who(p), "for", p.StartTimeout)
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// group is the process group, as soon as there is one.
func (l *life) group() int {
	if c := l.began.Load(); c != nil {
		if p := c.process(); p != nil {
			return p.pid
		}
	}
	return 0
}

// sleep reports false when ctx has ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
