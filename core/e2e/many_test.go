package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// startFleet starts routers with one configuration and one Redis, each with a
// data folder of its own, and a balancer in front, which is asked like a router.
func startFleet(t *testing.T, n int, hcl string, env ...string) (front *router, routers []*router) {
	t.Helper()
	for range n {
		routers = append(routers, startRouter(t, hcl, env...))
	}
	return &router{t: t, URL: balance(t, routers...).URL}, routers
}

// all reports whether it holds for the channel in each of the routers.
func all(routers []*router, channel string, holds func(server.ChannelStatus) bool) func() bool {
	return func() bool {
		for _, r := range routers {
			if !holds(r.channels()[channel]) {
				return false
			}
		}
		return true
	}
}

// unban lifts the bans of a channel by hand.
func (r *router) unban(channel string) {
	r.t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"channel":%q}`, channel))
	if _, err := r.askAdmin(r.t.Context(), http.MethodPost, "/admin/unban", body); err != nil {
		r.t.Fatal(err)
	}
}

func bannedFor(class board.Class) func(server.ChannelStatus) bool {
	return func(c server.ChannelStatus) bool { return len(c.Bans) == 1 && c.Bans[0].Class == class }
}

func unbanned(c server.ChannelStatus) bool { return len(c.Bans) == 0 }

// What one router finds out, all know: bans and their end, health, keys,
// answers and who made a response.
func TestRoutersShareWhatTheyKnow(t *testing.T) {
	t.Parallel()
	_, env := startRedis(t)
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	front, routers := startFleet(t, 3, listen+
		channel("first", first.URL(), upstreamKey, "priority = 1")+
		channel("second", second.URL(), upstreamKey, "priority = 2")+sharedCache, env)
	wait(t, "all know that the first is up", all(routers, "first", func(c server.ChannelStatus) bool { return c.State == "up" }))
	obey := func(what string) {
		t.Helper()
		before := len(chatsAt(first))
		for i := range 6 {
			if err := front.ask(t.Context(), "m", i%2 == 0, fmt.Sprint(what, i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(chatsAt(first)) - before; n != 0 {
			t.Errorf("%s: the channel was asked %d times by routers that know of its ban", what, n)
		}
	}

	first.Break(wall.Status(429).RetryAfter("120").On("/v1/chat").Times(1))
	routers[0].asks(chatBody("m", false, "the first limit"))
	wait(t, "all obey the ban that one has seen", all(routers, "first", bannedFor(board.RateLimit)))
	obey("rate")

	routers[1].unban("first")
	wait(t, "all have lifted it", all(routers, "first", unbanned))

	// A refused key, which is good again.
	first.Break(wall.Status(401))
	routers[2].asks(chatBody("m", false, "the refused key"))
	wait(t, "all know that the key is refused", all(routers, "first", func(c server.ChannelStatus) bool {
		return c.Key == "invalid" && bannedFor(board.Auth)(c)
	}))
	obey("key")
	first.Mend()
	routers[0].unban("first")
	wait(t, "all have lifted that too", all(routers, "first", unbanned))
	routers[0].asks(chatBody("m", false, "the good key"))
	wait(t, "all know that the key is good", all(routers, "first", func(c server.ChannelStatus) bool { return c.Key == "valid" }))

	// An answer that one has given.
	routers[0].cached("an answer")
	for i, r := range routers {
		wait(t, fmt.Sprint("router ", i, " has the answer"), func() bool {
			_, h, _ := r.asks(chatBody("m", false, "an answer"))
			return h.Get("X-Cache") == "hit"
		})
	}

	// A response that one has passed on.
	one := routers[0].respond(nil)
	routers[0].written()
	for _, r := range routers {
		if resp, body := r.by(http.MethodGet, one.id); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Smartrouter-Channel") != one.channel {
			t.Errorf("the response is not found: %s %s", resp.Status, body)
		}
	}
	for _, r := range routers {
		if strings.Contains(r.log.String(), upstreamKey) || strings.Contains(r.log.String(), redisPassword) {
			t.Error("a secret is in the log")
		}
	}
}

// A caller's key leads to the same answers on every router.
func TestTheTenantIsTheSameOnEveryRouter(t *testing.T) {
	t.Parallel()
	_, env := startRedis(t)
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	var blocks, keys []string
	for _, name := range []string{"alice", "bob"} {
		block, err := cli(t, "key", name)
		if err != nil {
			t.Fatal(err)
		}
		blocks, keys = append(blocks, block), append(keys, "Bearer "+sentKey.FindString(block))
	}
	_, routers := startFleet(t, 2, listen+channel("a", w.URL(), upstreamKey)+sharedCache+strings.Join(blocks, ""), env)
	body := chatBody("m", false, "who am I?")
	wait(t, "alice's answer is kept", func() bool {
		_, h, _ := routers[0].asks(body, "Authorization", keys[0])
		return h.Get("X-Cache") == "hit"
	})
	wait(t, "it is hers on the other router", func() bool {
		_, h, _ := routers[1].asks(body, "Authorization", keys[0])
		return h.Get("X-Cache") == "hit"
	})
	if _, h, _ := routers[1].asks(body, "Authorization", keys[1]); h.Get("X-Cache") != "miss" {
		t.Errorf("for bob it is a %s", h.Get("X-Cache"))
	}
	one := routers[0].respond(nil, "Authorization", keys[0])
	routers[0].written()
	if resp, body := routers[1].by(http.MethodGet, one.id, "Authorization", keys[0]); resp.StatusCode != http.StatusOK {
		t.Errorf("alice does not find her response: %s %s", resp.Status, body)
	}
	if resp, body := routers[1].by(http.MethodGet, one.id, "Authorization", keys[1]); resp.StatusCode != http.StatusNotFound {
		t.Errorf("bob finds it: %s %s", resp.Status, body)
	}
}

var sentKey = regexp.MustCompile(`sr-\S+`)

// Three routers under load behind a balancer, while Redis is killed twice: no
// request fails, each goes on with what it knows, and they agree again.
func TestRedisKilledTwiceUnderThreeRouters(t *testing.T) {
	t.Parallel()
	redis, env := startRedis(t)
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	front, routers := startFleet(t, 3, listen+
		channel("first", first.URL(), upstreamKey, "priority = 1")+
		channel("second", second.URL(), upstreamKey, "priority = 2")+sharedCache, env)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	done := make(chan []error)
	go func() {
		var errs []error
		for ctx.Err() == nil {
			errs = append(errs, front.load(context.WithoutCancel(ctx), 12, 120, "m")...)
			sent.Add(120)
		}
		done <- errs
	}()
	more := func(what string) {
		t.Helper()
		before := sent.Load()
		wait(t, what+" goes on", func() bool { return sent.Load() >= before+240 })
	}
	for round := range 2 {
		more("the load with Redis")
		redis.Kill()
		if round == 1 {
			redis.Wipe()
		}
		more("the load without Redis")
		// What a router finds out now, the others can't know yet.
		first.Break(wall.Status(429).RetryAfter("200").On("/v1/chat").Times(1))
		wait(t, "one has seen the limit", func() bool {
			for _, r := range routers {
				if bannedFor(board.RateLimit)(r.channels()["first"]) {
					return true
				}
			}
			return false
		})
		for i, r := range routers {
			wait(t, fmt.Sprint("router ", i, " says that the store is away"), func() bool { return strings.Contains(r.log.String(), "the store is away") })
		}
		redis.Restart()
		wait(t, "all know of the ban that one saw while Redis was gone", all(routers, "first", bannedFor(board.RateLimit)))
		more("the load with Redis again")
		routers[round].unban("first")
		wait(t, "all have lifted it", all(routers, "first", unbanned))
	}
	cancel()
	if errs := <-done; len(errs) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(errs), sent.Load(), errs[0])
	}
	t.Logf("%d requests", sent.Load())
	for i, r := range routers {
		if n := r.metric("smartrouter_requests_total", `status="200"`); n < float64(sent.Load())/6 {
			t.Errorf("router %d answered only %v of %d requests: the load was not spread", i, n, sent.Load())
		}
		if r.metric("smartrouter_store_looks_total", `result="error"`) == 0 || r.metric("smartrouter_shared_view_age_seconds") > 60 {
			t.Errorf("the metrics of router %d say nothing of it", i)
		}
	}
}

// Three routers under load while Redis is frozen: it takes what is sent and says
// nothing. No request fails or waits for it, not even one whose answer it has.
func TestRedisFrozenUnderThreeRouters(t *testing.T) {
	t.Parallel()
	redis, env := startRedis(t)
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	// The plugin itself would wait for Redis longer than the test does.
	patient := strings.NewReplacer(
		`max_reconnect_pause`, "call_timeout = \"10m\"\n    max_reconnect_pause",
		`timeout = "10s" # the machine is busy`, `timeout = "20ms"`)
	front, routers := startFleet(t, 3, listen+
		channel("first", first.URL(), upstreamKey, "priority = 1", "requests_per_minute = 100000")+
		channel("second", second.URL(), upstreamKey, "priority = 2")+patient.Replace(sharedCache), env)
	wait(t, "all know each other", settled(routers))
	for _, r := range routers {
		wait(t, "an answer is kept", func() bool {
			return r.metric("smartrouter_answers_known") > 0 || r.ask(t.Context(), "m", false, "known") != nil
		})
	}
	failed := func() (n float64) {
		for _, r := range routers {
			n += r.metric("smartrouter_plugin_calls_total", `plugin="plugin.cache.shared"`, `method="get"`, `result="error"`)
		}
		return n
	}
	press := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*waitLimit)
		defer cancel()
		if errs := front.load(ctx, 12, 240, "m"); len(errs) > 0 {
			t.Errorf("%s: %d of 240 requests failed, the first: %v", what, len(errs), errs[0])
		}
	}
	press("with Redis")
	before := failed()
	redis.Freeze()
	press("Redis is frozen")
	if err := front.ask(t.Context(), "m", false, "known"); err != nil {
		t.Error(err)
	}
	if now := failed(); now <= before {
		t.Errorf("%v calls had failed before Redis was frozen, and %v now: it was not asked", before, now)
	}
	for i, r := range routers {
		wait(t, fmt.Sprint("router ", i, " says that the store is away"), func() bool { return strings.Contains(r.log.String(), "the store is away") })
	}
	// What a router finds out now, the others learn later.
	first.Break(wall.Status(429).RetryAfter("200").On("/v1/chat").Times(1))
	press("one sees a limit")
	for _, r := range routers {
		if l := r.channels()["first"].Limits; len(l) != 1 || l[0].Share == nil || *l[0].Share == 0 {
			t.Errorf("the share of a minute's limit was not kept: %+v", l)
		}
	}
	redis.Thaw()
	wait(t, "all know of the ban that one saw while Redis was frozen", all(routers, "first", bannedFor(board.RateLimit)))
	press("with Redis again")
}

// Three routers behind a balancer never have more requests at a provider than
// its channel allows, while Redis is killed, comes back empty, and a router is
// killed; and no request fails.
func TestMaxInFlightOverThreeRouters(t *testing.T) {
	t.Parallel()
	const limit, took = 6, 150 * time.Millisecond
	redis, env := startRedis(t)
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	w.Break(wall.Latency(took).On("/v1/chat"))
	hcl := listen + channel("a", w.URL(), upstreamKey, fmt.Sprintf("max_in_flight = %d", limit), "queue = 1000", `timeouts { pool = "60s" }`) +
		strings.Replace(sharedCache, `ttl     = "10m"`, `ttl     = "0s"`, 1)
	front, routers := startFleet(t, 3, hcl, env)
	wait(t, "all know each other", settled(routers))
	var failed []error
	press := func(what string) {
		t.Helper()
		failed = append(failed, front.load(t.Context(), 24, 240, "m")...)
		most := overlap(chatsAt(w), took)
		if most > limit {
			t.Errorf("%s: %d requests at the same time, of %d", what, most, limit)
		}
		t.Logf("%s: at most %d at the same time", what, most)
	}
	press("with Redis")
	if most := together(chatsAt(w)); most < limit-1 {
		t.Errorf("only %d requests at the same time, of %d", most, limit)
	}
	// Killed while all are busy: a router keeps the share that it had, and an idle
	// one has none.
	asked, killed := len(chatsAt(w)), make(chan struct{})
	go func() {
		defer close(killed)
		for len(chatsAt(w)) < asked+60 {
			time.Sleep(10 * time.Millisecond) // between two looks
		}
		redis.Kill()
	}()
	press("without Redis")
	<-killed
	redis.Wipe()
	redis.Restart()
	press("with an empty Redis")
	wait(t, "all know each other again", settled(routers))
	press("with Redis again")
	if len(failed) > 0 {
		t.Errorf("%d requests failed, the first: %v", len(failed), failed[0])
	}

	// The share of one that is killed is the others' when its lease ends.
	routers[0].stop(syscall.SIGKILL)
	routers = routers[1:]
	wait(t, "the others have all places", func() bool {
		sum := 0.0
		for _, r := range routers {
			sum += r.metric("smartrouter_channel_share", `limit="in_flight"`)
		}
		return sum == limit
	})
	wait(t, "the status tells of the other", func() bool {
		f := routers[0].status().Fleet
		return f != nil && f.Routers == 2 && f.Settled && f.Told != nil
	})
	if l := routers[0].channels()["a"].Limits; len(l) != 1 || l[0].Limit != board.LimitInFlight || l[0].Most != limit || l[0].Share == nil {
		t.Errorf("the list says of limits: %+v", l)
	}
}

// settled reports whether the routers know each other and share out limits.
func settled(routers []*router) func() bool {
	return func() bool {
		for _, r := range routers {
			if r.metric("smartrouter_routers") != float64(len(routers)) || r.metric("smartrouter_routers_settled") != 1 {
				return false
			}
		}
		return true
	}
}

// Of 600 requests and 12,000 tokens a minute three routers let no more through,
// and nearly all: by one of them while the others are idle, and by all together.
func TestLimitsPerMinuteOverThreeRouters(t *testing.T) {
	t.Parallel()
	const requests, tokens = 600, 12_000
	// A minute as the provider sees it is shorter by what requests take on their
	// way.
	const minute = 55 * time.Second
	_, env := startRedis(t)
	counted := wall.Start(t, wall.Key(upstreamKey), wall.Models("counted"), wall.Answer("yes"))
	weighed := wall.Start(t, wall.Key(upstreamKey), wall.Models("weighed"), wall.Answer(strings.Repeat("word ", 40)))
	front, routers := startFleet(t, 3, listen+
		channel("counted", counted.URL(), upstreamKey, fmt.Sprintf("requests_per_minute = %d", requests), "queue = 0")+
		channel("weighed", weighed.URL(), upstreamKey, fmt.Sprintf("tokens_per_minute = %d", tokens))+
		strings.Replace(sharedCache, `ttl     = "10m"`, `ttl     = "0s"`, 1), env)
	wait(t, "all know each other", settled(routers))

	var usage atomic.Int64 // of one request at weighed, all of which are the same
	// press asks for a model until its provider has got so many requests more.
	press := func(r *router, model string, asked func() int, want func() int) {
		body := fmt.Appendf(nil, `{"model":%q,"max_tokens":80,"messages":[{"role":"user","content":"How many?"}]}`, model)
		deadline := time.Now().Add(time.Minute + 2*waitLimit)
		before := asked()
		var clients sync.WaitGroup
		for range 12 {
			clients.Go(func() {
				for asked()-before < want() && time.Now().Before(deadline) {
					resp, answer, err := r.post(t.Context(), "/chat/completions", body)
					switch {
					case err != nil:
						t.Errorf("%s: %v", model, err)
						return
					case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
						time.Sleep(50 * time.Millisecond) // between two tries
					case resp.StatusCode != http.StatusOK:
						t.Errorf("%s: %s %s", model, resp.Status, answer)
						return
					case model == "weighed":
						var x struct {
							Usage struct {
								Total int64 `json:"total_tokens"`
							}
						}
						if err := json.Unmarshal(answer, &x); err != nil || x.Usage.Total == 0 {
							t.Errorf("%v %s", err, answer)
							return
						}
						usage.Store(x.Usage.Total)
					}
				}
			})
		}
		clients.Wait()
		if got := asked() - before; got < want() {
			t.Errorf("%s: only %d requests were let through, want %d", model, got, want())
		}
	}
	asked := func(w *wall.Wall) func() int { return func() int { return len(chatsAt(w)) } }
	both := func(what string, r *router) {
		var models sync.WaitGroup
		began := time.Now()
		models.Go(func() { press(r, "counted", asked(counted), func() int { return requests * 95 / 100 }) })
		models.Go(func() {
			press(r, "weighed", asked(weighed), func() int { return int(tokens * 95 / 100 / max(1, usage.Load())) })
		})
		models.Wait()
		t.Logf("%s: after %s", what, time.Since(began))
	}
	both("by one", routers[0])
	both("by all", front)

	if most := overlap(chatsAt(counted), minute); most > requests {
		t.Errorf("%d requests within a minute, of %d", most, requests)
	}
	if most := int64(overlap(chatsAt(weighed), minute)) * usage.Load(); most > tokens*105/100 {
		t.Errorf("%d tokens within a minute, of %d", most, tokens)
	}
	for i, r := range routers[1:] {
		for _, channel := range []string{"counted", "weighed"} {
			if r.metric("smartrouter_tries_total", fmt.Sprintf("channel=%q", channel), `result="ok"`) == 0 {
				t.Errorf("router %d had no turn at %s", i+1, channel)
			}
		}
	}
}

// together is how many of the requests were under way at the same time, as the
// provider saw it: until it had noticed the end of each.
func together(all []wall.Request) (most int) {
	for _, q := range all {
		n := 0
		for _, o := range all {
			if !o.Began.After(q.Began) && q.Began.Before(o.Began.Add(o.Took)) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// overlap is how many of the requests were under way at the same time, each for
// as long as it surely was.
func overlap(all []wall.Request, least time.Duration) (most int) {
	var began []time.Time
	for _, q := range all {
		began = append(began, q.Began)
	}
	slices.SortFunc(began, time.Time.Compare)
	first := 0
	for i, at := range began {
		for at.Sub(began[first]) >= least {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
