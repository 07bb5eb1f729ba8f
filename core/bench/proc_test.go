package main

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestCostOfATree(t *testing.T) {
	t.Parallel()
	child := exec.Command("sh", "-c", "(while :; do :; done) & wait")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer syscall.Kill(-child.Process.Pid, syscall.SIGKILL)

	var pids []int
	var cost time.Duration
	const enough = 30 * time.Millisecond
	for deadline := start.Add(time.Minute); len(pids) < 2 || cost < enough; {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute: processes %v spent %s", pids, cost)
		}
		parents, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		pids = tree(parents, child.Process.Pid)
		cost = spent(nil, cpuTimes(pids))
	}
	if wall := time.Since(start); cost > wall {
		t.Errorf("one busy process spent %s within %s", cost, wall)
	}
	parents, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	if all := tree(parents, os.Getpid()); len(all) < 3 || !slices.Contains(all, pids[0]) {
		t.Errorf("our own tree is %v, without %v", all, pids)
	}
	rss, pss := memory(pids)
	if rss < 100<<10 || pss > rss || pss < 0 {
		t.Errorf("rss %d, pss %d", rss, pss)
	}
	if busy() < cost {
		t.Errorf("the machine was busy for %s only, less than %s", busy(), cost)
	}
}

func TestParentIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stat string
		want       int
		ok         bool
	}{
		{name: "plain", stat: "7 (sh) S 3 7 7 0", want: 3, ok: true},
		{name: "odd command", stat: "7 (a) b) (c 9) R 12 7 7 0", want: 12, ok: true},
		{name: "garbage", stat: "garbage"},
		{name: "cut", stat: "7 (sh) S"},
	} {
		if got, ok := parentIn([]byte(c.stat)); got != c.want || ok != c.ok {
			t.Errorf("%s: %d, %t", c.name, got, ok)
		}
	}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	from := map[int]time.Duration{1: 5, 2: 100}
	to := map[int]time.Duration{1: 8, 3: 4} // 2 ended, 3 is new
	if got := spent(from, to); got != 7 {
		t.Errorf("got %d", got)
	}
}

func TestTreeLeavesOthersOut(t *testing.T) {
	t.Parallel()
	parents := map[int]int{1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 99}
	got := tree(parents, 2)
	slices.Sort(got)
	if !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("%v", got)
	}
}

func TestKilobytes(t *testing.T) {
	t.Parallel()
	const rollup = "5592-7ffe ---p 00000000 00:00 0    [rollup]\nRss:                1712 kB\nPss:                 303 kB\nPss_Dirty:           108 kB\n"
	if got := kilobytes([]byte(rollup), "Pss:"); got != 303<<10 {
		t.Errorf("%d", got)
	}
	if got := kilobytes([]byte(rollup), "Swap:"); got != 0 {
		t.Errorf("%d", got)
	}
}

func TestBusyIn(t *testing.T) {
	t.Parallel()
	// Idle, iowait and what the hypervisor stole are no work of this machine.
	if got := busyIn("cpu  1 2 4 1000 1000 8 16 1000 0 0\ncpu0 9 9 9\n"); got != 310*time.Millisecond {
		t.Errorf("%s", got)
	}
}
