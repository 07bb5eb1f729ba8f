package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// quick finds out soon that Redis is gone, and back.
func quick(c *config) {
	c.CallTimeout, c.ConnectTimeout, c.MaxReconnectPause = 300*time.Millisecond, 300*time.Millisecond, 100*time.Millisecond
}

// calls are all methods, by name.
func calls(c sdk.Cache) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"get":     func(ctx context.Context) error { _, _, err := c.Get(ctx, "ns", "k"); return err },
		"put":     func(ctx context.Context) error { return c.Put(ctx, entry("ns", "k", "v", time.Hour)) },
		"delete":  func(ctx context.Context) error { return c.Delete(ctx, "ns", "k") },
		"add":     func(ctx context.Context) error { _, err := c.Add(ctx, "ns", "n", 1, time.Hour); return err },
		"changes": func(ctx context.Context) error { _, err := c.Changes(ctx, sdk.ChangesQuery{}); return err },
		"stats":   func(ctx context.Context) error { _, err := c.Stats(ctx); return err },
	}
}

// wantUnavailable: every call fails with Unavailable, and none hangs.
func wantUnavailable(t *testing.T, c sdk.Cache) {
	t.Helper()
	for name, call := range calls(c) {
		began := time.Now()
		if err := call(t.Context()); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		}
	}
}

func wantWorking(t *testing.T, c sdk.Cache) {
	t.Helper()
	eventually(t, "a put works", func() bool { return calls(c)["put"](t.Context()) == nil })
	// On a busy machine one may be too late.
	for name, call := range calls(c) {
		eventually(t, name+" works", func() bool { return call(t.Context()) == nil })
	}
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, quick)
	for range 3 {
		wantWorking(t, r)
		s.Kill()
		wantUnavailable(t, r)
		s.Restart()
	}
	wantWorking(t, r)
}

// Without a call that notices, the connection is there again before the next.
func TestReconnectsWhileIdle(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, quick)
	before := r.link.present.Load()
	s.Kill()
	s.Restart()
	eventually(t, "the connection is a new one", func() bool {
		now := r.link.present.Load()
		return now != before && now.client != nil
	})
	eventually(t, "it answers over the new one", func() bool {
		_, ok, err := r.Get(t.Context(), "ns", "k")
		return !ok && err == nil
	})
}

// A server that hangs is found out, and is found again.
func TestFrozen(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, quick)
	wantWorking(t, r)
	s.Freeze()
	wantUnavailable(t, r)
	eventually(t, "calls fail at once", func() bool { return r.link.present.Load().client == nil })
	s.Thaw()
	wantWorking(t, r)
}

// A caller's own deadline is an error of its own, and harms nobody else.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, func(c *config) { c.CallTimeout = time.Minute })
	wantWorking(t, r)
	before := r.link.present.Load()
	s.Freeze()
	waiting := make(chan error, 1)
	go func() { waiting <- calls(r)["put"](context.Background()) }()
	for name, call := range calls(r) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	s.Thaw()
	if err := <-waiting; err != nil {
		t.Errorf("who had time: %v", err)
	}
	if r.link.present.Load() != before {
		t.Error("the connection was given up")
	}
}

func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	r := open(t, s.URL, quick)
	wantUnavailable(t, r)
	s.Restart()
	wantWorking(t, r)
}

// One that takes connections and says nothing, such as a wrong port, neither
// holds up the start nor a call.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := open(t, "redis://"+l.Addr().String(), quick)
	wantUnavailable(t, r)
}

// A master that became a replica refuses to write; the next connection may lead
// to the new one.
func TestDemoted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := open(t, s.URL, quick)
	wantWorking(t, r)
	before := r.link.present.Load()
	if err := command(t, r, "REPLICAOF", "127.0.0.1", "1").Error(); err != nil {
		t.Fatal(err)
	}
	if err := calls(r)["put"](t.Context()); status.Code(err) != codes.Unavailable {
		t.Errorf("put: %v", err)
	}
	eventually(t, "the connection is a new one", func() bool {
		now := r.link.present.Load()
		return now != before && now.client != nil
	})
	eventually(t, "it is made a master again", func() bool {
		s := r.link.present.Load()
		return s.client != nil && s.client.Do(t.Context(), s.client.B().Arbitrary("REPLICAOF", "NO", "ONE").Build()).Error() == nil
	})
	wantWorking(t, r)
}

// What is there when all is well is there after ten ends of Redis, and nothing
// after Close.
func TestNoGoroutineIsLeft(t *testing.T) {
	s := redistest.Start(t)
	before := runtime.NumGoroutine()
	r := open(t, s.URL, quick)
	wantWorking(t, r)
	// A wake-up timer may run for a moment, so it is waited for.
	const spare = 3
	working := runtime.NumGoroutine()
	for i := range 10 {
		end := s.Kill
		if i%2 == 0 {
			end = s.Freeze
		}
		end()
		var wg sync.WaitGroup
		for range 20 {
			for _, call := range calls(r) {
				wg.Go(func() { call(t.Context()) })
			}
		}
		wg.Wait()
		s.Kill()
		s.Restart()
		wantWorking(t, r)
	}
	eventually(t, "the goroutines are those of the beginning", func() bool { return runtime.NumGoroutine() <= working+spare })
	closeNow(t, r)
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+1 }) // the server's own
	wantUnavailable(t, r)
}

// What Put and Add returned for is there after Redis is killed, and no more of
// a counter than was asked for: 8 processes write meanwhile.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	const rounds, writers = 3, 8
	prefix := "kill"
	var caches []sdk.Cache
	for range writers {
		caches = append(caches, process(t, s.URL, prefix).Cache())
	}
	added, inDoubt := int64(0), int64(0)
	var kept []string
	for round := range rounds {
		acknowledged := make([][]string, writers)
		adds := make([]int64, writers)
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		for w, cache := range caches {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("%d-%d-%d", round, w, i)
					if cache.Put(t.Context(), entry("ns", key, key, time.Hour), entry("twin", key, key, time.Hour)) != nil {
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
		s.Kill()
		wg.Wait()
		s.Restart()
		for w, cache := range caches {
			kept = append(kept, acknowledged[w]...)
			added += adds[w]
			eventually(t, "all are back", func() bool { _, _, err := cache.Get(t.Context(), "ns", "none"); return err == nil })
		}
		inDoubt += writers // each may have been cut off between the write and the answer
	}

	cache := caches[0]
	for _, key := range kept {
		if got := get(t, cache, "ns", key); got != key {
			t.Fatalf("%s is lost: %q", key, got)
		}
	}
	count, err := cache.Add(t.Context(), "ns", "count", 0, time.Hour)
	if err != nil || count < added || count > added+inDoubt {
		t.Errorf("the counter is %d, %v; %d were answered", count, err, added)
	}
	// All entries of a put or none, also of one that was cut off.
	if a, b := stats(t, cache, "ns").Entries, stats(t, cache, "twin").Entries; a != b+1 {
		t.Errorf("%d entries besides the counter, and %d twins", a-1, b)
	}
	t.Logf("%d entries kept over %d kills", len(kept), rounds)
}

// Redis refuses what it has no memory for: that is an error, and nothing is half
// done.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	r := open(t, redistest.Start(t).URL, nil)
	put(t, r, entry("ns", "old", "v", time.Hour))
	if err := command(t, r, "CONFIG", "SET", "maxmemory", "1").Error(); err != nil {
		t.Fatal(err)
	}
	err := r.Put(t.Context(), entry("ns", "a", "v", time.Hour), entry("ns", "b", "v", time.Hour))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("put: %v", err)
	}
	if _, err := r.Add(t.Context(), "ns", "n", 1, time.Hour); status.Code(err) != codes.Unavailable {
		t.Errorf("add: %v", err)
	}
	if got := get(t, r, "ns", "old") + get(t, r, "ns", "a") + get(t, r, "ns", "n"); got != "v--" {
		t.Errorf("got %s", got)
	}
	if err := command(t, r, "CONFIG", "SET", "maxmemory", "0").Error(); err != nil {
		t.Fatal(err)
	}
	wantWorking(t, r)
	if s := stats(t, r, "ns"); s.Entries != 2 { // that and the counter
		t.Errorf("stats %+v", s)
	}
}

// No password is in an error or in the log, right or wrong.
func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-p4ss"
	s := redistest.Start(t, "--requirepass", secret)
	with := func(password string) string { return strings.Replace(s.URL, "redis://", "redis://:"+password+"@", 1) }
	wantWorking(t, process(t, with(secret), "p").Cache())

	for name, url := range map[string]string{
		"right, and the server goes": with(secret),
		"wrong":                      with("wr0ng-p4ss"),
		"of nobody":                  "redis://n0body:wr0ng-p4ss@" + s.Addr,
		"none":                       s.URL,
	} {
		t.Run(name, func(t *testing.T) {
			p := process(t, url, "p")
			if url == with(secret) {
				wantWorking(t, p.Cache())
				s.Kill()
				defer s.Restart()
			}
			for method, call := range calls(p.Cache()) {
				err := call(t.Context())
				if status.Code(err) != codes.Unavailable {
					t.Errorf("%s: %v", method, err)
				} else if strings.Contains(err.Error(), "p4ss") || strings.Contains(err.Error(), "n0body") {
					t.Errorf("%s shows it: %v", method, err)
				}
			}
			if !p.Logged(s.Addr) {
				t.Error("the log does not speak of it")
			}
			if p.Kill(); strings.Contains(p.Logs(), "p4ss") {
				t.Errorf("the log:\n%s", p.Logs())
			}
		})
	}
}

// Only where nothing listens does nobody reach Redis: one that does not answer
// may answer others.
func TestSaysThatRedisIsGoneOnlyWhereItIs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := process(t, s.URL, "p")
	c := p.Cache()
	wantWorking(t, c)
	gone := func() bool {
		_, _, err := c.Get(t.Context(), "ns", "k")
		return sdk.IsStoreGone(err)
	}
	if gone() {
		t.Error("gone while it is there")
	}
	s.Kill()
	eventually(t, "it is known to be gone", gone)
	s.Restart()
	wantWorking(t, c)
	s.Freeze()
	defer s.Thaw()
	eventually(t, "it is noticed that nothing answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.Get(ctx, "ns", "k")
		return err != nil
	})
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _, err := c.Get(ctx, "ns", "k")
		cancel()
		if err == nil || sdk.IsStoreGone(err) {
			t.Fatalf("one that is frozen: %v", err)
		}
	}
}

// What an old try found is not what holds while a newer one hangs: others may reach
// Redis by then.
func TestIsNotGoneForLongerThanWasSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		option := rueidis.ClientOption{InitAddress: []string{"127.0.0.1:1"}, DisableCache: true}
		option.DialCtxFn = func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			if tries.Add(1) <= 3 {
				return nil, syscall.ECONNREFUSED
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		l := newLink(option, time.Second, time.Second)
		defer time.Sleep(time.Second) // until the goroutines of the client have ended
		defer l.close()
		gone := func() bool {
			_, err := l.do(t.Context(), nil)
			if status.Code(err) != codes.Unavailable {
				t.Errorf("not unavailable: %v", err)
			}
			return sdk.IsStoreGone(err)
		}
		if err := l.firstTry(t.Context()); err != nil || !gone() {
			t.Fatalf("one that refuses is not gone: %v", err)
		}
		time.Sleep(10 * time.Second)
		if n := tries.Load(); n != 4 || gone() {
			t.Errorf("%d tries, and gone is what the third found", n)
		}
	})
}
