package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/cache/cachetest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// TestMain lets the test binary be the plugin, for tests through its process.
func TestMain(m *testing.M) {
	if os.Getenv(sdk.CookieKey) == sdk.CookieValue {
		sdk.Serve(New())
	}
	os.Exit(m.Run())
}

// open starts a cache in dir, with what change makes of the defaults.
func open(t testing.TB, dir string, change func(*local)) *local {
	t.Helper()
	l := newLocal()
	if change != nil {
		change(l)
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), sdk.Setup{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, l) })
	return l
}

// closeNow closes a cache that may have been closed by its test.
func closeNow(t testing.TB, l *local) {
	t.Helper()
	select {
	case <-l.quit:
		return
	default:
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func put(t testing.TB, l *local, entries ...sdk.Entry) {
	t.Helper()
	if err := l.Put(context.Background(), entries...); err != nil {
		t.Fatal(err)
	}
}

// get is the value, or "-" for none.
func get(t testing.TB, l *local, namespace, key string) string {
	t.Helper()
	e, ok, err := l.Get(context.Background(), namespace, key)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "-"
	}
	return string(e.Value)
}

func stats(t testing.TB, l *local, namespace string) sdk.NamespaceStats {
	t.Helper()
	all, err := l.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all.Namespaces {
		if s.Namespace == namespace {
			return s
		}
	}
	return sdk.NamespaceStats{}
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("it was never so that %s", what)
		}
	}
}

// clock is a time that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.ns.Load()) }
func (c *clock) move(d time.Duration) { c.ns.Add(int64(d)) }

func entry(c *clock, namespace, key, value string, ttl time.Duration) sdk.Entry {
	return sdk.Entry{Namespace: namespace, Key: key, Value: []byte(value), Expires: c.now().Add(ttl)}
}

func TestContract(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(t *testing.T) sdk.Cache { return open(t, t.TempDir(), nil) })
}

func TestContractOfTwo(t *testing.T) {
	t.Parallel()
	cachetest.RunShared(t, func(t *testing.T) (a, b sdk.Cache) {
		dir := t.TempDir()
		return open(t, dir, nil), open(t, dir, nil)
	})
}

func TestKeptOverARestart(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	with := func(l *local) { l.now = c.now }
	first := open(t, dir, with)
	put(t, first, entry(c, "ns", "k", "v", time.Hour), entry(c, "ns", "brief", "v", time.Minute))
	get(t, first, "ns", "k")
	changes, err := first.Changes(t.Context(), sdk.ChangesQuery{})
	if err != nil {
		t.Fatal(err)
	}
	closeNow(t, first)
	if log, err := os.Stat(first.path() + "-wal"); err != nil || log.Size() > 0 {
		t.Errorf("the log is not merged into the file at the end, or does not stay: %v %+v", err, log)
	}

	c.move(time.Minute)
	second := open(t, dir, with)
	if got := get(t, second, "ns", "k") + get(t, second, "ns", "brief"); got != "v-" {
		t.Errorf("got %q after a restart", got)
	}
	if s := stats(t, second, "ns"); s.Hits != 2 || s.Misses != 1 || s.Puts != 2 {
		t.Errorf("stats %+v after a restart", s)
	}
	put(t, second, entry(c, "ns", "new", "v", time.Hour))
	next, err := second.Changes(t.Context(), sdk.ChangesQuery{Cursor: changes.Cursor})
	if err != nil || len(next.Changes) != 1 || next.Changes[0].Entry.Key != "new" {
		t.Errorf("an old cursor answers %+v, %v", next, err)
	}
}

// A file of the version 1 did not say when its entries were written.
func TestAFileOfTheFirstVersionIsTakenAlong(t *testing.T) {
	t.Parallel()
	dir, begun := t.TempDir(), time.Now().Truncate(time.Millisecond)
	l := open(t, dir, nil)
	put(t, l, sdk.Entry{Namespace: "ns", Key: "k", Value: []byte("v"), Expires: begun.Add(time.Hour)})
	if err := exec(t.Context(), l.store.s.write, "DROP INDEX written", "ALTER TABLE entries DROP COLUMN written", "PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	closeNow(t, l)

	again := open(t, dir, nil)
	if got := get(t, again, "ns", "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	put(t, again, sdk.Entry{Namespace: "ns", Key: "new", Value: []byte("v"), Expires: begun.Add(time.Hour)})
	s := stats(t, again, "ns")
	if s.Entries != 2 || s.Oldest.Before(begun) || s.Newest.Before(s.Oldest) || time.Since(s.Newest) > time.Minute {
		t.Errorf("stats %+v", s)
	}
	if all, err := again.Stats(t.Context()); err != nil || all.SetAside != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// Two processes share the file while a reload replaces one by the other.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	with := func(l *local) { l.now = c.now }
	a, b := open(t, dir, with), open(t, dir, with)
	for i := range 20 {
		put(t, a, entry(c, "ns", fmt.Sprint("a", i), "1", time.Hour))
		put(t, b, entry(c, "ns", fmt.Sprint("b", i), "2", time.Hour))
		if got := get(t, b, "ns", fmt.Sprint("a", i)) + get(t, a, "ns", fmt.Sprint("b", i)); got != "12" {
			t.Fatalf("round %d: %q", i, got)
		}
	}
	if n := stats(t, a, "ns").Entries; n != 40 {
		t.Errorf("%d entries, want 40", n)
	}
}

func TestSweepRemovesWhatExpired(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), func(l *local) { l.now, l.SweepInterval = c.now, time.Millisecond })
	var all []sdk.Entry
	const n = 2*portion + 10
	for i := range n {
		all = append(all, entry(c, "ns", fmt.Sprint(i), "v", time.Minute))
	}
	put(t, l, append(all, entry(c, "ns", "stays", "v", time.Hour), entry(c, "ns", "deleted", "v", 2*time.Minute))...)
	if err := l.Delete(t.Context(), "ns", "deleted"); err != nil {
		t.Fatal(err)
	}
	if s := stats(t, l, "ns"); s.Entries != n+1 || s.Expired != 0 {
		t.Errorf("before: %+v", s)
	}
	c.move(3 * time.Minute)
	rows := func(table string) (count int) {
		if err := l.store.s.read.QueryRow("SELECT count(*) FROM " + table).Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count
	}
	eventually(t, "all is swept, traces of deletions too", func() bool { return rows("entries") == 1 && rows("bodies") == 1 })
	if s := stats(t, l, "ns"); s.Entries != 1 || s.Expired != n || s.Bytes != int64(len("staysv")) {
		t.Errorf("after: %+v", s)
	}
	if got := get(t, l, "ns", "stays"); got != "v" {
		t.Errorf("got %q", got)
	}
}

// A flood in one namespace makes way itself: first what expires first.
func TestEvictionMakesRoom(t *testing.T) {
	t.Parallel()
	c := newClock()
	const size = 256 << 10
	l := open(t, t.TempDir(), func(l *local) { l.now, l.MaxSize = c.now, size })
	put(t, l, entry(c, "bans", "a", "v", time.Second))
	put(t, l, entry(c, "answers", "late", "v", 2*time.Hour))
	cursor := ""
	for i := range 100 {
		put(t, l, entry(c, "answers", fmt.Sprintf("%03d", i), strings.Repeat("x", 8<<10), time.Hour+time.Duration(i)*time.Second))
		if i == 0 {
			page, err := l.Changes(t.Context(), sdk.ChangesQuery{})
			if err != nil {
				t.Fatal(err)
			}
			cursor = page.Cursor
		}
	}
	total := func() int64 {
		s := stats(t, l, "answers")
		return s.Bytes + overhead*s.Entries
	}
	eventually(t, "there is room again", func() bool { return total() <= size })
	s := stats(t, l, "answers")
	if s.Evicted == 0 || s.Entries+s.Evicted != 101 || total() < size/2 {
		t.Errorf("stats %+v", s)
	}
	for key, want := range map[string]bool{"000": false, "099": true, "late": true} {
		if got := get(t, l, "answers", key) != "-"; got != want {
			t.Errorf("%s is there: %v, want %v", key, got, want)
		}
	}
	if got := get(t, l, "bans", "a"); got != "v" {
		t.Errorf("bans were evicted too: %q", got)
	}
	page, err := l.Changes(t.Context(), sdk.ChangesQuery{Cursor: cursor})
	if err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, ch := range page.Changes {
		if ch.Deleted {
			gone++
		}
	}
	if int64(gone) != s.Evicted {
		t.Errorf("%d evictions among the changes, want %d", gone, s.Evicted)
	}

	err = l.Put(t.Context(), entry(c, "answers", "huge", strings.Repeat("x", size), time.Hour))
	if want := "cache(local): put answers: an entry of 262248 bytes is larger than max_size"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), nil)
	closeNow(t, l)
	if err := l.Put(t.Context(), entry(c, "ns", "k", "v", time.Hour)); err == nil {
		t.Error("a put after the end")
	}
	if _, _, err := l.Get(t.Context(), "ns", "k"); err == nil {
		t.Error("a get after the end")
	}
	if _, err := l.Stats(t.Context()); err == nil {
		t.Error("stats after the end")
	}
}

// A caller that gives up does not wait for the writer.
func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), nil)
	stuck, free := make(chan struct{}), make(chan struct{})
	go l.enqueue(context.Background(), &job{done: make(chan error, 1), alone: func(*writer) error {
		close(stuck)
		<-free
		return nil
	}})
	<-stuck
	defer close(free)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Put(ctx, entry(c, "ns", "k", "v", time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for file, ok := range map[string]bool{"cache.db": true, "": false, ".": false, "..": false, "a/b": false, "/tmp/x": false} {
		l := newLocal()
		l.File = file
		if err := l.Validate(); (err == nil) != ok {
			t.Errorf("file %q: %v", file, err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	c := newClock()
	l := open(b, b.TempDir(), func(l *local) { l.now = c.now })
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			put(b, l, entry(c, "ns", fmt.Sprint(i%1000), strings.Repeat("x", 1024), time.Hour))
		}
	})
}

func BenchmarkGet(b *testing.B) {
	c := newClock()
	l := open(b, b.TempDir(), func(l *local) { l.now = c.now })
	for i := range 1000 {
		put(b, l, entry(c, "ns", fmt.Sprint(i), strings.Repeat("x", 1024), time.Hour))
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			get(b, l, "ns", fmt.Sprint(i%1000))
		}
	})
}
