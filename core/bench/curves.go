package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// curves are how costs grow with something, as they are recorded.
type curves struct {
	Go     string  `json:"go"`
	CPUs   int     `json:"cpus"`
	Taken  string  `json:"taken"` // the day
	Curves []curve `json:"curves"`
}

// curve is one of them.
type curve struct {
	Name   string   `json:"name"` // of its plot
	Grows  string   `json:"grows"`
	Unit   string   `json:"unit"` // what time and CPU refer to
	Series []series `json:"series"`
}

// series is a curve of one target.
type series struct {
	Target string  `json:"target"`
	Points []point `json:"points"`
}

// point is what one run measured.
type point struct {
	At     float64 `json:"at"` // of what grows
	Micros float64 `json:"p50_us"`
	CPU    float64 `json:"cpu_us"`
	MiB    float64 `json:"pss_mib"` // of the whole process tree
	Ready  float64 `json:"ready_ms,omitempty"`
	Broken int64   `json:"broken,omitempty"` // streams
}

// What grows, and how far.
var (
	channelCounts = []int{1, 10, 100, 1000}
	modelCounts   = []int{1, 10, 100, 1000, 10000}
	streamCounts  = []int{1, 10, 100, 1000, 5000}
	bodySizes     = []int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} // bytes
)

// sweep measures all curves.
func sweep(ctx context.Context, progress io.Writer) (*curves, error) {
	all := newCurves()
	mock, err := startRole(ctx, "upstream")
	if err != nil {
		return all, err
	}
	defer mock.stop()
	proxy, err := startRole(ctx, "floor", "http", mock.said[0])
	if err != nil {
		return all, err
	}
	defer proxy.stop()
	folder, err := os.MkdirTemp("", "smartrouter-bench-")
	if err != nil {
		return all, err
	}
	defer os.RemoveAll(folder)
	s := &sweeper{progress: progress, folder: folder, mock: mock.said[0], floor: target{name: floor, addr: proxy.said[0], pid: proxy.cmd.Process.Pid}}
	for _, measure := range []func(context.Context) (curve, error){s.channels, s.models, s.bodies, s.streams} {
		c, err := measure(ctx)
		if err != nil {
			return all, err
		}
		all.Curves = append(all.Curves, c)
	}
	return all, nil
}

// sweeper has what all curves need.
type sweeper struct {
	progress     io.Writer
	folder, mock string
	floor        target
	routers      int
}

// router starts one with these channels, and tells how long that took. It is
// started twice: what the first one has found out, of all channels, is there for the
// second.
func (s *sweeper) router(ctx context.Context, channels string) (target, time.Duration, error) {
	s.routers++
	folder, hcl := filepath.Join(s.folder, strconv.Itoa(s.routers)), fmt.Sprintf(providerHCL, "http://"+s.mock)+channels
	for again := false; ; again = true {
		begun := time.Now()
		r, err := startRouter(ctx, options.smartrouter, folder, hcl)
		if err != nil {
			return target{}, 0, err
		}
		t := target{name: us, addr: r.addr, pid: r.part.cmd.Process.Pid, router: r}
		took := time.Since(begun)
		if again {
			return t, took, nil
		}
		err = probe(t, load{clients: 1, body: 1 << 10})
		if err == nil {
			err = settle(ctx, t)
		}
		if err != nil {
			r.part.stop()
			return t, took, err
		}
		r.part.stop()
	}
}

// grow measures one load with routers whose configurations grow.
func (s *sweeper) grow(ctx context.Context, c curve, counts []int, channels func(n int) string, model func(n int) int) (curve, error) {
	of := series{Target: us}
	for _, n := range counts {
		t, ready, err := s.router(ctx, channels(n))
		if err != nil {
			return c, fmt.Errorf("%s %d: %w", c.Name, n, err)
		}
		p, err := s.point(ctx, t, load{Name: c.Name, clients: 16, body: 1 << 10, model: model(n)}, n)
		t.router.part.stop()
		if err != nil {
			return c, err
		}
		p.Ready = float64(ready.Microseconds()) / 1e3
		of.Points = append(of.Points, p)
	}
	c.Series = []series{of}
	return c, nil
}

func (s *sweeper) point(ctx context.Context, t target, l load, at int) (point, error) {
	fmt.Fprintf(s.progress, "%s: %s, %d\n", l.Name, t.name, at)
	if err := probe(t, l); err != nil {
		return point{}, fmt.Errorf("%s, %s, %d: %w", l.Name, t.name, at, err)
	}
	if err := settle(ctx, t); err != nil {
		return point{}, err
	}
	var p50s, cpus, sizes []float64
	for range options.rounds {
		m, err := measure(ctx, t, l, options.warmup, options.duration)
		if err == nil && m.Errors > 0 {
			err = fmt.Errorf("%s, %s, %d: %d errors: %s", l.Name, t.name, at, m.Errors, m.Error)
		}
		if err != nil {
			return point{}, err
		}
		p50s, cpus, sizes = append(p50s, m.P50), append(cpus, m.CPU), append(sizes, float64(m.PSS)/(1<<20))
	}
	return point{At: float64(at), Micros: median(p50s), CPU: median(cpus), MiB: median(sizes)}, nil
}

const (
	// A target has settled once it needs less than a part of a CPU: a router
	// that was just started probes its channels.
	settled      = .05
	settleLook   = 300 * time.Millisecond
	settleWithin = time.Minute
)

// settle waits for a target to have nothing to do.
func settle(ctx context.Context, t target) error {
	for late := time.Now().Add(settleWithin); ; {
		_, ours, err := trees(t.pid)
		if err != nil {
			return err
		}
		before := cpuTimes(ours)
		if err := sleep(ctx, settleLook); err != nil {
			return err
		}
		if spent(before, cpuTimes(ours)).Seconds() < settled*settleLook.Seconds() {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("%s is still busy after %s", t.name, settleWithin)
		}
	}
}

func (s *sweeper) channels(ctx context.Context) (curve, error) {
	return s.grow(ctx, curve{Name: "channels", Grows: "channels that have the model", Unit: "request"}, channelCounts,
		func(n int) string { return channelsHCL(n, 1) }, func(int) int { return 0 })
}

func (s *sweeper) models(ctx context.Context) (curve, error) {
	return s.grow(ctx, curve{Name: "models", Grows: "models of one channel", Unit: "request"}, modelCounts,
		func(n int) string { return channelsHCL(1, n) }, func(n int) int { return n - 1 })
}

func (s *sweeper) bodies(ctx context.Context) (curve, error) {
	c := curve{Name: "body", Grows: "bytes of a request's body", Unit: "request"}
	t, _, err := s.router(ctx, oneChannel)
	if err != nil {
		return c, err
	}
	defer t.router.part.stop()
	for _, t := range []target{s.floor, t} {
		of := series{Target: t.name}
		for _, n := range bodySizes {
			p, err := s.point(ctx, t, load{Name: c.Name, clients: 8, body: n}, n)
			if err != nil {
				return c, err
			}
			of.Points = append(of.Points, p)
		}
		c.Series = append(c.Series, of)
	}
	return c, nil
}

func (s *sweeper) streams(ctx context.Context) (curve, error) {
	c := curve{Name: "streams", Grows: "open streams, each with an event a second", Unit: "event"}
	for _, name := range []string{floor, us} {
		of := series{Target: name}
		for _, n := range streamCounts {
			t := s.floor
			if name == us {
				var err error
				if t, _, err = s.router(ctx, wideChannel); err != nil {
					return c, err
				}
			}
			p, err := s.openStreams(ctx, t, n)
			if t.router != nil {
				t.router.part.stop()
			}
			if err != nil {
				return c, err
			}
			of.Points = append(of.Points, p)
		}
		c.Series = append(c.Series, of)
	}
	return c, nil
}

// streamsFor is how long open streams are measured: some events of each.
const streamsFor = 3 * time.Second

// openStreams opens so many slow streams and measures what they cost.
func (s *sweeper) openStreams(ctx context.Context, t target, n int) (p point, err error) {
	fmt.Fprintf(s.progress, "streams: %s, %d\n", t.name, n)
	if err := probe(t, load{body: 1 << 10}); err != nil {
		return p, err
	}
	if err := settle(ctx, t); err != nil {
		return p, err
	}
	var (
		events, broken atomic.Int64
		over           atomic.Bool
		readers        sync.WaitGroup
		last           = time.Now().Add(time.Minute)
		all            = make([]*client, n)
		first          = make([]time.Duration, n)
	)
	defer readers.Wait()
	defer func() {
		for _, c := range all {
			if c != nil {
				c.hangUp()
			}
		}
	}()
	for i := range all {
		c := newClient(t, load{Stream: true, slow: true, body: 1 << 10}, i+1, last)
		all[i] = c
		begun := time.Now()
		if err := c.open(); err != nil {
			return p, fmt.Errorf("stream %d of %d: %w", i+1, n, err)
		}
		first[i] = time.Since(begun)
	}
	for _, c := range all {
		conn := c.conn
		readers.Go(func() {
			buf := make([]byte, 1<<10)
			for {
				if _, err := conn.Read(buf); err != nil {
					if !over.Load() {
						broken.Add(1)
					}
					return
				}
				events.Add(1)
			}
		})
	}
	var phase atomic.Int32
	w, err := watch(ctx, t, options.warmup, streamsFor, &phase)
	got := events.Load()
	over.Store(true)
	// ReverseProxy breaks some; we may not.
	if err == nil && (t.router != nil && broken.Load() > 0 || got == 0) {
		err = fmt.Errorf("%d streams through %s: %d broke, %d events", n, t.name, broken.Load(), got)
	}
	p = point{At: float64(n), Broken: broken.Load(), Micros: float64(middleOf(first).Microseconds()), MiB: float64(w.pss) / (1 << 20)}
	if got > 0 {
		p.CPU = micros(w.cpu) / float64(got) * float64(options.warmup+streamsFor) / float64(streamsFor)
	}
	return p, err
}

// record writes the curves to a file.
func (c *curves) record(file string) error {
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func readCurves(file string) (*curves, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var c curves
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &c, nil
}
