package lane_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// BenchmarkCall echoes 1 KB through a plugin process, by real unary and over the lane. Allocations are the host's;
// cpu-us/op is the CPU time of both processes; p50-us is one call's median latency.
func BenchmarkCall(b *testing.B) {
	for _, transport := range []struct {
		name, mode string
		lane       bool
	}{
		{name: "unary", mode: "goroutines"},
		{name: "lane", mode: "goroutines", lane: true},
		{name: "lane-inline", mode: "inline", lane: true},
	} {
		conn, _ := spawn(b, transport.mode)
		var cc grpc.ClientConnInterface = conn
		if transport.lane {
			cc = dial(b, conn, lane.Options{})
		}
		for _, callers := range []struct {
			name        string
			parallelism int // times GOMAXPROCS; 0 for one caller
		}{
			{name: "1", parallelism: 0},
			{name: "8", parallelism: 4},
			{name: "64", parallelism: 32},
		} {
			b.Run(transport.name+"/callers="+callers.name, func(b *testing.B) {
				benchmark(b, cc, callers.parallelism)
			})
		}
	}
}

func benchmark(b *testing.B, cc grpc.ClientConnInterface, parallelism int) {
	in := wrapperspb.Bytes(bytes.Repeat([]byte{'x'}, 1000))
	var mu sync.Mutex
	var took []time.Duration
	loop := func(next func() bool) {
		var mine []time.Duration
		var out wrapperspb.BytesValue
		for next() {
			t0 := time.Now()
			if err := invoke(context.Background(), cc, "Echo", in, &out); err != nil {
				b.Error(err)
				return
			}
			mine = append(mine, time.Since(t0))
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, mine...)
	}
	b.ReportAllocs()
	cpu := cpuBoth(b, cc)
	b.ResetTimer()
	if parallelism == 0 {
		n := 0
		loop(func() bool { n++; return n <= b.N })
	} else {
		b.SetParallelism(parallelism)
		b.RunParallel(func(pb *testing.PB) { loop(pb.Next) })
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuBoth(b, cc)-cpu)/float64(b.N), "cpu-us/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	if c, ok := cc.(*lane.Conn); ok {
		st := c.Stats()
		b.ReportMetric(float64(st.Calls)/float64(st.Frames), "calls/frame")
	}
}

func cpuBoth(b *testing.B, cc grpc.ClientConnInterface) int64 {
	b.Helper()
	var plugin wrapperspb.Int64Value
	if err := invoke(context.Background(), cc, "CPU", &emptypb.Empty{}, &plugin); err != nil {
		b.Fatal(err)
	}
	return cpuMicros() + plugin.GetValue()
}
