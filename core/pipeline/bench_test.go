package pipeline

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// leaseHit is the common request: a leased plan over three targets.
func leaseHit(tb testing.TB) (hit func()) {
	tb.Helper()
	r := newRig("a", "b", "c")
	r.up("a", "b", "c")
	r.selector = always(r.tiers(tb, []string{"a", "b"}, []string{"c"}))
	r.manifest.Reads = []sdk.Fact{sdk.FactModel, sdk.FactEndpoint, sdk.FactTokens, sdk.FactTools, sdk.FactKey}
	step := chooseStep()
	step.Fresh = time.Hour
	p := r.pipeline(tb, step)
	q := request()
	q.Facts.Key, q.Facts.Tokens, q.Facts.Tools = "team-a", 900, true
	if v := p.Run(context.Background(), q); v.Reject != nil {
		tb.Fatal(v.Reject)
	}
	c := p.steps[0].step.(*choose)
	return func() {
		set := r.board.View().Resolve(q.Facts.Model, nil)
		k := choiceKey{set: set}
		c.primary.reads.mask(&k.facts, q)
		l, f, _ := c.primary.leases.get(&k, q.Start)
		if f != fresh {
			tb.Fatal("no hit")
		}
		var w Walk
		w.begin(l.value, q)
		if _, _, ok := w.Next(q.Start); !ok {
			tb.Fatal("no target")
		}
	}
}

func BenchmarkLeaseHit(b *testing.B) {
	hit := leaseHit(b)
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		hit()
	}
}

// TestLeaseHitTakesNoMemory: a decision under a lease allocates nothing.
func TestLeaseHitTakesNoMemory(t *testing.T) {
	if n := testing.AllocsPerRun(1000, leaseHit(t)); n > 0 {
		t.Errorf("%v pieces of memory", n)
	}
}

// reportCPU adds what the benchmark took of the processor, which on a busy
// machine says more than the wall's clock.
func reportCPU(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	begin := used()
	return func() { b.ReportMetric(float64(used()-begin)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkRun is the same with the steps around it.
func BenchmarkRun(b *testing.B) {
	r := newRig("a", "b", "c")
	r.up("a", "b", "c")
	r.selector = always(r.tiers(b, []string{"a", "b"}, []string{"c"}))
	r.manifest.Reads = []sdk.Fact{sdk.FactModel, sdk.FactEndpoint, sdk.FactTokens, sdk.FactTools, sdk.FactKey}
	choose, answers := chooseStep(), answersStep()
	choose.Fresh, answers.TTL = time.Hour, 0
	p := r.pipeline(b, healthStep(), answers, choose, precheckStep(), callStep())
	q := request()
	ctx := context.Background()
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		v := p.Run(ctx, q)
		if _, _, ok := v.Walk.Next(q.Start); !ok {
			b.Fatal("no target")
		}
	}
}
