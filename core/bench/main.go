// Command bench measures what smartrouter adds to a request, beside what a bare
// httputil.ReverseProxy adds to it in the same run. Linux only: costs are read
// from /proc and from the CPU clocks of whole process trees.
//
//	go run ./core/bench -smartrouter bin/smartrouter
//
// Every part is a process of its own, on loopback:
//
//	clients ──► mock upstream                          direct
//	        ├─► ReverseProxy ──► mock upstream         floor
//	        └─► smartrouter + plugins ──► mock upstream
//
// Rounds are interleaved, so that all targets see the same machine. Ratios and
// differences are taken within a round; the table has their medians. All parts
// share the CPUs: requests a second are what is left after clients and mock took
// their share, and CPU time per request is the steadier figure.
//
// With -faults it shows instead what it costs when plugins are killed and stopped
// at 1,000 requests a second.
//
// With -record it measures how costs grow with channels, models, streams and
// bodies, and with -draw it draws that into docs/performance.md.
//
// Map: parts.go starts processes, roles.go is what they do, secure.go an upstream
// by TLS, router.go is the router under test, load.go and client.go put load on a
// target, proc.go reads what that cost, report.go prints it; faults.go is the other
// bench, steady.go its load; curves.go measures what grows, plot.go draws it and
// page.go writes it down.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options of a bench; these are the defaults.
var options = struct {
	smartrouter string
	rounds      int
	duration    time.Duration // measured, of one run
	warmup      time.Duration // before it
	clients     string
	json        string
	record      string
	draw        string
	faults      bool
}{
	smartrouter: "bin/smartrouter", rounds: 3, duration: 1400 * time.Millisecond, warmup: 300 * time.Millisecond, clients: "1,16,128",
}

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], rolePrefix) {
		exit(play(os.Args[1], os.Args[2:]))
	}
	flag.StringVar(&options.smartrouter, "smartrouter", options.smartrouter, "the router's `binary`; \"\" measures the floor alone")
	flag.IntVar(&options.rounds, "rounds", options.rounds, "rounds to take medians of")
	flag.DurationVar(&options.duration, "duration", options.duration, "measured time of each run; there are 24 to a round")
	flag.StringVar(&options.clients, "c", options.clients, "numbers of clients that send 1 KB bodies")
	flag.StringVar(&options.json, "json", "", "also write every figure of every run to this `file`")
	flag.BoolVar(&options.faults, "faults", false, "instead kill and stop each kind of plugin under load, and kill the router")
	flag.StringVar(&options.record, "record", "", "instead measure how costs grow, and record it in this `file`")
	flag.StringVar(&options.draw, "draw", "", "instead draw what is recorded into the pages of this docs `folder`")
	flag.Parse()
	loads, err := loads(options.clients)
	if err == nil && (options.rounds < 1 || options.duration <= 0 || flag.NArg() > 0) {
		err = errors.New("needs at least one round of some duration, and no arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	// Children die with the thread that started them (Pdeathsig): this one
	// lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if options.draw != "" {
		exit(drawPage(options.draw))
	}
	if options.record != "" {
		c, err := sweep(ctx, os.Stderr)
		exit(errors.Join(err, c.record(options.record))) // what there is, even if it is not all
	}
	if options.faults {
		exit(faults(ctx, os.Stdout))
	}
	exit(run(ctx, loads, os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// loads lists what is measured, for a list of numbers of clients.
func loads(clients string) ([]load, error) {
	const kilobyte = 1 << 10
	var all []load
	for _, text := range strings.Split(clients, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-c: %q is no number of clients", text)
		}
		all = append(all, load{Name: fmt.Sprintf("1 KB, c%d", n), clients: n, body: kilobyte})
	}
	return append(all,
		load{Name: "256 KB, c8", clients: 8, body: 256 * kilobyte},
		load{Name: fmt.Sprintf("streams of %d chunks, c16", chunks), clients: 16, body: kilobyte, Stream: true},
		load{Name: "1 KB, all equal, c16", clients: 16, body: kilobyte, same: true, of: []string{us, cached}},
		load{Name: "1 KB, by TLS, c16", clients: 16, body: kilobyte, of: []string{secureFloor, secureUs, secureHTTP1}},
		load{Name: "1 KB, c8", clients: 8, body: kilobyte, of: []string{us, leaseless}},
		load{Name: "1 KB, c16", clients: 16, body: kilobyte, of: []string{us, leaseless}},
	), nil
}

// run starts all parts, measures round after round, and reports.
func run(ctx context.Context, loads []load, out, progress io.Writer) error {
	targets, stop, err := start(ctx)
	defer stop()
	if err != nil {
		return err
	}
	for _, t := range targets {
		for _, l := range loads {
			if !l.on(t.name) {
				continue
			}
			if err := probe(t, l); err != nil {
				return fmt.Errorf("%s does not answer (%s): %w", t.name, l.Name, err)
			}
		}
	}
	rep := newReport(loads, targets)
	for round := range options.rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, options.rounds)
		for i, l := range loads {
			for k := range targets {
				n := (k + round + i) % len(targets) // nobody always follows the same one
				if !l.on(targets[n].name) {
					continue
				}
				s, err := measure(ctx, targets[n], l, options.warmup, options.duration)
				if err != nil {
					return err
				}
				rep.Runs[i].Samples[targets[n].name] = append(rep.Runs[i].Samples[targets[n].name], s)
			}
		}
	}
	rep.print(out)
	if options.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(options.json, append(text, '\n'), 0o644)
}
