package cachetest

import (
	"math"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func (s *suite) add(key string, delta int64, ttl time.Duration) int64 {
	s.Helper()
	v, err := s.c.Add(s.ctx, "ns", key, delta, ttl)
	if err != nil {
		s.Fatal(err)
	}
	return v
}

func (s *suite) addCounts() {
	for i, step := range []struct{ delta, want int64 }{{5, 5}, {-7, -2}, {0, -2}, {math.MaxInt64, math.MaxInt64 - 2}} {
		if got := s.add("k", step.delta, long); got != step.want {
			s.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	// A counter is an entry of decimal text, both ways.
	s.want("ns", "k", "9223372036854775805")
	s.put(entry("ns", "k", "41"))
	if got := s.add("k", 1, long); got != 42 {
		s.Errorf("got %d, want 42", got)
	}
}

func (s *suite) addKeepsExpiry() {
	begun := time.Now()
	s.add("k", 1, long)
	s.add("k", 1, 10*long)
	e, ok, err := s.c.Get(s.ctx, "ns", "k")
	if err != nil || !ok || e.Expires.Sub(begun.Add(long)).Abs() > patience {
		s.Errorf("it expires %s, %v, %v", e.Expires, ok, err)
	}

	s.add("brief", 7, soon)
	s.eventually("the counter began anew", func() bool { return s.add("brief", 1, soon) == 1 })
	s.add("deleted", 7, long)
	if err := s.c.Delete(s.ctx, "ns", "deleted"); err != nil {
		s.Fatal(err)
	}
	if got := s.add("deleted", 1, long); got != 1 {
		s.Errorf("after a delete it is %d, want 1", got)
	}
}

func (s *suite) addRefuses() {
	s.put(entry("ns", "word", "hello"), entry("ns", "full", "9223372036854775807"), entry("ns", "low", "-9223372036854775808"))
	for _, step := range []struct {
		name, key string
		delta     int64
		ttl       time.Duration
	}{
		{"no counter", "word", 1, long},
		{"overflow", "full", 1, long},
		{"underflow", "low", -1, long},
		{"no time to live", "k", 1, 0},
		{"a time to live in the past", "k", 1, -time.Second},
	} {
		if v, err := s.c.Add(s.ctx, "ns", step.key, step.delta, step.ttl); err == nil {
			s.Errorf("%s: got %d", step.name, v)
		}
	}
	s.want("ns", "word", "hello")
	s.want("ns", "full", "9223372036854775807")
	s.want("ns", "k", "-")
}

// Each value is answered once, and the sum is that of all.
func (s *suite) addIsAtomic() {
	const adders, each = 8, 25
	var mu sync.Mutex
	seen := make(map[int64]bool)
	var wg sync.WaitGroup
	for range adders {
		wg.Go(func() {
			for range each {
				v, err := s.c.Add(s.ctx, "ns", "k", 1, long)
				if err != nil {
					s.Error(err)
					return
				}
				mu.Lock()
				if seen[v] {
					s.Errorf("%d was answered twice", v)
				}
				seen[v] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.want("ns", "k", "200")
}

// A counter is an entry in the figures too, and each addition is a put.
func (s *suite) addIsCounted() {
	s.add("k", 5, long)
	s.add("k", 95, long)
	got, err := s.c.Stats(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.wantStats(got, sdk.NamespaceStats{Namespace: "ns", Entries: 1, Bytes: int64(len("k100")), Puts: 2})
}
