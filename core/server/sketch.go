package server

import (
	"math"
	"slices"
	"time"
)

// sketch counts values by their size, so that it can tell percentiles of the
// last minutes. Buckets are those of an HDR histogram: each power of two is
// parted into equal ones, so that finding one takes a shift. A figure is off by
// at most [sketchError] of itself, and the counts are exact.
//
// It keeps two terms of statsWindow, the present and the last, and is not safe
// for use by many goroutines.
type sketch struct {
	present, last counts
	begun         time.Time // of the present term
}

// counts of one term; the buckets are made with the first value.
type counts struct {
	buckets  []uint32
	n        uint64
	min, max float64 // exact
}

const (
	// statsWindow is how long a term is: figures are of the last one to two.
	statsWindow = 10 * time.Minute

	partBits = 5 // 32 parts to a power of two
	parts    = 1 << partBits
	// Values below 2^lowest and from 2^highest on are counted as these: from
	// 61 us to 36 h in seconds.
	lowest, highest = -14, 17

	// sketchError is the largest error of a percentile, as a part of it: half a
	// bucket.
	sketchError = 1.0 / (2 * parts)
)

// bucketOf is where a value is counted.
func bucketOf(v float64) int {
	const shift = 52 - partBits
	const first = (1023 + lowest) << partBits
	i := int(math.Float64bits(max(v, 0))>>shift) - first
	return min(max(i, 0), (highest-lowest)*parts-1)
}

// middleOf a bucket.
func middleOf(i int) float64 {
	whole, part := i/parts, i%parts
	return math.Ldexp(1+(float64(part)+.5)/parts, lowest+whole)
}

// turn begins a new term where the present one is over.
func (s *sketch) turn(now time.Time) {
	switch over := now.Sub(s.begun); {
	case over < statsWindow:
		return
	case over < 2*statsWindow:
		s.present, s.last = s.last, s.present
		s.begun = s.begun.Add(statsWindow)
	default:
		s.last.clear()
		s.begun = now
	}
	s.present.clear()
}

func (c *counts) clear() {
	clear(c.buckets)
	c.n = 0
}

// add takes a value in.
func (s *sketch) add(now time.Time, v float64) {
	s.turn(now)
	c := &s.present
	if c.buckets == nil {
		c.buckets = make([]uint32, (highest-lowest)*parts)
	}
	c.buckets[bucketOf(v)]++
	if c.n == 0 {
		c.min, c.max = v, v
	}
	c.n++
	c.min, c.max = min(c.min, v), max(c.max, v)
}

// tally is what several sketches count together.
type tally struct{ counts }

// take adds what a sketch counts at a time.
func (t *tally) take(s *sketch, now time.Time) {
	s.turn(now)
	for _, c := range []*counts{&s.last, &s.present} {
		if c.n == 0 {
			continue
		}
		t.merge(c)
	}
}

func (t *tally) merge(c *counts) {
	if c.n == 0 {
		return
	}
	if t.n == 0 {
		t.buckets, t.min, t.max = slices.Clone(c.buckets), c.min, c.max
		t.n = c.n
		return
	}
	for i, n := range c.buckets {
		t.buckets[i] += n
	}
	t.n += c.n
	t.min, t.max = min(t.min, c.min), max(t.max, c.max)
}

// Percentiles of what was measured in the last 10 to 20 minutes: the smallest
// value that as many per cent do not exceed. They are off by at most 1.6 % of
// themselves; Count and Max are exact.
type Percentiles struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// percentiles is nil where nothing was counted.
func (t *tally) percentiles() *Percentiles {
	if t.n == 0 {
		return nil
	}
	return &Percentiles{Count: t.n, P50: t.at(50), P90: t.at(90), P95: t.at(95), P99: t.at(99), Max: t.max}
}

// at is a percentile, by its nearest rank.
func (t *tally) at(percent uint64) float64 {
	rank := max(1, (t.n*percent+99)/100)
	seen := uint64(0)
	for i, n := range t.buckets {
		if seen += uint64(n); seen >= rank {
			return min(max(middleOf(i), t.min), t.max)
		}
	}
	return t.max
}
