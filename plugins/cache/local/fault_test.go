package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/plugins/cache/cachetest"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// start runs the plugin as a process of its own.
func start(t *testing.T, dir string) *plugintest.Plugin {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Command(t, []string{self}, nil, plugintest.DataDir(dir))
}

func TestContractOverRPC(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each test of the suite")
	}
	t.Parallel()
	cachetest.Run(t, func(t *testing.T) sdk.Cache { return start(t, t.TempDir()).Cache() })
}

// What Put and Add returned for is there after kill -9, and no more of a
// counter than was asked for.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const rounds, writers = 3, 8
	added := int64(0)
	var kept []string
	for round := range rounds {
		p := start(t, dir)
		cache := p.Cache()
		acknowledged := make([][]string, writers)
		adds := make([]int64, writers)
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("%d-%d-%d", round, w, i)
					e := sdk.Entry{Namespace: "ns", Key: key, Value: []byte(key), Expires: time.Now().Add(time.Hour)}
					if cache.Put(t.Context(), e) != nil {
						return // killed
					}
					acknowledged[w] = append(acknowledged[w], key)
					if _, err := cache.Add(t.Context(), "ns", "count", 1, time.Hour); err != nil {
						return
					}
					adds[w]++
					if i == 30 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		<-enough
		p.Kill()
		wg.Wait()
		for w := range writers {
			kept = append(kept, acknowledged[w]...)
			added += adds[w]
		}
	}

	cache := start(t, dir).Cache()
	for _, key := range kept {
		if e, ok, err := cache.Get(t.Context(), "ns", key); err != nil || !ok || string(e.Value) != key {
			t.Fatalf("%s is lost: %q, %v, %v", key, e.Value, ok, err)
		}
	}
	count, err := cache.Add(t.Context(), "ns", "count", 0, time.Hour)
	// Each writer may have been killed between the commit and the answer.
	if err != nil || count < added || count > added+rounds*writers {
		t.Errorf("the counter is %d, %v; %d were answered", count, err, added)
	}
	t.Logf("%d entries kept over %d kills", len(kept), rounds)
}

// The goal for the process is 30 MiB, with a file much larger than that.
func TestMemoryStaysSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 64 MiB")
	}
	dir := t.TempDir()
	p := start(t, dir)
	cache := p.Cache()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 512 {
				key := fmt.Sprintf("%d-%d", w, i)
				e := sdk.Entry{Namespace: "ns", Key: key, Value: []byte(strings.Repeat("x", 16<<10)), Expires: time.Now().Add(time.Hour)}
				if err := cache.Put(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
				if _, ok, err := cache.Get(t.Context(), "ns", key); err != nil || !ok {
					t.Error(ok, err)
					return
				}
			}
		})
	}
	wg.Wait()
	total, own := residentOf(t, dir)
	t.Logf("resident after 64 MiB: %d KiB, of which %d are its own", total, own)
	// The race detector takes a multiple.
	if limit := 24 << 10; !raceDetector && own > limit {
		t.Errorf("the process takes %d KiB for itself, want at most %d", own, limit)
	}
}

// residentOf finds the process that has the file in dir open, and answers its
// resident memory in KiB: all, and without what it shares with the binary.
func residentOf(t *testing.T, dir string) (total, own int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != filepath.Join(dir, "cache.db") {
			continue
		}
		b, err := os.ReadFile("/proc/" + strings.Split(fd, "/")[2] + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			var to *int
			switch name {
			case "VmRSS":
				to = &total
			case "RssAnon":
				to = &own
			default:
				continue
			}
			if _, err := fmt.Sscanf(value, "%d", to); err != nil {
				t.Fatal(err)
			}
		}
		return total, own
	}
	t.Fatal("no process has the file open")
	return 0, 0
}

// fill makes a file of some pages and answers its path.
func fill(t *testing.T, dir string, c *clock) string {
	t.Helper()
	l := open(t, dir, func(l *local) { l.now = c.now })
	for i := range 200 {
		put(t, l, entry(c, "ns", fmt.Sprint(i), strings.Repeat("v", 2000), time.Hour))
	}
	closeNow(t, l)
	return l.path()
}

func TestCorruptFileIsSetAside(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		harm func(t *testing.T, path string)
	}{
		{"another file's content", func(t *testing.T, path string) { write(t, path, 0, []byte(strings.Repeat("not a database ", 1000))) }},
		{"a few bytes", func(t *testing.T, path string) { truncate(t, path, 0); write(t, path, 0, []byte("SQLite")) }},
		{"cut off", func(t *testing.T, path string) { truncate(t, path, 6000) }},
		{"zeros in the middle", func(t *testing.T, path string) { write(t, path, 4096, make([]byte, 200<<10)) }},
		{"noise in the middle", func(t *testing.T, path string) {
			write(t, path, 4096, []byte(strings.Repeat("\xff\x01noise", 30<<10)))
		}},
		{"another version", func(t *testing.T, path string) { write(t, path, 60, []byte{0, 0, 0, 99}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, c := t.TempDir(), newClock()
			path := fill(t, dir, c)
			tt.harm(t, path)
			l := open(t, dir, func(l *local) { l.now = c.now })
			// No call fails, whichever is the first to notice.
			for i := range 200 {
				if got := get(t, l, "ns", fmt.Sprint(i)); got != "-" && got != strings.Repeat("v", 2000) {
					t.Fatalf("%d is %.20q", i, got)
				}
			}
			if _, err := l.Changes(t.Context(), sdk.ChangesQuery{}); err != nil {
				t.Error(err)
			}
			for i := range 200 {
				put(t, l, entry(c, "ns", fmt.Sprint(i), "new", time.Hour))
			}
			for i := range 200 {
				if got := get(t, l, "ns", fmt.Sprint(i)); got != "new" {
					t.Fatalf("%d is %q after it was put anew", i, got)
				}
			}
			aside, err := filepath.Glob(path + ".corrupt-*Z")
			if err != nil || len(aside) != 1 {
				t.Errorf("set aside: %q, %v", aside, err)
			}
		})
	}
}

func write(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// A cursor of the file before is not taken for one of the new.
func TestCursorOfACorruptFile(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	path := fill(t, dir, c)
	before := open(t, dir, func(l *local) { l.now = c.now })
	page, err := before.Changes(t.Context(), sdk.ChangesQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	closeNow(t, before)
	truncate(t, path, 100)
	after := open(t, dir, func(l *local) { l.now = c.now })
	put(t, after, entry(c, "ns", "new", "v", time.Hour))
	next, err := after.Changes(t.Context(), sdk.ChangesQuery{Cursor: page.Cursor})
	if err != nil || len(next.Changes) != 1 {
		t.Errorf("got %+v, %v", next, err)
	}
}

func TestCorruptFilesDoNotPileUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cache[1].db")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range keptAside + 2 {
		for _, part := range []string{"", "-wal", "-shm"} {
			if err := os.WriteFile(path+part, []byte{byte(i)}, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := setAside(path, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != 3*keptAside {
		t.Errorf("%d files, %v; want %d", len(all), err, 3*keptAside)
	}
	if b, err := os.ReadFile(path + ".corrupt-20260102T030409.000Z"); err != nil || b[0] != keptAside+1 {
		t.Errorf("the newest is not there: %v", err)
	}
}

// A full disk: writes are errors, reads go on, and so do writes when there is
// room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), func(l *local) { l.now = c.now })
	put(t, l, entry(c, "ns", "old", "v", time.Hour))
	limit := func(pages int) {
		t.Helper()
		if _, err := l.store.s.write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // the pages that there are
	large := entry(c, "ns", "new", strings.Repeat("x", 100<<10), time.Hour)
	err := l.Put(t.Context(), large)
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("put: %v", err)
	}
	if got := get(t, l, "ns", "old") + get(t, l, "ns", "new"); got != "v-" {
		t.Errorf("got %q", got)
	}
	if s := stats(t, l, "ns"); s.Entries != 1 || s.Puts != 1 {
		t.Errorf("stats %+v", s)
	}
	// A small write beside a large one is not lost with it.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := l.Put(t.Context(), large); err == nil {
				t.Error("a large put did fit")
			}
			if _, err := l.Add(t.Context(), "ns", "count", 1, time.Hour); err != nil {
				t.Errorf("add %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := get(t, l, "ns", "count"); got != "8" {
		t.Errorf("the counter is %q", got)
	}
	limit(1 << 20)
	put(t, l, large)
}

// A folder that can't be used does not keep the process from starting; as soon
// as it can be, all goes on.
func TestFolderComesLater(t *testing.T) {
	t.Parallel()
	dir, c := filepath.Join(t.TempDir(), "later"), newClock()
	l := open(t, dir, func(l *local) { l.now = c.now })
	e := entry(c, "ns", "k", "v", time.Hour)
	if err := l.Put(t.Context(), e); err == nil {
		t.Error("a put without a file")
	}
	if _, _, err := l.Get(t.Context(), "ns", "k"); err == nil {
		t.Error("a get without a file")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c.move(reopenAfter)
	put(t, l, e)
	if got := get(t, l, "ns", "k"); got != "v" {
		t.Errorf("got %q", got)
	}
}
