package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/smart-ai-router/smartrouter/plugins/cache/cachetest"
	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// TestMain lets the test binary be the plugin, for tests through its process.
func TestMain(m *testing.M) {
	if os.Getenv(sdk.CookieKey) == sdk.CookieValue {
		sdk.Serve(New())
	}
	os.Exit(m.Run())
}

// open connects to a server, with what change makes of the defaults, under a
// prefix of its own.
func open(t testing.TB, url string, change func(*config)) *redis {
	t.Helper()
	r := newRedis()
	r.config.URL, r.config.KeyPrefix = url, rand.Text()
	r.config.CallTimeout, r.config.ConnectTimeout = 10*time.Second, 10*time.Second // the machine is busy
	if change != nil {
		change(&r.config)
	}
	if err := r.config.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), sdk.Setup{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, r) })
	return r
}

// closeNow closes a cache that may have been closed by its test.
func closeNow(t testing.TB, r *redis) {
	t.Helper()
	select {
	case <-r.quit:
		return
	default:
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func prefix(p string) func(*config) { return func(c *config) { c.KeyPrefix = p } }

func entry(namespace, key, value string, ttl time.Duration) sdk.Entry {
	return sdk.Entry{Namespace: namespace, Key: key, Value: []byte(value), Expires: time.Now().Add(ttl)}
}

func put(t testing.TB, c sdk.Cache, entries ...sdk.Entry) {
	t.Helper()
	if err := c.Put(context.Background(), entries...); err != nil {
		t.Fatal(err)
	}
}

// get is the value, or "-" for none.
func get(t testing.TB, c sdk.Cache, namespace, key string) string {
	t.Helper()
	e, ok, err := c.Get(context.Background(), namespace, key)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "-"
	}
	return string(e.Value)
}

func changes(t testing.TB, c sdk.Cache, q sdk.ChangesQuery) sdk.Changes {
	t.Helper()
	page, err := c.Changes(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// stats are those of a namespace, and none for one that is not there.
func stats(t testing.TB, c sdk.Cache, namespace string) sdk.NamespaceStats {
	t.Helper()
	all, err := c.Stats(context.Background())
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

// command runs a command of Redis's, as somebody else would.
func command(t testing.TB, r *redis, words ...string) rueidis.RedisResult {
	t.Helper()
	c := r.link.present.Load().client
	if c == nil {
		t.Fatal("not connected")
	}
	return c.Do(t.Context(), c.B().Arbitrary(words...).Build())
}

func TestContract(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	t.Run("one", func(t *testing.T) {
		cachetest.Run(t, func(t *testing.T) sdk.Cache { return open(t, s.URL, nil) })
	})
	t.Run("two", func(t *testing.T) {
		cachetest.RunShared(t, func(t *testing.T) (a, b sdk.Cache) {
			one := open(t, s.URL, nil)
			return one, open(t, "unix://"+s.Socket, prefix(one.config.KeyPrefix))
		})
	})
}

// All of a prefix is in one slot, or the scripts would be refused.
func TestContractInACluster(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--cluster-enabled", "yes")
	single := open(t, "unix://"+s.Socket, nil)
	if err := command(t, single, "CLUSTER", "ADDSLOTSRANGE", "0", "16383").Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is there", func() bool {
		info, err := command(t, single, "CLUSTER", "INFO").ToString()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	c := open(t, s.URL, nil)
	if mode := c.link.present.Load().client.Mode(); mode != rueidis.ClientModeCluster {
		t.Errorf("connected as to a %s", mode)
	}
	cachetest.Run(t, func(t *testing.T) sdk.Cache { return open(t, s.URL, nil) })
}

func TestContractOverRPC(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each test of the suite")
	}
	t.Parallel()
	s := redistest.Start(t)
	t.Run("one", func(t *testing.T) {
		cachetest.Run(t, func(t *testing.T) sdk.Cache { return process(t, s.URL, rand.Text()).Cache() })
	})
	t.Run("two", func(t *testing.T) {
		cachetest.RunShared(t, func(t *testing.T) (a, b sdk.Cache) {
			prefix := rand.Text()
			return process(t, s.URL, prefix).Cache(), process(t, s.URL, prefix).Cache()
		})
	})
}

// process runs the plugin as a process of its own.
func process(t *testing.T, url, prefix string) *plugintest.Plugin {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Command(t, []string{self}, plugintest.Config{"url": url, "key_prefix": prefix, "call_timeout": "10s", "connect_timeout": "10s"})
}

// What has expired leaves the lists and figures, not only Redis.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, nil)
	const n = 2*portion + 10
	var all []sdk.Entry
	for i := range n {
		all = append(all, entry("ns", fmt.Sprint(i), "v", time.Second))
	}
	put(t, r, append(all, entry("ns", "stays", "v", time.Hour), entry("ns", "deleted", "v", time.Second))...)
	if err := r.Delete(t.Context(), "ns", "deleted"); err != nil {
		t.Fatal(err)
	}
	if s := stats(t, r, "ns"); s.Entries != n+1 || s.Expired != 0 {
		t.Errorf("before: %+v", s)
	}
	eventually(t, "the entries expired", func() bool { return get(t, r, "ns", "0") == "-" && get(t, r, "ns", fmt.Sprint(n-1)) == "-" })
	// Nobody sweeps, and no page is empty for that.
	if page := changes(t, r, sdk.ChangesQuery{Limit: 10}); len(page.Changes) != 1 || page.Changes[0].Entry.Key != "stays" {
		t.Errorf("got %+v", page)
	}

	open(t, s.URL, func(c *config) { c.KeyPrefix, c.SweepInterval = r.config.KeyPrefix, time.Millisecond })
	eventually(t, "all is swept, traces of deletions too", func() bool {
		for name, want := range map[string]string{"order": "ZCARD", "expiry": "ZCARD", "size": "HLEN"} {
			if left, err := command(t, r, want, string(r.names)+name+":ns").AsInt64(); err != nil || left != 1 {
				return false
			}
		}
		return true
	})
	if s := stats(t, r, "ns"); s.Entries != 1 || s.Expired != n || s.Bytes != int64(len("staysv")) {
		t.Errorf("after: %+v", s)
	}
}

// Redis removes the entries by itself: also where no router is left to do it.
func TestEntriesExpireInRedis(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	put(t, r, entry("ns", "k", "v", time.Hour))
	if _, err := r.Add(t.Context(), "ns", "count", 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"k", "count"} {
		left, err := command(t, r, "PTTL", r.names.entry("ns", key)).AsInt64()
		if d := time.Duration(left) * time.Millisecond; err != nil || d > time.Hour || d < 50*time.Minute {
			t.Errorf("%s lives for %s, %v", key, d, err)
		}
	}
}

// An entry that Redis had no memory for is told of as gone.
func TestEvicted(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	put(t, r, entry("ns", "a", "v", time.Hour), entry("ns", "b", "v", time.Hour))
	if err := command(t, r, "DEL", r.names.entry("ns", "a")).Error(); err != nil {
		t.Fatal(err)
	}
	page := changes(t, r, sdk.ChangesQuery{})
	if len(page.Changes) != 2 || !page.Changes[0].Deleted || page.Changes[1].Deleted {
		t.Errorf("got %+v", page)
	}
	put(t, r, entry("ns", "a", "again", time.Hour))
	if s := stats(t, r, "ns"); s.Entries != 2 || s.Bytes != int64(len("aagainbv")) {
		t.Errorf("stats %+v", s)
	}
}

// What Redis evicts is noticed at a sweep, wherever in the lists it stands: it
// is counted, takes no room in the figures, and is told to who polls.
func TestWhatRedisEvictsIsCounted(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, func(c *config) { c.SweepInterval = time.Millisecond })
	const n = 3 * portion
	all := make([]sdk.Entry, n)
	for i := range all {
		all[i] = entry("ns", fmt.Sprintf("%05d", i), "v", time.Hour+time.Duration(i)*time.Second)
	}
	put(t, r, all...)
	cursor := changes(t, r, sdk.ChangesQuery{Limit: pageLimit}).Cursor
	cursor = changes(t, r, sdk.ChangesQuery{Limit: pageLimit, Cursor: cursor}).Cursor
	for _, i := range []int{0, n / 2, n - 1} {
		if err := command(t, r, "DEL", r.names.entry("ns", all[i].Key)).Error(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all three are counted", func() bool { return stats(t, r, "ns").Evicted == 3 })
	if s := stats(t, r, "ns"); s.Entries != n-3 || s.Bytes != (n-3)*int64(len("00000v")) || s.Expired != 0 {
		t.Errorf("stats %+v", s)
	}
	page := changes(t, r, sdk.ChangesQuery{Cursor: cursor})
	if len(page.Changes) != 3 {
		t.Errorf("%d changes are told", len(page.Changes))
	}
	for _, c := range page.Changes {
		if !c.Deleted {
			t.Errorf("%s is not told as gone", c.Entry.Key)
		}
	}
}

// The figures are those of a Redis that evicts by itself, too.
func TestAFullRedisIsCounted(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t, "--maxmemory", "3mb", "--maxmemory-policy", "volatile-ttl").URL, func(c *config) { c.SweepInterval = time.Millisecond })
	value := strings.Repeat("x", 10<<10)
	for i := range 400 {
		put(t, r, entry("ns", fmt.Sprint(i), value, time.Hour+time.Duration(i)*time.Second))
	}
	eventually(t, "evictions are counted", func() bool {
		s := stats(t, r, "ns")
		return s.Evicted > 0 && s.Entries+s.Evicted == 400 && s.Expired == 0
	})
}

func TestWarnsOfAPolicyThatEvictsTheLists(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"--maxmemory 100mb --maxmemory-policy allkeys-lru":  true,
		"--maxmemory 100mb --maxmemory-policy volatile-ttl": false,
		"--maxmemory-policy allkeys-lru":                    false, // without a limit nothing is evicted
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			p := process(t, redistest.Start(t, strings.Fields(args)...).URL, "p")
			put(t, p.Cache(), entry("ns", "k", "v", time.Hour))
			const warning = "may evict the lists"
			if want {
				if !p.Logged(warning) {
					t.Error("it does not warn")
				}
				return
			}
			// It would have said so before it was started.
			if p.Kill(); strings.Contains(p.Logs(), warning) {
				t.Errorf("it warns:\n%s", p.Logs())
			}
		})
	}
}

// An answer is bounded by its bytes too.
func TestLargeValuesComeInPages(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	large := strings.Repeat("x", maxAnswerBytes/2-1000)
	for i := range 5 {
		put(t, r, entry("ns", fmt.Sprint(i), large, time.Hour))
	}
	put(t, r, entry("ns", "huge", strings.Repeat("x", maxAnswerBytes+1), time.Hour))
	var pages []int
	for q := (sdk.ChangesQuery{}); ; {
		page := changes(t, r, q)
		pages = append(pages, len(page.Changes))
		q.Cursor = page.Cursor
		if !page.More {
			break
		}
	}
	if got := fmt.Sprint(pages); got != "[2 2 1 1]" {
		t.Errorf("pages of %s", got)
	}
	if page := changes(t, r, sdk.ChangesQuery{KeysOnly: true}); len(page.Changes) != 6 || page.More {
		t.Errorf("%d keys, more %v", len(page.Changes), page.More)
	}
}

// A router that was away for longer than Redis was: with all gone, its cursor
// is as good as none.
func TestCursorOfAWipedServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, nil)
	put(t, r, entry("ns", "old", "v", time.Hour))
	cursor := changes(t, r, sdk.ChangesQuery{}).Cursor
	s.Stop()
	s.Wipe()
	s.Restart()
	eventually(t, "it is back", func() bool { return r.Put(t.Context(), entry("ns", "new", "v", time.Hour)) == nil })
	page := changes(t, r, sdk.ChangesQuery{Cursor: cursor})
	if len(page.Changes) != 1 || page.Changes[0].Entry.Key != "new" {
		t.Errorf("got %+v", page)
	}
}

// Redis is back with less than it had, as from a snapshot: what is written
// since comes after every cursor that was ever given.
func TestCursorOfASnapshot(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	put(t, r, entry("ns", "kept", "v", time.Hour))
	changes(t, r, sdk.ChangesQuery{})
	meta, err := command(t, r, "DUMP", r.names.meta()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	put(t, r, entry("ns", "lost", "v", time.Hour))
	cursor := changes(t, r, sdk.ChangesQuery{}).Cursor
	if err := command(t, r, "RESTORE", r.names.meta(), "0", meta, "REPLACE").Error(); err != nil {
		t.Fatal(err)
	}
	if page := changes(t, r, sdk.ChangesQuery{Cursor: cursor}); len(page.Changes) != 2 {
		t.Errorf("a cursor from beyond the end answers %+v", page)
	}
	put(t, r, entry("ns", "new", "v", time.Hour))
	page := changes(t, r, sdk.ChangesQuery{Cursor: cursor})
	if len(page.Changes) != 1 || page.Changes[0].Entry.Key != "new" {
		t.Errorf("got %+v", page)
	}
}

func TestFarExpiry(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	e := entry("ns", "k", "v", 0)
	e.Expires = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)
	put(t, r, e)
	got, ok, err := r.Get(t.Context(), "ns", "k")
	if err != nil || !ok || !got.Expires.Equal(lastExpiry) {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
}

func BenchmarkPut(b *testing.B) {
	r := open(b, redistest.Start(b).URL, nil)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			put(b, r, entry("ns", fmt.Sprint(i%1000), strings.Repeat("x", 1024), time.Hour))
		}
	})
}

func BenchmarkGet(b *testing.B) {
	r := open(b, redistest.Start(b).URL, nil)
	for i := range 1000 {
		put(b, r, entry("ns", fmt.Sprint(i), strings.Repeat("x", 1024), time.Hour))
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			get(b, r, "ns", fmt.Sprint(i%1000))
		}
	})
}
