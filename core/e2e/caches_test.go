package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// stats are what the admin listener answers once every store has given its
// figures, for which it has a second.
func (r *router) stats() (st server.Stats) {
	r.t.Helper()
	wait(r.t, "the stores tell their figures", func() bool {
		st = server.Stats{}
		if err := json.Unmarshal(r.admin("/admin/stats"), &st); err != nil {
			r.t.Fatal(err)
		}
		return !slices.ContainsFunc(st.Caches.Stores, func(s server.StoreStats) bool { return s.Error != "" })
	})
	return st
}

// kind is what the router remembers of one kind.
func (r *router) kind(name string) server.KindStats {
	r.t.Helper()
	for _, k := range r.stats().Caches.Kinds {
		if k.Kind == name {
			return k
		}
	}
	r.t.Fatalf("nothing is said of %s", name)
	return server.KindStats{}
}

// stored is what the default store has of a namespace.
func (r *router) stored(namespace string) server.NamespaceStats {
	r.t.Helper()
	return r.storedIn("plugin.cache.local", namespace)
}

func (r *router) storedIn(plugin, namespace string) server.NamespaceStats {
	r.t.Helper()
	for _, s := range r.stats().Caches.Stores {
		for _, n := range s.Namespaces {
			if s.Plugin == plugin && n.Namespace == namespace {
				return n
			}
		}
	}
	return server.NamespaceStats{}
}

// What has expired leaves the store by itself, and what has no room any more
// leaves it too. Both are counted.
func TestExpiredAndEvictedAnswersAreCounted(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"), wall.Answer(strings.Repeat("long ", 60)))
	r := startRouter(t, listen+channel("a", w.URL(), upstreamKey)+`
plugin "cache" "brisk" {
  use = plugin.cache.local
  config {
    sweep_interval = "50ms"
    max_size       = "64KiB"
  }
}
`+strings.Replace(answersPipeline(`ttl = "15s"`), "plugin.cache.local", "plugin.cache.brisk", 1))
	const questions = 20 // of more than 10 KB each, where they are streams
	if errs := r.load(t.Context(), 2, questions, "m"); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	in := func() server.NamespaceStats { return r.storedIn("plugin.cache.brisk", "answers") }
	wait(t, "all have been stored, and are gone again", func() bool { n := in(); return n.Puts == questions && n.Entries == 0 })
	n := in()
	if n.Expired == 0 || n.Evicted == 0 || n.Expired+n.Evicted != questions || n.Bytes != 0 || n.Oldest != nil {
		t.Errorf("the store says %+v", n)
	}
	for why, want := range map[string]int64{"expired": n.Expired, "evicted": n.Evicted} {
		r.counts(float64(want), "smartrouter_store_removed_total", `plugin="plugin.cache.brisk"`, `namespace="answers"`, fmt.Sprintf("why=%q", why))
	}
}

// Hits, misses, evictions and ages of each kind are those that the test has
// counted itself, in the admin's JSON, in the metrics and in the table.
func TestCacheStatsAreTheTestsOwn(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	dir := t.TempDir()
	config := filepath.Join(dir, "router.hcl")
	begun := time.Now()
	hcl := strings.Replace(listen, `admin  { address = "127.0.0.1:0" }`, fmt.Sprintf("admin { address = %q }", freeAddress(t)), 1) +
		channel("a", w.URL(), upstreamKey) + answersPipeline("ttl = \"10m\"\n max_answers = 3")
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRouterAt(t, config, filepath.Join(dir, "data"))

	const questions, again = 5, 3 // two of five answers are forgotten again
	ask := func(i int) string {
		x, _, _ := r.asks(chatBody("m", false, fmt.Sprint("question ", i)))
		return x
	}
	var hits, misses int64
	for i := range questions {
		for range again {
			if ask(i) == "hit" {
				hits++
			} else {
				misses++
			}
		}
	}
	resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("nobody-has-this", false, "x"))
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Fatalf("%v %s", err, body)
	}
	made := r.respond(nil)
	r.respond(map[string]any{"previous_response_id": made.id})
	for _, id := range []string{"resp_none", "resp_nobody"} {
		if resp, body := r.by(http.MethodGet, id); resp.StatusCode != http.StatusNotFound {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	r.written()
	wait(t, "the answers are stored", func() bool { return r.stored("answers").Puts == misses })

	tries := misses + 2 // and two responses
	for _, want := range []server.KindStats{
		{Kind: "health", Entries: 1, Hits: tries},
		{Kind: "key", Entries: 1, Hits: tries},
		{Kind: "models", Entries: 1, Hits: tries, Misses: 1},
		{Kind: "specs", Misses: tries}, // its list has none
		{Kind: "prices", Misses: tries},
		{Kind: "answers", Entries: 3, Hits: hits, Misses: misses + 1, Evicted: questions - 3},
		{Kind: "hot_answers", Entries: questions, Hits: hits, Misses: misses + 1},
		{Kind: "response_ids", Entries: 2, Hits: 1, Misses: 2},
	} {
		got := r.kind(want.Kind)
		age := got.Ages
		got.Ages = server.Ages{}
		if got.Kind == "answers" && got.Evicted > want.Evicted {
			got.Evicted = want.Evicted // what the store tells of comes back into the index, and others go
		}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if (age.Oldest != nil && age.Newest != nil) != (want.Entries > 0) ||
			age.Oldest != nil && (*age.Newest < 0 || *age.Oldest < *age.Newest || *age.Oldest > time.Since(begun).Seconds()) {
			t.Errorf("%s: the oldest entry has %v s, the newest %v s", want.Kind, age.Oldest, age.Newest)
		}
		for result, n := range map[string]int64{"hit": want.Hits, "stale": want.StaleHits, "miss": want.Misses} {
			r.counts(float64(n), "smartrouter_cache_reads_total", fmt.Sprintf("kind=%q", want.Kind), fmt.Sprintf("result=%q", result))
		}
	}
	plans := r.kind("plans")
	if looked := plans.Hits + plans.StaleHits + plans.Misses; looked != misses+1 || plans.Entries < 1 || plans.Misses < 1 {
		t.Errorf("plans %+v, of %d requests with a choice", plans, misses+1) // a response's successor has none
	}
	// Chat and responses, and what the prober and the warm-up have asked for.
	if p := r.kind("prepared"); p.Hits+p.StaleHits+p.Misses < tries || p.Misses < 2 || p.Entries < 2 || p.Entries > p.Misses {
		t.Errorf("prepared %+v, of %d tries", p, tries)
	}
	if n := r.stored("responses"); n.Entries != 2 || n.Puts != 2 || n.Oldest == nil {
		t.Errorf("responses in the store: %+v", n)
	}
	r.counts(2, "smartrouter_store_entries", `namespace="responses"`, `plugin="plugin.cache.local"`)

	table, err := cli(t, "cache", "stats", "--config", config, "--data-dir", r.data)
	if err != nil {
		t.Fatalf("%v\n%s", err, table)
	}
	for _, text := range []string{"STALE HITS", "hot_answers", fmt.Sprintf("%.1f%%", 100*float64(hits)/float64(hits+misses+1)), "plugin.cache.local", "NAMESPACE", "responses"} {
		if !strings.Contains(table, text) {
			t.Errorf("no %q in\n%s", text, table)
		}
	}
	js, err := cli(t, "cache", "stats", "--json", "--config", config, "--data-dir", r.data)
	var caches server.CacheStats
	if err != nil || json.Unmarshal([]byte(js), &caches) != nil || len(caches.Kinds) != len(r.stats().Caches.Kinds) {
		t.Errorf("%v\n%s", err, js)
	}

	// What a store holds is counted on over a kill, what was leased begins anew.
	r.stop(syscall.SIGKILL)
	again2 := startRouterAt(t, config, r.data)
	if n := again2.stored("responses"); n.Entries != 2 || n.Puts != 2 {
		t.Errorf("responses in the store after a kill: %+v", n)
	}
	if h := again2.kind("health"); h.Entries != 1 || h.Oldest == nil || *h.Oldest > time.Since(begun).Seconds() {
		t.Errorf("health after a kill: %+v", h)
	}
}

// pricing is a provider whose list says what its models cost, and how much they
// take.
type pricing struct {
	*httptest.Server
	list  atomic.Pointer[string]
	lists atomic.Int64
}

func startPricing(t *testing.T, w *wall.Wall, list string) *pricing {
	t.Helper()
	to, err := url.Parse(w.URL())
	if err != nil {
		t.Fatal(err)
	}
	p := &pricing{}
	p.list.Store(&list)
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	p.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet || q.URL.Path != "/v1/models" {
			pass.ServeHTTP(rw, q)
			return
		}
		p.lists.Add(1)
		io.WriteString(rw, *p.list.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

// says sets what its list says from now on.
func (p *pricing) says(list string) { p.list.Store(&list) }

// openRouter is a list of one model in OpenRouter's form. Prices are US dollars a
// million tokens.
func openRouter(input, output float64, context int) string {
	return fmt.Sprintf(`{"data":[{"id":"m","context_length":%d,"top_provider":{"max_completion_tokens":512},"pricing":{"prompt":"%.9f","completion":"%.9f"}}]}`,
		context, input/1e6, output/1e6)
}

// What providers list of their models, specs and prices, has leases of its own:
// it decides where requests go and what they cost, is renewed in time, holds
// over a kill, and ends where it is not listed again.
func TestListedSpecsAndPrices(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	cheap, dear := startPricing(t, w, openRouter(1, 2, 8000)), startPricing(t, w, openRouter(10, 20, 16000))
	own := startPricing(t, w, openRouter(0, 0, 4000))
	pipeline := func(prices, specs string) string {
		return fmt.Sprintf(`
plugin "selector" "cheap" {
  use = plugin.selector.smart
  config {
    tolerance = 0
    weights { cost = 1 }
  }
}
pipeline "default" {
  step "health" {
    run             = plugin.prober.models
    interval        = "1h"
    key_interval    = "1h"
    models_interval = "1h"
    specs_interval  = %q
    prices_interval = %q
  }
  step "choose" {
    run     = plugin.selector.cheap
    timeout = "10s"
    fresh   = "1ms"
    stale   = "0s"
  }
  step "call" { run = provider.adapter }
}
`, specs, prices)
	}
	channels := channel("dear", dear.URL+"/v1", upstreamKey) + channel("cheap", cheap.URL+"/v1", upstreamKey) +
		channel("own", own.URL+"/v1", upstreamKey, `price "m" {`, "  input  = 30", "  output = 60", "}")
	r := startRouter(t, cold+channels+pipeline("1s", "2h"))
	answeredBy := func(r *router) string {
		t.Helper()
		resp, body, err := r.post(t.Context(), "/chat/completions", chatBody("m", false, "hello"))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, body)
		}
		return resp.Header.Get("X-Smartrouter-Channel")
	}
	if got := answeredBy(r); got != "cheap" {
		t.Errorf("%s answers, and cheap is the cheapest", got)
	}
	var pair server.PairStats
	wait(t, "the request is counted", func() bool {
		for _, p := range r.stats().Pairs {
			if p.Channel == "cheap" {
				pair = p
			}
		}
		return pair.Requests == 1
	})
	if want := float64(pair.Tokens.Input+2*pair.Tokens.Output) / 1e6; math.Abs(pair.Cost-want) > 1e-12 || pair.Unpriced != 0 {
		t.Errorf("%d and %d tokens cost %g, want %g; %d unpriced", pair.Tokens.Input, pair.Tokens.Output, pair.Cost, want, pair.Unpriced)
	}
	var models struct {
		Data []struct {
			ID      string
			Context int64 `json:"context_length"`
			Output  int64 `json:"max_output_tokens"`
		}
	}
	resp, err := http.Get(r.URL + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&models); err != nil || len(models.Data) != 1 || models.Data[0].Context != 16000 || models.Data[0].Output != 512 {
		t.Errorf("%v: %+v", err, models)
	}

	// A price that changes is known within prices_interval, though health holds
	// for an hour.
	cheap.says(openRouter(40, 80, 8000))
	wait(t, "the dearer one is the cheaper one now", func() bool { return answeredBy(r) == "dear" })
	// The user's own price goes before the listed one, which is zero: or own would
	// have been the first all the time.
	dear.says(openRouter(50, 100, 16000))
	wait(t, "the one with the price of its own is the cheapest now", func() bool { return answeredBy(r) == "own" })
	if k := r.kind("prices"); k.Entries != 3 || k.Hits+k.StaleHits == 0 || k.Misses != 0 || k.Oldest == nil {
		t.Errorf("prices %+v", k)
	}
	if k := r.kind("specs"); k.Entries != 3 || k.Misses != 0 || k.Hits == 0 {
		t.Errorf("specs %+v", k)
	}

	// What does not come again ends: the prices soon, the specs not yet.
	for _, p := range []*pricing{cheap, dear, own} {
		p.says(`{"data":[{"id":"m"}]}`)
	}
	wait(t, "no listed price is known any more", func() bool { return r.kind("prices").Entries == 0 })
	if k := r.kind("specs"); k.Entries != 3 {
		t.Errorf("specs %+v", k)
	}

	// Kept over a kill, without asking anybody while it holds.
	for _, p := range []*pricing{cheap, dear, own} {
		p.says(openRouter(3, 4, 9000))
	}
	lasting := startRouter(t, cold+channels+pipeline("1h", "2h"))
	wait(t, "the lists are stored", func() bool { return lasting.stored("health").Entries == 3 && lasting.kind("prices").Entries == 3 })
	asked := func() int64 { return cheap.lists.Load() + dear.lists.Load() + own.lists.Load() }
	before := asked()
	lasting.stop(syscall.SIGKILL)
	after := startRouterAt(t, lasting.config, lasting.data)
	const asks = 5
	for range asks {
		if got := answeredBy(after); got == "own" {
			t.Errorf("%s answers, and costs ten times as much", got)
		}
	}
	if k := after.kind("prices"); k.Entries != 3 || k.Hits != asks {
		t.Errorf("prices after a kill: %+v", k)
	}
	if n := asked() - before; n != 0 {
		t.Errorf("%d lists of models were asked for after a kill, within their time", n)
	}
}
