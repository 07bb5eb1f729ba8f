package cachetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

func (s *suite) changesFromTheBeginning() {
	got, empty := s.follow(sdk.ChangesQuery{})
	s.wantChanges(got)

	s.put(entry("ns", "a", "1"))
	s.put(entry("ns", "b", "2"))
	s.put(entry("ns", "a", "3"))
	s.put(entry("ns", "gone", "4"))
	if err := s.c.Delete(s.ctx, "ns", "gone"); err != nil {
		s.Fatal(err)
	}
	brief := entry("ns", "brief", "5")
	brief.Expires = time.Now().Add(soon)
	s.put(brief)
	s.eventually("the entry expired", func() bool { return s.get("ns", "brief") == "-" })

	// Of each key the newest state, in the order of the last change. What has
	// expired is known to be gone, but what was deleted is not.
	for _, cursor := range []string{"", empty} {
		got, _ = s.follow(sdk.ChangesQuery{Cursor: cursor})
		s.wantChanges(got, "ns/b=2", "ns/a=3", "ns/gone!")
	}
	if off := time.Until(got[0].Entry.Expires) - long; off.Abs() > patience {
		s.Errorf("the expiry is %s off", off)
	}
}

func (s *suite) changesSinceACursor() {
	s.put(entry("ns", "a", "1"), entry("ns", "b", "1"))
	_, cursor := s.follow(sdk.ChangesQuery{})
	again, same := s.follow(sdk.ChangesQuery{Cursor: cursor})
	s.wantChanges(again)

	s.put(entry("ns", "c", "1"))
	if err := s.c.Delete(s.ctx, "ns", "a", "never"); err != nil {
		s.Fatal(err)
	}
	if _, err := s.c.Add(s.ctx, "ns", "count", 3, long); err != nil {
		s.Fatal(err)
	}
	got, _ := s.follow(sdk.ChangesQuery{Cursor: same})
	s.wantChanges(got, "ns/c=1", "ns/a!", "ns/count=3")

	// A cursor can be used again.
	got, last := s.follow(sdk.ChangesQuery{Cursor: cursor})
	s.wantChanges(got, "ns/c=1", "ns/a!", "ns/count=3")
	s.put(entry("ns", "a", "back"))
	got, _ = s.follow(sdk.ChangesQuery{Cursor: last})
	s.wantChanges(got, "ns/a=back")
}

func (s *suite) changesInPages() {
	const n = 25
	var want []string
	for i := range n {
		key := fmt.Sprintf("%02d", i)
		s.put(entry("ns", key, "v"))
		want = append(want, "ns/"+key+"=v")
	}
	first, err := s.c.Changes(s.ctx, sdk.ChangesQuery{Limit: 10})
	if err != nil || len(first.Changes) != 10 || !first.More {
		s.Errorf("first page of %d, more %v, %v", len(first.Changes), first.More, err)
	}
	for _, limit := range []int{0, 1, 10, 25, 26} {
		got, _ := s.follow(sdk.ChangesQuery{Limit: limit})
		s.wantChanges(got, want...)
	}
}

func (s *suite) changesOfNamespaces() {
	s.put(entry("a", "k", "1"), entry("b", "k", "2"), entry("c", "k", "3"))
	_, cursor := s.follow(sdk.ChangesQuery{Namespaces: []string{"a"}})
	got, _ := s.follow(sdk.ChangesQuery{Namespaces: []string{"c", "a", "never"}})
	s.wantChanges(got, "a/k=1", "c/k=3")

	s.put(entry("b", "k", "4"), entry("a", "k", "5"))
	got, _ = s.follow(sdk.ChangesQuery{Namespaces: []string{"a"}, Cursor: cursor})
	s.wantChanges(got, "a/k=5")
}

func (s *suite) changesWithoutValues() {
	s.put(entry("ns", "k", "value"))
	got, _ := s.follow(sdk.ChangesQuery{KeysOnly: true})
	s.wantChanges(got, "ns/k=")
	if len(got) == 1 && (got[0].Entry.Value != nil || time.Until(got[0].Entry.Expires) <= 0) {
		s.Errorf("got %+v", got[0])
	}
}

// A cursor of another store, such as the one before a restart from nothing, is
// as good as none.
func (s *suite) changesFromAnOddCursor() {
	s.put(entry("ns", "k", "v"))
	for _, cursor := range []string{"0", "garbage", "other.999999999", "-1", "é", "a.b.c"} {
		got, _ := s.follow(sdk.ChangesQuery{Cursor: cursor})
		s.wantChanges(got, "ns/k=v")
	}
}

// However often a key changed since the cursor, its last state comes once.
func (s *suite) newestChangeOnly() {
	_, cursor := s.follow(sdk.ChangesQuery{})
	for i := range 5 {
		s.put(entry("ns", "a", fmt.Sprint(i)), entry("ns", "b", fmt.Sprint(i)))
		s.add("count", 1, long)
	}
	if err := s.c.Delete(s.ctx, "ns", "b"); err != nil {
		s.Fatal(err)
	}
	got, _ := s.follow(sdk.ChangesQuery{Cursor: cursor})
	s.wantChanges(got, "ns/a=4", "ns/count=5", "ns/b!")
	got, _ = s.follow(sdk.ChangesQuery{Cursor: cursor, Limit: 1})
	s.wantChanges(got, "ns/a=4", "ns/count=5", "ns/b!")
}

// Who polls while many write sees the last state of each key in the end.
func (s *suite) noChangeIsMissed() {
	const writers, each = 6, 30
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%d-%d", w, i%5)
				var err error
				if i%7 == 6 {
					err = s.c.Delete(s.ctx, "ns", key)
				} else {
					err = s.c.Put(s.ctx, entry("ns", key, fmt.Sprint(i)))
				}
				if err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	seen := make(map[string]string)
	q := sdk.ChangesQuery{Limit: 7}
	poll := func() {
		var changes []sdk.Change
		changes, q.Cursor = s.follow(q)
		for _, c := range changes {
			seen[c.Entry.Key] = string(c.Entry.Value)
			if c.Deleted {
				seen[c.Entry.Key] = "-"
			}
		}
	}
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		poll()
	}
	if len(seen) != writers*5 {
		s.Errorf("%d keys were seen, want %d", len(seen), writers*5)
	}
	for key, value := range seen {
		s.want("ns", key, value)
	}
}
