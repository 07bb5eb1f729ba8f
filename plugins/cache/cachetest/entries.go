package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func (s *suite) missing() {
	s.want("ns", "key", "-")
	if err := s.c.Delete(s.ctx, "ns", "key"); err != nil {
		s.Error(err)
	}
	if err := s.c.Delete(s.ctx, "ns"); err != nil {
		s.Error(err)
	}
	if err := s.c.Put(s.ctx); err != nil {
		s.Error(err)
	}
}

func (s *suite) roundTrip() {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, e := range []sdk.Entry{
		entry("ns", "plain", "value"),
		entry("ns", "", "of the empty key"),
		entry("ns", "empty", ""),
		entry("ns", "a\x00b", "of a key with a zero"),
		entry("ns", "a", "of its beginning"),
		entry("ns", "binary", "\x00\xff\xfe"),
		entry("ns:with/odd*signs", "k {x} ü", "value"),
		{Namespace: "ns", Key: "nil", Expires: time.Now().Add(long)},
		{Namespace: "ns", Key: "large", Value: large, Expires: time.Now().Add(long)},
		{Namespace: "ns", Key: "for years", Value: []byte("x"), Expires: time.Now().AddDate(30, 0, 0)},
	} {
		s.put(e)
		got, ok, err := s.c.Get(s.ctx, e.Namespace, e.Key)
		if err != nil || !ok || !bytes.Equal(got.Value, e.Value) {
			s.Errorf("%q: got %.40q, %v, %v", e.Key, got.Value, ok, err)
		}
		if off := got.Expires.Sub(e.Expires).Abs(); off > time.Millisecond {
			s.Errorf("%q expires %s off", e.Key, off)
		}
	}
	s.want("ns", "a", "of its beginning")
}

func (s *suite) namespaces() {
	s.put(entry("one", "k", "1"), entry("two", "k", "2"))
	if err := s.c.Delete(s.ctx, "one", "k"); err != nil {
		s.Fatal(err)
	}
	s.want("one", "k", "-")
	s.want("two", "k", "2")
}

func (s *suite) replaces() {
	s.put(entry("ns", "k", "first"), entry("ns", "k", "second"))
	s.want("ns", "k", "second")
	e := entry("ns", "k", "third")
	e.Expires = time.Now().Add(2 * long)
	s.put(e)
	got, _, err := s.c.Get(s.ctx, "ns", "k")
	if err != nil || string(got.Value) != "third" || got.Expires.Sub(e.Expires).Abs() > time.Millisecond {
		s.Errorf("got %q until %s, %v", got.Value, got.Expires, err)
	}
}

func (s *suite) expires() {
	e := entry("ns", "k", "v")
	e.Expires = time.Now().Add(soon)
	s.put(e, entry("ns", "stays", "v"))
	s.eventually("the entry expired", func() bool { return s.get("ns", "k") == "-" })
	if early := time.Until(e.Expires); early > time.Millisecond {
		s.Errorf("it expired %s early", early)
	}
	s.want("ns", "stays", "v")
	// What has expired can be put again.
	s.put(entry("ns", "k", "again"))
	s.want("ns", "k", "again")
}

func (s *suite) putInThePast() {
	e := entry("ns", "k", "v")
	s.put(e)
	e.Expires = time.Now().Add(-time.Second)
	s.put(e)
	s.want("ns", "k", "-")
}

func (s *suite) allOrNone() {
	endless := entry("ns", "endless", "v")
	endless.Expires = time.Time{}
	if err := s.c.Put(s.ctx, entry("ns", "a", "v"), endless); err == nil {
		s.Error("an entry without an expiry was taken")
	}
	if err := s.c.Put(s.ctx, entry("ns", "a", "v"), entry("", "b", "v")); err == nil {
		s.Error("an entry without a namespace was taken")
	}
	s.want("ns", "a", "-")
}

func (s *suite) deletes() {
	s.put(entry("ns", "a", "1"), entry("ns", "b", "2"), entry("ns", "c", "3"))
	if err := s.c.Delete(s.ctx, "ns", "a", "nothing", "c"); err != nil {
		s.Fatal(err)
	}
	s.want("ns", "a", "-")
	s.want("ns", "b", "2")
	s.want("ns", "c", "-")
	s.put(entry("ns", "a", "again"))
	s.want("ns", "a", "again")
}

func (s *suite) manyWriters() {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				own := fmt.Sprintf("%d-%d", w, i)
				if err := s.c.Put(s.ctx, entry("ns", own, own), entry("ns", "shared", own)); err != nil {
					s.Error(err)
					return
				}
				if e, ok, err := s.c.Get(s.ctx, "ns", own); err != nil || !ok || string(e.Value) != own {
					s.Errorf("%s is %q, %v, %v right after its put", own, e.Value, ok, err)
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		for i := range each {
			own := fmt.Sprintf("%d-%d", w, i)
			s.want("ns", own, own)
		}
	}
}

func (s *suite) endedContext() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, _, err := s.c.Get(ctx, "ns", "k"); !errors.Is(err, context.Canceled) {
		s.Errorf("get: %v", err)
	}
	if err := s.c.Put(ctx, entry("ns", "k", "v")); !errors.Is(err, context.Canceled) {
		s.Errorf("put: %v", err)
	}
	s.want("ns", "k", "-")
}

func (s *suite) stats() {
	s.put(entry("ns", "a", "12345"), entry("ns", "b", ""), entry("other", "c", "1"))
	s.put(entry("ns", "a", "123"))
	s.get("ns", "a")
	s.get("ns", "a")
	s.get("ns", "no")
	s.get("never", "no")
	if err := s.c.Delete(s.ctx, "ns", "b"); err != nil {
		s.Fatal(err)
	}
	got, err := s.c.Stats(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.wantStats(got,
		sdk.NamespaceStats{Namespace: "never", Misses: 1},
		sdk.NamespaceStats{Namespace: "ns", Entries: 1, Bytes: 4, Hits: 2, Misses: 1, Puts: 3},
		sdk.NamespaceStats{Namespace: "other", Entries: 1, Bytes: 2, Puts: 1},
	)
}

// wantStats compares all but the ages, of which those that are there are of
// this test.
func (s *suite) wantStats(got sdk.CacheStats, want ...sdk.NamespaceStats) {
	s.Helper()
	if got.SetAside != 0 {
		s.Errorf("%d damaged stores are set aside", got.SetAside)
	}
	for i := range got.Namespaces {
		g := &got.Namespaces[i]
		if has := !g.Oldest.IsZero() && !g.Newest.Before(g.Oldest); has != (g.Entries > 0) || has && time.Since(g.Oldest) > patience {
			s.Errorf("%s: %d entries, the oldest of %s, the newest of %s", g.Namespace, g.Entries, g.Oldest, g.Newest)
		}
		g.Oldest, g.Newest = time.Time{}, time.Time{}
	}
	slices.SortFunc(got.Namespaces, func(a, b sdk.NamespaceStats) int { return strings.Compare(a.Namespace, b.Namespace) })
	if !slices.Equal(got.Namespaces, want) {
		s.Errorf("got  %+v\nwant %+v", got.Namespaces, want)
	}
}

// ages are those of the last write, and of what is there.
func (s *suite) ages() {
	written := func() sdk.NamespaceStats {
		s.Helper()
		got, err := s.c.Stats(s.ctx)
		if err != nil || len(got.Namespaces) != 1 {
			s.Fatal(got, err)
		}
		return got.Namespaces[0]
	}
	s.put(entry("ns", "a", "1"))
	a := written()
	later := func(what string, was time.Time, is func() time.Time) {
		s.Helper()
		s.eventually(what, func() bool {
			s.put(entry("ns", "b", "1")) // until the clock has moved on
			return is().After(was)
		})
	}
	later("the newest is newer", a.Newest, func() time.Time { return written().Newest })
	if b := written(); !b.Oldest.Equal(a.Oldest) {
		s.Errorf("the oldest is of %s, and was of %s", b.Oldest, a.Oldest)
	}
	if err := s.c.Delete(s.ctx, "ns", "a"); err != nil {
		s.Fatal(err)
	}
	if got := written(); !got.Oldest.After(a.Oldest) || !got.Newest.Equal(got.Oldest) {
		s.Errorf("of one entry the oldest is of %s, the newest of %s; the deleted one was of %s", got.Oldest, got.Newest, a.Oldest)
	}
	if err := s.c.Delete(s.ctx, "ns", "b"); err != nil {
		s.Fatal(err)
	}
	if got := written(); !got.Oldest.IsZero() || !got.Newest.IsZero() {
		s.Errorf("of none the oldest is of %s, the newest of %s", got.Oldest, got.Newest)
	}
}
