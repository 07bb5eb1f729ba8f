package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// BenchmarkLeaseHit is the common request: a leased plan over three targets.
func BenchmarkLeaseHit(b *testing.B) {
	r := newRig("a", "b", "c")
	r.up("a", "b", "c")
	r.selector = always(r.tiers(b, []string{"a", "b"}, []string{"c"}))
	r.manifest.Reads = []sdk.Fact{sdk.FactModel, sdk.FactEndpoint, sdk.FactTokens, sdk.FactTools, sdk.FactKey}
	step := chooseStep()
	step.Fresh = time.Hour
	p := r.pipeline(b, step)
	q := request()
	q.Facts.Key, q.Facts.Tokens, q.Facts.Tools = "team-a", 900, true
	if v := p.Run(context.Background(), q); v.Reject != nil {
		b.Fatal(v.Reject)
	}
	c := p.steps[0].(*choose)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		set := r.board.View().Resolve(q.Facts.Model, nil)
		l, f, _ := c.leases.get(choiceKey{set: set, facts: c.reads.keyOf(q)}, q.Start)
		if f != fresh {
			b.Fatal("no hit")
		}
		w := Walk{plan: l.value}
		if _, _, ok := w.Next(q.Start); !ok {
			b.Fatal("no target")
		}
	}
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
	for b.Loop() {
		v := p.Run(ctx, q)
		if _, _, ok := v.Walk.Next(q.Start); !ok {
			b.Fatal("no target")
		}
	}
}
