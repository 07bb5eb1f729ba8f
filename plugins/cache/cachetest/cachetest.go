// Package cachetest is what every cache plugin must do, as a test suite.
//
//	cachetest.Run(t, func(t *testing.T) sdk.Cache { return an empty one })
//	cachetest.RunShared(t, func(t *testing.T) (a, b sdk.Cache) { return one that is empty, by two })
//
//	cachetest.go  Run and its tools
//	entries.go    Get, Put, Delete
//	counters.go   Add
//	changes.go    Changes
//	shared.go     two processes on one store
package cachetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Run runs the suite. open answers an empty cache whose end it ties to its
// test; it is called for many tests at once.
func Run(t *testing.T, open func(t *testing.T) sdk.Cache) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"what is not there", (*suite).missing},
		{"what was put", (*suite).roundTrip},
		{"namespaces are apart", (*suite).namespaces},
		{"a put replaces", (*suite).replaces},
		{"entries expire", (*suite).expires},
		{"a put in the past removes", (*suite).putInThePast},
		{"all entries or none", (*suite).allOrNone},
		{"delete", (*suite).deletes},
		{"many writers", (*suite).manyWriters},
		{"a context that ended", (*suite).endedContext},
		{"stats", (*suite).stats},
		{"ages", (*suite).ages},

		{"add counts", (*suite).addCounts},
		{"add keeps the expiry", (*suite).addKeepsExpiry},
		{"add refuses", (*suite).addRefuses},
		{"add is atomic", (*suite).addIsAtomic},
		{"add is counted", (*suite).addIsCounted},

		{"changes from the beginning", (*suite).changesFromTheBeginning},
		{"changes since a cursor", (*suite).changesSinceACursor},
		{"changes in pages", (*suite).changesInPages},
		{"changes of some namespaces", (*suite).changesOfNamespaces},
		{"changes without values", (*suite).changesWithoutValues},
		{"changes from an odd cursor", (*suite).changesFromAnOddCursor},
		{"the newest change of a key only", (*suite).newestChangeOnly},
		{"no change is missed", (*suite).noChangeIsMissed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(&suite{T: t, c: open(t), ctx: t.Context()})
		})
	}
}

// suite is one test with its cache.
type suite struct {
	*testing.T
	c   sdk.Cache
	ctx context.Context
}

// patience is how long something may take to happen; soon is a time to live
// that a test waits out.
const (
	patience = 10 * time.Second
	soon     = 30 * time.Millisecond
	long     = time.Hour
)

// entry lives for long.
func entry(namespace, key, value string) sdk.Entry {
	return sdk.Entry{Namespace: namespace, Key: key, Value: []byte(value), Expires: time.Now().Add(long)}
}

func (s *suite) put(entries ...sdk.Entry) {
	s.Helper()
	if err := s.c.Put(s.ctx, entries...); err != nil {
		s.Fatal(err)
	}
}

// get is the value, or "-" for none.
func (s *suite) get(namespace, key string) string {
	s.Helper()
	e, ok, err := s.c.Get(s.ctx, namespace, key)
	if err != nil {
		s.Fatal(err)
	}
	if !ok {
		return "-"
	}
	if e.Namespace != namespace || e.Key != key {
		s.Errorf("asked for %s %q, got %s %q", namespace, key, e.Namespace, e.Key)
	}
	return string(e.Value)
}

func (s *suite) want(namespace, key, value string) {
	s.Helper()
	if got := s.get(namespace, key); got != value {
		s.Errorf("%s %q is %q, want %q", namespace, key, got, value)
	}
}

// eventually polls until what holds.
func (s *suite) eventually(what string, holds func() bool) {
	s.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			s.Fatalf("within %s it was not so that %s", patience, what)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-s.ctx.Done():
			s.Fatal(s.ctx.Err())
		}
	}
}

// follow reads all changes since a cursor, page by page.
func (s *suite) follow(q sdk.ChangesQuery) ([]sdk.Change, string) {
	s.Helper()
	var all []sdk.Change
	for {
		page, err := s.c.Changes(s.ctx, q)
		if err != nil {
			s.Fatal(err)
		}
		if page.Cursor == "" {
			s.Fatal("a cursor is empty")
		}
		if page.More && len(page.Changes) == 0 {
			s.Fatal("there is more, but a page is empty")
		}
		all = append(all, page.Changes...)
		q.Cursor = page.Cursor
		if !page.More {
			return all, q.Cursor
		}
	}
}

// text writes changes as "ns/key=value", and removals as "ns/key!".
func text(changes []sdk.Change) []string {
	list := []string{}
	for _, c := range changes {
		if c.Deleted {
			list = append(list, c.Entry.Namespace+"/"+c.Entry.Key+"!")
		} else {
			list = append(list, fmt.Sprintf("%s/%s=%s", c.Entry.Namespace, c.Entry.Key, c.Entry.Value))
		}
	}
	return list
}

func (s *suite) wantChanges(got []sdk.Change, want ...string) {
	s.Helper()
	if g := text(got); !slices.Equal(g, want) {
		s.Errorf("changes %q, want %q", g, want)
	}
}
