package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

// pressure is what came of clients that ask without a pause.
type pressure struct {
	good, shed atomic.Int64
	mu         sync.Mutex
	refusals   []time.Duration // how long they took
	errs       []error
}

// press asks by so many clients for a time. One that is refused comes again
// after a moment; the Retry-After of a second would make the test last longer.
func (r *router) press(ctx context.Context, clients int, span time.Duration) *pressure {
	p := &pressure{}
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				resp, body, err := r.post(context.WithoutCancel(ctx), "/chat/completions", chatBody("m", false, "hello"))
				switch {
				case err == nil && resp.StatusCode == http.StatusOK:
					p.good.Add(1)
				case err == nil && resp.StatusCode == http.StatusTooManyRequests && code(body) == "router_overloaded" && resp.Header.Get("Retry-After") == "1":
					p.shed.Add(1)
					p.mu.Lock()
					p.refusals = append(p.refusals, time.Since(begun))
					p.mu.Unlock()
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				default:
					p.mu.Lock()
					p.errs = append(p.errs, fmt.Errorf("%w %v %s", err, resp, body))
					p.mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return p
}

// Twice as many clients as may be served take little from those that are
// served; the others hear that they are too many.
func TestTwiceTheLoad(t *testing.T) {
	t.Parallel()
	const most = 24
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Latency(150*time.Millisecond).On("/v1/chat")))
	r := startRouter(t, fmt.Sprintf(`
server {
  address       = "127.0.0.1:0"
  max_in_flight = %d
}
admin { address = "127.0.0.1:0" }
`, most)+channel("a", w.URL(), upstreamKey))
	r.press(t.Context(), most, time.Second) // connections and leases are there
	// In turn, and the best of each: the machine may stand still in any of them.
	var shed, was, good int64
	for range 4 {
		once, twice := r.press(t.Context(), most, time.Second), r.press(t.Context(), 2*most, time.Second)
		if errs := append(once.errs, twice.errs...); len(errs) > 0 {
			t.Fatalf("%d requests were neither answered nor refused, the first: %v", len(errs), errs[0])
		}
		if n := once.shed.Load(); n > 0 {
			t.Errorf("%d were refused under the limit", n)
		}
		shed += once.shed.Load() + twice.shed.Load()
		was, good = max(was, once.good.Load()), max(good, twice.good.Load())
		// How fast they are is for a quiet machine to say.
		slices.Sort(twice.refusals)
		if n := len(twice.refusals); n > 0 {
			t.Logf("half of the refusals took at most %s", twice.refusals[n/2])
		}
	}
	if shed == 0 {
		t.Error("nobody was refused over the limit")
	}
	// Nine tenths on a quiet machine; the clients share this one with the router.
	t.Logf("%d requests were answered under twice the load, %d before", good, was)
	if good*2 < was {
		t.Errorf("%d requests were answered under twice the load, %d before", good, was)
	}
	r.counts(float64(shed), "smartrouter_requests_shed_total", `reason="in_flight"`)
}

// Fault 38: with a limit of memory, requests are refused instead of the process
// killed; and with the load the refusals go.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Remember(0))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey, "pool {\n    max_connections = 1000\n  }"), "GOMEMLIMIT=128MiB")
	if err := r.ask(t.Context(), "m", true, "hello"); err != nil { // the leases are there
		t.Fatal(err)
	}
	w.Break(wall.Silent().On("/v1/chat"))
	const clients = 200
	body := chatBody("m", true, string(bytes.Repeat([]byte("x"), 2<<20))) // 400 MB in all
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var refused atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			resp, got, err := r.post(ctx, "/chat/completions", body)
			switch {
			case err != nil: // left; or refused while the body was still being sent
			case resp.StatusCode != http.StatusTooManyRequests || code(got) != "router_overloaded":
				t.Errorf("%s %s", resp.Status, got)
			}
			refused.Add(1)
		})
	}
	shed := func() float64 { return r.metric("smartrouter_requests_shed_total", `reason="memory"`) }
	wait(t, "all are refused, or wait for the provider", func() bool {
		under := r.metric("smartrouter_requests_in_flight")
		return refused.Load()+int64(under) >= clients && refused.Load() > 0
	})
	if n := shed(); n == 0 || n == clients {
		t.Errorf("%v of %d requests were refused", n, clients)
	}
	// The race detector keeps several bytes for each; without the refusals
	// 400 MB and their copies would be here.
	if most := statusKB(t, r.cmd.Process.Pid, "VmHWM"); most > 1<<20 {
		t.Errorf("the process had %d MiB", most>>10)
	}
	leave()
	all.Wait()
	w.Mend()
	wait(t, "large requests are taken again", func() bool {
		resp, _, err := r.post(t.Context(), "/chat/completions", body)
		return err == nil && resp.StatusCode == http.StatusOK
	})
}
