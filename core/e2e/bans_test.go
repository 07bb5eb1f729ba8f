package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// channels of a router, by name.
func (r *router) channels() map[string]server.ChannelStatus {
	r.t.Helper()
	var list server.Channels
	if err := json.Unmarshal(r.admin("/admin/channels"), &list); err != nil {
		r.t.Fatal(err)
	}
	out := make(map[string]server.ChannelStatus, len(list.Channels))
	for _, c := range list.Channels {
		out[c.Name] = c
	}
	return out
}

// chatsAt are the chat requests that a wall got.
func chatsAt(w *wall.Wall) (out []wall.Request) {
	for _, q := range w.Requests() {
		if q.Path == "/v1/chat/completions" {
			out = append(out, q)
		}
	}
	return out
}

// whenOver are the requests that a wall got, once each has ended: it notices that
// behind the answer.
func whenOver(t *testing.T, w *wall.Wall) (all []wall.Request) {
	t.Helper()
	wait(t, "the provider is done", func() bool {
		all = w.Requests()
		return !slices.ContainsFunc(all, func(q wall.Request) bool { return !q.Ended })
	})
	return all
}

// fixedAdmin is listen with an admin address that the command line finds.
func fixedAdmin(t *testing.T) string {
	return fmt.Sprintf("server { address = \"127.0.0.1:0\" }\nadmin { address = %q }\n", freeAddress(t))
}

// two starts a router with two channels, of which first is tried first.
func two(t *testing.T, head string, rest ...string) (r *router, first, second *wall.Wall) {
	t.Helper()
	first = wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	second = wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	r = startRouter(t, head+
		channel("first", first.URL(), upstreamKey, append(rest, "priority = 1")...)+
		channel("second", second.URL(), upstreamKey, append(rest, "priority = 2")...))
	r.mustAsk("m")
	if len(chatsAt(first)) != 1 || len(chatsAt(second)) != 0 {
		t.Fatalf("%d and %d chats: nothing could be shown", len(chatsAt(first)), len(chatsAt(second)))
	}
	return r, first, second
}

func (r *router) mustAsk(model string) {
	r.t.Helper()
	if err := r.ask(r.t.Context(), model, false, "hello"); err != nil {
		r.t.Fatal(err)
	}
}

func TestRetryAfterParksATargetAndItReturns(t *testing.T) {
	t.Parallel()
	r, first, second := two(t, listen)
	first.Break(wall.Status(429).RetryAfter("2").On("/v1/chat").Times(1))
	r.mustAsk("m") // the second one answers
	limited := chatsAt(first)[1]
	got := r.channels()["first"]
	if len(got.Bans) != 1 || got.Bans[0].Class != board.RateLimit || got.Bans[0].Model != "m" || got.State == "banned" {
		t.Fatalf("the list says %+v", got)
	}
	if d := got.Bans[0].Until.Sub(got.Bans[0].Since); d != 2*time.Second {
		t.Errorf("banned for %s, and was asked for 2s", d)
	}
	r.counts(1, "smartrouter_bans_total", `channel="first"`, `class="rate_limit"`)
	wait(t, "the first channel answers again", func() bool {
		r.mustAsk("m")
		return len(chatsAt(first)) == 3
	})
	if d := chatsAt(first)[2].Began.Sub(limited.Began); d < 2*time.Second {
		t.Errorf("asked again after %s", d)
	}
	if len(chatsAt(second)) == 0 {
		t.Error("nobody answered meanwhile")
	}
	wait(t, "the ban is lifted", func() bool { r.mustAsk("m"); return len(r.channels()["first"].Bans) == 0 })
}

func TestARefusedKeyParksItsChannelUntilItIsGood(t *testing.T) {
	t.Parallel()
	head := fixedAdmin(t) + `
pipeline "default" {
  step "health" {
    run      = plugin.prober.models
    interval = "2s"
  }
  step "choose" { run = plugin.selector.smart }
  step "call" { run = provider.adapter }
}
`
	first := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "n"))
	second := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", "n"))
	r := startRouter(t, head+
		channel("first", first.URL(), upstreamKey, "priority = 1")+
		channel("second", second.URL(), upstreamKey, "priority = 2"))
	r.mustAsk("m")

	first.Forget()
	first.Break(wall.Status(401)) // the provider revoked it
	for range 20 {
		r.mustAsk("m")
		r.mustAsk("n")
	}
	if n := len(chatsAt(first)); n > 1 {
		t.Errorf("tried %d times with a refused key", n)
	}
	wait(t, "the list names the channel and its key", func() bool {
		out, err := r.command("channels")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); f[0] == "first" {
				return f[2] == "banned" && f[3] == "lifted" && f[4] == "invalid" && strings.Contains(line, "auth: ")
			}
		}
		return false
	})
	if r.metric("smartrouter_channel_key", `channel="first"`, `state="invalid"`) != 1 ||
		r.metric("smartrouter_channel_state", `channel="first"`, `state="banned"`) != 1 ||
		r.metric("smartrouter_banned", `channel="first"`, `class="auth"`) != 1 ||
		r.metric("smartrouter_channel_up", `channel="first"`) != 0 {
		t.Errorf("the metrics do not say so:\n%s", r.admin("/metrics"))
	}
	wait(t, "the log says so", func() bool {
		return strings.Contains(r.log.String(), "[ERROR]") && strings.Contains(r.log.String(), "key refused")
	})
	if strings.Contains(r.log.String(), upstreamKey) {
		t.Error("the log tells the key")
	}

	first.Mend() // it is good again
	first.Forget()
	wait(t, "the first channel answers again", func() bool {
		r.mustAsk("m")
		return len(chatsAt(first)) > 0
	})
	wait(t, "the key is known to be good", func() bool { return r.channels()["first"].Key == "valid" })
}

// A key that is replaced in the file is tried, whatever the store says of the
// old one; the same one is not, over a kill and a restart.
func TestARefusedKeyRestsUntilTheConfigurationChanges(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key("sk-good"), wall.Models("m"))
	hcl := func(key string) string {
		return listen + channel("only", w.URL(), key, `models = ["m"]`) +
			"pipeline \"default\" {\n  step \"choose\" { run = plugin.selector.smart }\n  step \"call\" { run = provider.adapter }\n}\n"
	}
	r := startRouter(t, hcl("sk-bad"))
	if err := r.ask(t.Context(), "m", false, "hello"); err == nil {
		t.Fatal("answered with a bad key")
	}
	r.stop(syscall.SIGTERM)

	w.Forget()
	r = startRouterAt(t, r.config, r.data)
	if err := r.ask(t.Context(), "m", false, "hello"); err == nil || len(chatsAt(w)) != 0 {
		t.Errorf("%v after %d tries with a key that was refused", err, len(chatsAt(w)))
	}
	r.stop(syscall.SIGKILL)

	again := startRouterAt(t, write(t, "router.hcl", hcl("sk-good")), r.data)
	again.mustAsk("m")
}

// With the defaults, however it was broken.
func TestARecoveryIsSeenWithin30Seconds(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]wall.Fault{
		"answers 500":       wall.Status(500).On("/v1/chat"),
		"resets everything": wall.Reset(),
		"is silent":         wall.Silent().On("/v1/chat"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, first, _ := two(t, listen, `timeouts { read = "1s" }`)
			first.Break(fault)
			wait(t, "the first channel is down, or it is banned and a trial failed", func() bool {
				r.mustAsk("m")
				c := r.channels()["first"]
				if c.State == "down" && strings.Contains(c.Why, "GET models") {
					return true
				}
				for _, b := range c.Bans {
					if b.Times > 1 {
						return true
					}
				}
				return false
			})
			first.Mend()
			first.Forget()
			mended := time.Now()
			wait(t, "the first channel answers again", func() bool {
				r.mustAsk("m")
				for _, q := range chatsAt(first) {
					if q.Ended && q.Status == 200 {
						return true
					}
				}
				return false
			})
			t.Logf("seen after %s", time.Since(mended))
			if d := time.Since(mended); d > 30*time.Second {
				t.Errorf("seen after %s", d)
			}
			wait(t, "the ban is lifted", func() bool { return len(r.channels()["first"].Bans) == 0 })
		})
	}
}

// While a target is banned, others answer, and trials are few.
func TestOneTrialAtATime(t *testing.T) {
	t.Parallel()
	r, first, _ := two(t, listen+"bans {\n  backoff     = \"500ms\"\n  max_backoff = \"500ms\"\n  jitter      = 0\n}\n")
	first.Break(wall.Status(500).On("/v1/chat"))
	if errs := r.load(t.Context(), 16, 160, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	first.Forget()
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		if errs := r.load(t.Context(), 16, 64, "m"); len(errs) > 0 {
			t.Fatal(errs[0])
		}
	}
	// The back-off allows one each half second; requests that were let in at
	// the same instant share a trial.
	most := 16 * (1 + int(time.Since(began)/(500*time.Millisecond)))
	if n := len(chatsAt(first)); n > most/4 {
		t.Errorf("%d trials in %s", n, time.Since(began))
	}
}

func TestABanByHandIsObeyedAtOnceAndOutlivesAKill(t *testing.T) {
	t.Parallel()
	r, first, second := two(t, fixedAdmin(t))
	run := func(args ...string) string {
		t.Helper()
		out, err := r.command(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	first.Forget()
	if out := run("ban", "first/m", "--for", "10m", "--reason", "maintenance"); !strings.Contains(out, "first/m is banned until") || !strings.Contains(out, "maintenance") {
		t.Error(out)
	}
	r.mustAsk("m")
	if n := len(chatsAt(first)); n != 0 {
		t.Errorf("the next request went to what was banned")
	}
	if out := run("channels", "--models"); !strings.Contains(out, "manual") || !strings.Contains(out, "maintenance") {
		t.Error(out)
	}
	r.stop(syscall.SIGKILL)

	r = startRouterAt(t, r.config, r.data)
	r.mustAsk("m")
	if n := len(chatsAt(first)); n != 0 {
		t.Errorf("a kill ended the ban")
	}
	run("ban", "second") // extended to the last one: an operator's word is obeyed there too
	if err := r.ask(t.Context(), "m", false, "hello"); err == nil {
		t.Error("answered, with everything banned")
	}
	if out := run("unban", "first"); !strings.Contains(out, "1 ban lifted") {
		t.Error(out)
	}
	second.Forget()
	r.mustAsk("m")
	if len(chatsAt(first)) != 1 || len(chatsAt(second)) != 0 {
		t.Errorf("after the unban: %d and %d chats", len(chatsAt(first)), len(chatsAt(second)))
	}
	r.stop(syscall.SIGKILL)

	r = startRouterAt(t, r.config, r.data)
	got := r.channels()
	if len(got["first"].Bans) != 0 || got["second"].State != "banned" || got["second"].Until != nil {
		t.Errorf("after another kill: %+v", got)
	}
	for _, wrong := range [][]string{{"ban", "nobody"}, {"ban", "first/x"}, {"ban", "first", "--for", "-1s"}, {"unban", "first/x"}, {"ban"}} {
		if out, err := r.command(wrong...); err == nil || !strings.Contains(out, "smartrouter: ") {
			t.Errorf("%q: %v\n%s", wrong, err, out)
		}
	}
}

func TestAStormCostsAFifth(t *testing.T) {
	t.Parallel()
	hcl := listen
	var walls []*wall.Wall
	for i := range 3 {
		w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Faults(wall.Status(500).On("/v1/chat")))
		walls = append(walls, w)
		hcl += channel(fmt.Sprintf("c%d", i), w.URL(), upstreamKey)
	}
	r := startRouter(t, hcl)
	wait(t, "every target is banned", func() bool {
		r.load(t.Context(), 8, 16, "m")
		for _, c := range r.channels() {
			if len(c.Bans) == 0 {
				return false
			}
		}
		return true
	})
	for _, w := range walls {
		w.Forget()
	}
	const requests, clients = 1000, 16
	if failed := len(r.load(t.Context(), clients, requests, "m")); failed != requests {
		t.Fatalf("%d of %d requests failed: nothing was shown", failed, requests)
	}
	tries := 0
	for _, w := range walls {
		tries += len(chatsAt(w))
	}
	// Each client may have a try under way while the others use the budget up.
	if most := requests*12/10 + clients; tries > most || tries < requests {
		t.Errorf("%d tries for %d requests, want %d at most", tries, requests, most)
	}
	t.Logf("%.3f tries per request", float64(tries)/requests)
	if r.metric("smartrouter_retries_refused_total") == 0 {
		t.Error("the metric counts no refused try")
	}
}
