package cachetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// RunShared runs the tests of two processes on one store, such as those of two
// routers, or of one during a reload. open answers both, on an empty store.
func RunShared(t *testing.T, open func(t *testing.T) (a, b sdk.Cache)) {
	for _, test := range []struct {
		name string
		run  func(a, b *suite)
	}{
		{"each reads what the other wrote", readsTheOther},
		{"each sees the changes of the other", seesTheOther},
		{"both add to one counter", addTogether},
		{"the figures are of both", figuresOfBoth},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			test.run(&suite{T: t, c: a, ctx: t.Context()}, &suite{T: t, c: b, ctx: t.Context()})
		})
	}
}

func readsTheOther(a, b *suite) {
	for i := range 20 {
		key := fmt.Sprint(i)
		a.put(entry("ns", key, "of a"))
		b.want("ns", key, "of a")
		b.put(entry("ns", key, "of b"))
		a.want("ns", key, "of b")
		if err := a.c.Delete(a.ctx, "ns", key); err != nil {
			a.Fatal(err)
		}
		b.want("ns", key, "-")
	}
}

// One poll after the write is enough, and a cursor is one for both.
func seesTheOther(a, b *suite) {
	_, cursor := b.follow(sdk.ChangesQuery{})
	a.put(entry("bans", "x", "1"), entry("bans", "y", "2"))
	got, cursor := b.follow(sdk.ChangesQuery{Cursor: cursor})
	b.wantChanges(got, "bans/x=1", "bans/y=2")

	if err := b.c.Delete(b.ctx, "bans", "x"); err != nil {
		b.Fatal(err)
	}
	if _, err := b.c.Add(b.ctx, "limits", "n", 7, long); err != nil {
		b.Fatal(err)
	}
	got, _ = a.follow(sdk.ChangesQuery{Cursor: cursor})
	a.wantChanges(got, "bans/x!", "limits/n=7")
}

func addTogether(a, b *suite) {
	const adders, each = 8, 25
	var wg sync.WaitGroup
	for i := range adders {
		s := []*suite{a, b}[i%2]
		wg.Go(func() {
			for range each {
				if _, err := s.c.Add(s.ctx, "ns", "k", 1, long); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	a.want("ns", "k", "200")
	b.want("ns", "k", "200")
}

func figuresOfBoth(a, b *suite) {
	a.put(entry("ns", "k", "of a"))
	b.put(entry("ns", "k", "b"), entry("ns", "l", "b"))
	for _, s := range []*suite{a, b} {
		got, err := s.c.Stats(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		s.wantStats(got, sdk.NamespaceStats{Namespace: "ns", Entries: 2, Bytes: 4, Puts: 3})
	}
}
