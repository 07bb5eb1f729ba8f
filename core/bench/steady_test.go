package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Requests are sent when they are due, and all are counted.
func TestSteadyLoad(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serveUpstream(l)
	s := &steady{target: target{addr: l.Addr().String()}, load: load{body: 1 << 10}, rate: 200}
	defer s.hangUp()
	shots, err := s.run(t.Context(), 500*time.Millisecond)
	if err != nil || len(shots) != 100 {
		t.Fatalf("%d requests, %v", len(shots), err)
	}
	if n, why := lost(shots); n > 0 {
		t.Errorf("%d are lost: %v", n, why)
	}
	for i, x := range shots {
		if x.due != time.Duration(i)*5*time.Millisecond || x.took <= 0 {
			t.Errorf("request %d was due at %s and took %s", i, x.due, x.took)
		}
	}
	l.Close()
	dead := &steady{target: target{addr: l.Addr().String()}, load: load{body: 1 << 10}, rate: 200}
	shots, err = dead.run(t.Context(), 50*time.Millisecond)
	if n, why := lost(shots); err != nil || n != 10 || why == nil {
		t.Errorf("where nobody listens %d are lost: %v, %v", n, why, err)
	}
}

func TestFiguresAroundAFault(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	shots := []shot{
		{due: 0, took: 1 * ms}, {due: 10 * ms, took: 2 * ms},
		{due: 20 * ms, took: 300 * ms}, {due: 30 * ms, took: 290 * ms, err: errNotHTTP}, {due: 40 * ms, took: 3 * ms},
	}
	if got := p99Of(shots, 0, 20*ms); got != 2*ms {
		t.Errorf("before: %s", got)
	}
	if got := p99Of(shots, 20*ms, time.Second); got != 300*ms {
		t.Errorf("after: %s", got)
	}
	if got := slowFor(shots, 20*ms, 250*ms); got != 10*ms {
		t.Errorf("slow for %s", got)
	}
	if n, err := lost(shots); n != 1 || !errors.Is(err, errNotHTTP) {
		t.Errorf("%d lost, %v", n, err)
	}
}

// A process that has ended and that nobody has waited for does not run.
func TestZombiesDoNotRun(t *testing.T) {
	t.Parallel()
	if !running(os.Getpid()) {
		t.Error("we don't run")
	}
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); running(cmd.Process.Pid); {
		if time.Now().After(end) {
			t.Fatal("it runs for ever")
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
