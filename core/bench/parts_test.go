package main

import (
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestPartIsReadyOnceAllWasSaid(t *testing.T) {
	t.Parallel()
	const script = `echo admin at early >&2; echo "models at a" >&2; echo "admin at b" >&2; exec sleep 60`
	p, err := startPart(t.Context(), "sh", []string{"-c", script},
		regexp.MustCompile(`models at (\S+)`), regexp.MustCompile(`admin at (\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.said, " "); got != "a b" {
		t.Errorf("said %q", got)
	}
	p.stop()
	if err := syscall.Kill(p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("it still runs: %v", err)
	}
}

func TestPartThatFailsIsQuoted(t *testing.T) {
	t.Parallel()
	_, err := startPart(t.Context(), "sh", []string{"-c", "echo no such channel >&2; exit 1"}, listening)
	if err == nil || !strings.Contains(err.Error(), "ended at once") || !strings.Contains(err.Error(), "no such channel") {
		t.Errorf("%v", err)
	}
}
