package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// faultsHCL has every kind of plugin at work on each request, or behind it.
const faultsHCL = routerHCL + `
plugin "guard" "regex" {
  config {
    deny "never" { pattern = "what nobody says" }
  }
}
observe "log" { run = plugin.observer.jsonl }
pipeline "default" {
  step "health"   { run = plugin.prober.models }
  step "patterns" { run = plugin.guard.regex }
  step "answers" {
    run = plugin.cache.local
    ttl = "1m"
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`

// victims are one plugin of each kind.
var victims = []string{
	"selector.smart", "prechecker.race", "prober.models", "cache.local", "adapter.openai", "guard.regex", "observer.jsonl",
}

const (
	faultRate = 1000 // requests a second
	// before a fault, and after it, requests are measured.
	before, after = 2 * time.Second, 4 * time.Second
	// first is the part after a fault that may be slow, and slow by how much.
	first, slower = time.Second, 250 * time.Millisecond
	// replacedWithin is the most that a replacement may take, and that what a
	// killed router leaves may live on.
	replacedWithin = 2 * time.Second
	look           = 20 * time.Millisecond // between two looks at a process
)

// faults kills and stops each plugin under load, then kills the router, and
// reports. The counts are promises, so the error is about these; times are only
// shown.
func faults(ctx context.Context, out io.Writer) error {
	mock, err := startRole(ctx, "upstream")
	if err != nil {
		return err
	}
	defer mock.stop()
	folder, err := os.MkdirTemp("", "smartrouter-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	hcl := fmt.Sprintf(faultsHCL, "http://"+mock.said[0])
	r, err := startRouter(ctx, options.smartrouter, folder, hcl)
	if err != nil {
		return err
	}
	defer func() { r.part.stop() }()

	fmt.Fprintf(out, "%s, %d CPUs, load average %s, %d requests a second of 1 KB\n\n", runtime.Version(), runtime.NumCPU(), loadAverage(), faultRate)
	fmt.Fprintln(out, "| fault | requests | lost | p99 before | p99 in the second after | p99 then | longest | over p99 + 250 ms for | replaced after |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	s := &steady{target: target{name: us, addr: r.addr}, load: load{body: 1 << 10}, rate: faultRate}
	defer s.hangUp()
	if _, err := s.run(ctx, before); err != nil { // to warm up
		return err
	}
	var broken []error
	for _, fault := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		for _, victim := range victims {
			broken = append(broken, injure(ctx, r, s, victim, fault, out))
		}
	}
	again, err := killRouter(ctx, r, folder, hcl, out)
	if again != nil {
		r = again
	}
	return errors.Join(append(broken, err)...)
}

// injure sends a signal to a plugin under load, and prints a row.
func injure(ctx context.Context, r *router, s *steady, victim string, signal syscall.Signal, out io.Writer) error {
	was, err := r.plugin(ctx, "plugin."+victim)
	if err != nil {
		return err
	}
	type end struct {
		took time.Duration
		err  error
	}
	replaced := make(chan end, 1)
	go func() {
		err := sleep(ctx, before)
		if err == nil {
			err = syscall.Kill(was.PID, signal)
		}
		began := time.Now()
		for err == nil {
			var now pluginStatus
			if now, err = r.plugin(ctx, was.Address); err == nil && now.PID != was.PID && now.State == "ready" {
				break
			}
			if time.Since(began) > after {
				err = fmt.Errorf("not replaced after %s", after)
			}
			_ = sleep(ctx, look)
		}
		replaced <- end{time.Since(began), err}
	}()
	shots, err := s.run(ctx, before+after)
	e := <-replaced
	if err = errors.Join(err, e.err); err != nil {
		return fmt.Errorf("%s %s: %w", signalName(signal), victim, err)
	}
	n, why := lost(shots)
	usual := p99Of(shots, 0, before)
	longest := time.Duration(0)
	for _, x := range shots {
		if x.due >= before {
			longest = max(longest, x.took)
		}
	}
	fmt.Fprintf(out, "| %s %s | %d | %d | %s | %s | %s | %s | %s | %s |\n", signalName(signal), victim, len(shots), n, inMS(usual),
		inMS(p99Of(shots, before, before+first)), inMS(p99Of(shots, before+first, before+after)), inMS(longest),
		inMS(slowFor(shots, before, usual+slower)), inMS(e.took))
	switch {
	case n > 0:
		return fmt.Errorf("%s %s: %d requests were lost, the first: %w", signalName(signal), victim, n, why)
	case e.took > replacedWithin:
		return fmt.Errorf("%s %s: it was replaced after %s", signalName(signal), victim, e.took)
	}
	return nil
}

// killRouter kills the router, sees what is left of it, and starts another one.
func killRouter(ctx context.Context, r *router, folder, hcl string, out io.Writer) (again *router, err error) {
	parents, err := processes()
	if err != nil {
		return nil, err
	}
	pids := tree(parents, r.part.cmd.Process.Pid)
	began := time.Now()
	if err := r.part.cmd.Process.Kill(); err != nil {
		return nil, err
	}
	left := len(pids)
	for left > 0 && time.Since(began) < replacedWithin {
		if err := sleep(ctx, look/10); err != nil {
			return nil, err
		}
		left = 0
		for _, pid := range pids {
			if running(pid) {
				left++
			}
		}
	}
	gone := time.Since(began)
	r.part.stop() // its leader may have ended before its last thread
	began = time.Now()
	if again, err = startRouter(ctx, options.smartrouter, folder, hcl); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "\nkill -9 of the router: of its %d processes %d are left after %s; the next one is ready after %s\n",
		len(pids), left, inMS(gone), inMS(time.Since(began)))
	if left > 0 {
		err = fmt.Errorf("%d processes outlive the router", left)
	}
	return again, err
}

func signalName(s syscall.Signal) string {
	if s == syscall.SIGKILL {
		return "kill -9"
	}
	return "SIGSTOP"
}

func inMS(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// loadAverage is that of the machine over the last minute, with all that others
// do on it.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
