package server

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/core/upstream"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/sdk"
)

func metricsAlone() *Metrics { return NewMetrics(func() *State { return nil }) }

func target(channel, model string, prices ...config.Price) *board.Target {
	c := &config.Channel{Name: channel, Prices: prices}
	return &board.Target{Model: model, Upstream: model, Price: c.Price(model), Channel: &board.Channel{Config: c}}
}

// answer is an outcome of a target that answered at the first try.
func answerOf(t *board.Target, u wire.Usage) *upstream.Outcome {
	return &upstream.Outcome{
		Target: t, Attempts: []upstream.Attempt{{Target: t, Status: http.StatusOK}},
		Status: http.StatusOK, Committed: true, Complete: true, Usage: u,
		TTFT: 100 * time.Millisecond, Total: 1100 * time.Millisecond,
	}
}

func chat(f *upstream.Outcome) *answered {
	return &answered{endpoint: sdk.Chat, status: f.Status, took: 1200 * time.Millisecond, forward: f}
}

func near(got, want float64) bool { return math.Abs(got-want) <= want*sketchError+1e-9 }

func TestTokensAndCosts(t *testing.T) {
	t.Parallel()
	prices := []config.Price{{Model: "*", Input: 1, Output: 2}, {Model: "gpt", Input: 10, Output: 20}}
	used := wire.Usage{Input: 1000, Output: 101, Total: 1101, Cached: 400, Reasoning: 30}
	for _, test := range []struct {
		name   string
		model  string
		prices []config.Price
		usage  wire.Usage
		change func(*upstream.Outcome)
		want   PairStats
	}{
		{name: "its own price", model: "gpt", prices: prices, usage: used,
			want: PairStats{Tokens: Tokens{1000, 101, 400, 30}, Cost: .01202}},
		{name: "the price of all others", model: "llama", prices: prices, usage: used,
			want: PairStats{Tokens: Tokens{1000, 101, 400, 30}, Cost: .001202}},
		{name: "no price", model: "gpt", usage: used,
			want: PairStats{Tokens: Tokens{1000, 101, 400, 30}, Unpriced: 1}},
		{name: "no usage is not guessed", model: "gpt", prices: prices,
			want: PairStats{WithoutUsage: 1}},
		{name: "a refusal has none", model: "gpt", prices: prices,
			change: func(f *upstream.Outcome) { f.Status = http.StatusBadRequest },
			want:   PairStats{Failed: 1}},
		{name: "a rescued stream", model: "gpt", prices: prices, usage: used,
			change: func(f *upstream.Outcome) { f.Rescued = true },
			want:   PairStats{Tokens: Tokens{1000, 101, 400, 30}, Cost: .01202, Estimated: 1}},
		{name: "one that broke off", model: "gpt", prices: prices,
			change: func(f *upstream.Outcome) { f.Complete = false },
			want:   PairStats{Failed: 1, WithoutUsage: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := metricsAlone()
			f := answerOf(target("a", test.model, test.prices...), test.usage)
			if test.change != nil {
				test.change(f)
			}
			now := time.Now()
			m.record(now, chat(f))
			st := m.stats(now)
			got := st.Pairs[0]
			if d := got.Duration; d == nil || d.Count != 1 || !near(d.P50, 1.2) {
				t.Errorf("duration %+v", d)
			}
			if got.TTFT != nil || got.TokensPerSecond != nil {
				t.Error("a whole answer has no time to its first token, and no speed")
			}
			if math.Abs(got.Cost-test.want.Cost) > 1e-12 {
				t.Errorf("it cost %g, want %g", got.Cost, test.want.Cost)
			}
			got.Duration, got.Cost = nil, test.want.Cost
			test.want.Channel, test.want.Model, test.want.Requests, test.want.First = "a", test.model, 1, Rate{OK: 1}
			if got != test.want {
				t.Errorf("got\n%+v, want\n%+v", got, test.want)
			}
		})
	}
}

func TestStreamsHaveAFirstTokenAndASpeed(t *testing.T) {
	t.Parallel()
	m := metricsAlone()
	a := chat(answerOf(target("a", "gpt"), wire.Usage{Input: 10, Output: 101, Total: 111}))
	a.stream = true
	now := time.Now()
	a.forward.Begun = now.Add(-a.forward.Total)
	m.record(now, a)
	s := m.stats(now).Pairs[0]
	// 0.1 s of the call, and 0.1 s that went before it.
	if s.TTFT == nil || !near(s.TTFT.P99, .2) {
		t.Errorf("time to first token %+v", s.TTFT)
	}
	// 100 tokens after the first, in a second.
	if s.TokensPerSecond == nil || !near(s.TokensPerSecond.P50, 100) {
		t.Errorf("speed %+v", s.TokensPerSecond)
	}
}

func TestFirstTriesAndRetries(t *testing.T) {
	t.Parallel()
	a, b := target("a", "gpt"), target("b", "gpt")
	ok := func(t *board.Target) upstream.Attempt { return upstream.Attempt{Target: t, Status: 200} }
	bad := func(t *board.Target) upstream.Attempt {
		return upstream.Attempt{Target: t, Status: 503, Class: board.Upstream}
	}
	for _, test := range []struct {
		name     string
		attempts []upstream.Attempt
		failed   bool // in the end
		first    Rate
		retries  Rate
		recover  Rate
	}{
		{name: "at once", attempts: []upstream.Attempt{ok(a)}, first: Rate{OK: 1}},
		{name: "by another", attempts: []upstream.Attempt{bad(a), ok(b)}, first: Rate{Failed: 1}, retries: Rate{OK: 1}, recover: Rate{OK: 1}},
		{name: "by the third", attempts: []upstream.Attempt{bad(a), bad(b), ok(b)}, first: Rate{Failed: 1}, retries: Rate{OK: 1, Failed: 1}, recover: Rate{OK: 1}},
		{name: "by none", attempts: []upstream.Attempt{bad(a), bad(b)}, failed: true, first: Rate{Failed: 1}, retries: Rate{Failed: 1}, recover: Rate{Failed: 1}},
		{name: "a stale connection says nothing", attempts: []upstream.Attempt{{Target: a}, ok(a)}, first: Rate{OK: 1}},
		{name: "a renewed token says nothing", attempts: []upstream.Attempt{{Target: a, Status: 401}, ok(a)}, first: Rate{OK: 1}},
		{name: "the request was wrong", attempts: []upstream.Attempt{{Target: a, Status: 400}}, failed: true, first: Rate{OK: 1}},
		{name: "none", failed: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := metricsAlone()
			f := answerOf(b, wire.Usage{})
			f.Attempts = test.attempts
			if test.failed {
				f.Status, f.Complete, f.Committed = 503, false, false
			}
			m.record(time.Now(), chat(f))
			st := m.stats(time.Now())
			if st.Total.First != test.first || st.Total.Retries != test.retries || st.Recoveries != test.recover {
				t.Errorf("first %+v, retries %+v, made up for %+v", st.Total.First, st.Total.Retries, st.Recoveries)
			}
		})
	}
}

func TestQueueWait(t *testing.T) {
	t.Parallel()
	m := metricsAlone()
	for i := range 100 {
		m.Queued("a", time.Duration(i+1)*time.Millisecond, i%2 == 0)
	}
	if p := m.queueWait("a", time.Now()); p == nil || p.Count != 100 || !near(p.P50, .05) || !near(p.P99, .099) {
		t.Errorf("a: %+v", p)
	}
	if p := m.queueWait("b", time.Now()); p != nil {
		t.Errorf("b, where nobody waited: %+v", p)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := metricsAlone()
	const more = 50
	for i := range maxPairs + more {
		m.record(time.Now(), chat(answerOf(target("a", fmt.Sprintf("m%d", i)), wire.Usage{Input: 1, Output: 1, Total: 2})))
	}
	m.record(time.Now(), chat(&upstream.Outcome{Status: 503}))
	st := m.stats(time.Now())
	if len(st.Pairs) != maxPairs+2 || st.Total.Requests != maxPairs+more+1 || st.Total.Tokens.Input != maxPairs+more {
		t.Errorf("%d pairs of %d requests with %d tokens", len(st.Pairs), st.Total.Requests, st.Total.Tokens.Input)
	}
	if o := st.Pairs[0]; o.Channel != "a" || o.Model != otherModels || o.Requests != more {
		t.Errorf("the others are %+v", o)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); strings.HasPrefix(f.GetName(), "smartrouter_") && n > 2*(maxPairs+2)+2 && f.GetName() != "smartrouter_tries_total" {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
	}
}

// What requests count costs no allocation.
func TestRecordAllocatesNothing(t *testing.T) {
	m := metricsAlone()
	a := chat(answerOf(target("a", "gpt", config.Price{Model: "*", Input: 1}), wire.Usage{Input: 10, Output: 10, Total: 20}))
	a.stream, a.cache = true, "miss"
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { m.record(now, a) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	m := metricsAlone()
	a := chat(answerOf(target("a", "gpt"), wire.Usage{Input: 10, Output: 10, Total: 20}))
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.record(now, a)
		}
	})
}
