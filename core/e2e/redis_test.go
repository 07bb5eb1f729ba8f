package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
)

const redisPassword = "s3cr3t-p4ss"

// startRedis runs a server that wants the password, and answers the variable
// that sharedCache reads.
func startRedis(t *testing.T) (s *redistest.Server, env string) {
	t.Helper()
	s = redistest.Start(t, "--requirepass", redisPassword)
	return s, "REDIS_URL=" + strings.Replace(s.URL, "redis://", "redis://:"+redisPassword+"@", 1)
}

// sharedCache keeps all that is kept in Redis.
const sharedCache = `
store { cache = plugin.cache.shared }

plugin "cache" "shared" {
  use = plugin.cache.redis
  config {
    url                 = env("REDIS_URL")
    max_reconnect_pause = "200ms"
  }
}

pipeline "default" {
  step "health"   { run = plugin.prober.models }
  step "answers" {
    run     = plugin.cache.shared
    ttl     = "10m"
    front   = "0B" # every hit is Redis's
    timeout = "10s" # the machine is busy
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`

// Fault 47: Redis is killed under load, twice. Answers that it has are misses
// meanwhile, and hits after; nothing that it acknowledged is lost.
func TestRedisKilledUnderLoadLosesNoRequest(t *testing.T) {
	t.Parallel()
	redis, env := startRedis(t)
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+sharedCache, env)
	t.Cleanup(func() {
		if strings.Contains(r.log.String(), redisPassword) {
			t.Error("the password is in the log")
		}
	})
	r.cached("again and again")
	r.cached("once, at the beginning")
	_, first, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "once, at the beginning"))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	done := make(chan []error)
	go func() {
		var errs []error
		for ctx.Err() == nil {
			// The same questions again and again: some are answered from Redis.
			errs = append(errs, r.load(context.WithoutCancel(ctx), 16, 160, "m")...)
			sent.Add(160)
		}
		done <- errs
	}()
	failed := func() float64 {
		return r.metric("smartrouter_plugin_calls_total", `plugin="plugin.cache.shared"`, `result="error"`)
	}
	more := func(what string) {
		t.Helper()
		before := sent.Load()
		wait(t, what+" goes on", func() bool { return sent.Load() >= before+480 })
	}
	for range 2 {
		more("the load with Redis")
		errors := failed()
		redis.Kill()
		// It is asked, and the answer is that it is not there.
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "again and again"))
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Cache") != "miss" {
			t.Errorf("without Redis: %v, %v, %s", err, resp, body)
		}
		more("the load without Redis")
		if now := failed(); now <= errors {
			t.Errorf("%v calls of the cache failed before Redis was killed, and %v now: nothing was shown", errors, now)
		}
		redis.Restart()
		r.cached("again and again")
	}
	cancel()
	if errs := <-done; len(errs) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(errs), sent.Load(), errs[0])
	}
	if p := pluginAt(r, "plugin.cache.shared"); p.State != catalog.Ready || crashed(p) {
		t.Errorf("the plugin's process did not stay: %+v", p)
	}

	// Another router finds what the first has kept.
	w.Forget()
	second := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+sharedCache, env)
	resp, body, err := second.post(t.Context(), "/chat/completions", chatBody("m", false, "once, at the beginning"))
	if err != nil || resp.Header.Get("X-Cache") != "hit" || !bytes.Equal(body, first) {
		t.Fatalf("another router: %v, %v, %s; the first: %s", err, resp, body, first)
	}
	for _, asked := range w.Requests() {
		if strings.HasSuffix(asked.Path, "/chat/completions") {
			t.Errorf("the provider was asked: %s %s", asked.Method, asked.Path)
		}
	}
}

// A Redis that is not there yet keeps no router from starting.
func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, env := startRedis(t)
	redis.Kill()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+sharedCache, env)
	for i := range 10 {
		if err := r.ask(t.Context(), "m", i%2 == 0, fmt.Sprint("question ", i)); err != nil {
			t.Fatal(err)
		}
	}
	redis.Restart()
	r.cached("after")
}
