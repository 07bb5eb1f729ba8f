package server

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// exact is a percentile by its nearest rank of values in order.
func exact(sorted []float64, percent int) float64 {
	return sorted[max(1, (len(sorted)*percent+99)/100)-1]
}

func TestPercentilesAreWithinTheirError(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		name string
		n    int
		draw func() float64
	}{
		{name: "one", n: 1, draw: func() float64 { return .25 }},
		{name: "two", n: 2, draw: random.Float64},
		{name: "even", n: 10_000, draw: func() float64 { return .001 + random.Float64() }},
		{name: "over many sizes", n: 10_000, draw: func() float64 { return math.Exp2(random.Float64()*30 - 13.9) }},
		{name: "a few slow ones", n: 1000, draw: func() float64 {
			if random.IntN(50) == 0 {
				return 30 + random.Float64()
			}
			return .02 + random.Float64()/100
		}},
		{name: "powers of two", n: 1000, draw: func() float64 { return math.Ldexp(1, random.IntN(20)-10) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a, b sketch // counted apart, and put together
			now := time.Now()
			values := make([]float64, test.n)
			for i := range values {
				values[i] = test.draw()
				if i%3 == 0 {
					a.add(now, values[i])
				} else {
					b.add(now, values[i])
				}
			}
			slices.Sort(values)
			var all tally
			all.take(&a, now)
			all.take(&b, now)
			p := all.percentiles()
			if p.Count != uint64(test.n) || p.Max != values[test.n-1] {
				t.Errorf("count %d, max %g; want %d, %g", p.Count, p.Max, test.n, values[test.n-1])
			}
			for percent, got := range map[int]float64{50: p.P50, 90: p.P90, 95: p.P95, 99: p.P99} {
				if want := exact(values, percent); math.Abs(got-want) > want*sketchError {
					t.Errorf("p%d is %g, and should be %g", percent, got, want)
				}
			}
		})
	}
}

func TestSketchTakesAnyValue(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{0, -1, 1e-9, 1e9, math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64} {
		var s sketch
		var all tally
		s.add(time.Now(), v)
		all.take(&s, time.Now())
		if p := all.percentiles(); p.Count != 1 || p.P50 != v {
			t.Errorf("of %g it makes %+v", v, p)
		}
	}
}

func TestSketchForgetsAfterTwoTerms(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for _, test := range []struct {
		name string
		at   []time.Duration
		look time.Duration
		want uint64
	}{
		{name: "one term", at: []time.Duration{0, statsWindow - 1}, look: statsWindow - 1, want: 2},
		{name: "the last term still counts", at: []time.Duration{0, statsWindow}, look: 2*statsWindow - 1, want: 2},
		{name: "the one before does not", at: []time.Duration{0, statsWindow}, look: 2 * statsWindow, want: 1},
		{name: "after a pause nothing does", at: []time.Duration{0}, look: 5 * statsWindow, want: 0},
		{name: "after a pause it goes on", at: []time.Duration{0, 5 * statsWindow}, look: 5 * statsWindow, want: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s sketch
			for _, at := range test.at {
				s.add(begun.Add(at), 1)
			}
			var all tally
			all.take(&s, begun.Add(test.look))
			if all.n != test.want {
				t.Errorf("%d are counted, want %d", all.n, test.want)
			}
		})
	}
}

func BenchmarkSketch(b *testing.B) {
	var s sketch
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.add(now, .123)
	}
}
