// Command seed measures what the design note of the router's predecessor
// claimed and never measured: what each mechanism gains against the naive way
// to do the same, both in one run.
//
//	go run ./core/bench/seed -smartrouter bin/smartrouter
//
// Upstreams are simulated: HTTPS with HTTP/2, a network round trip away (50 ms
// by default, also for the handshakes), and their models think for as long
// before their first word. The naive ways are written out in this program; ours
// go through the router's binary as it is, plugins included. Where a row is
// about one mechanism, the naive way has all the others, such as a pool.
//
// Map: measure.go has the rows of the table, naive.go the naive ways and the
// client, upstream.go the simulated providers, lag.go the distance to them,
// router.go the router under test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// options of a run; these are the defaults.
var options = struct {
	smartrouter string
	trip        time.Duration
	requests    int
}{smartrouter: "bin/smartrouter", trip: 50 * time.Millisecond, requests: 8}

func main() {
	flag.StringVar(&options.smartrouter, "smartrouter", options.smartrouter, "the router's `binary`")
	flag.DurationVar(&options.trip, "trip", options.trip, "round trip to the upstreams, which is also how long their models think")
	flag.IntVar(&options.requests, "n", options.requests, "requests of each measurement")
	flag.Parse()
	if options.requests < 2 || options.trip <= 0 || flag.NArg() > 0 {
		exit(errors.New("needs at least two requests and some round trip, and no arguments"))
	}
	// Children die with the thread that started them (Pdeathsig): this one
	// lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures row by row, and prints each when it is known.
func run(ctx context.Context, out io.Writer) error {
	w, err := newWorld(options.trip, options.requests)
	if err != nil {
		return err
	}
	b := &bench{ctx: ctx, binary: options.smartrouter, world: w, n: options.requests}
	began := time.Now()
	fmt.Fprintf(out, "%s, %d CPUs, upstreams %s away, means of %d requests\n\n", runtime.Version(), runtime.NumCPU(), options.trip, b.n)
	fmt.Fprintln(out, "| mechanism | what is measured | naive | ours | gain | claimed | naive, then ours |")
	fmt.Fprintln(out, "|---|---|---:|---:|---:|---:|---|")
	for _, measure := range measurements {
		r, err := measure(b)
		b.clear()
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %.0f %% | %s | %s |\n",
			r.name, r.what, milliseconds(r.naive), milliseconds(r.ours), r.gain(), r.claim, r.beside)
	}
	fmt.Fprintf(out, "\nMeasured in %s.\n", time.Since(began).Round(time.Second))
	return nil
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
