package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// timed is what a client saw of one request, by its own clock.
type timed struct {
	channel, cache string
	attempts       int
	stream         bool
	took, first    time.Duration
	usage          *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	}
}

// watch sends a chat and looks at the clock.
func (r *router) watch(body []byte) (timed, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.URL+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return timed{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	resp, err := clients.Do(req)
	if err != nil {
		return timed{}, err
	}
	defer resp.Body.Close()
	h := resp.Header
	s := timed{channel: h.Get("X-Smartrouter-Channel"), cache: h.Get("X-Cache"), stream: strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")}
	s.attempts, _ = strconv.Atoi(h.Get("X-Smartrouter-Attempts"))
	if resp.StatusCode != http.StatusOK {
		all, _ := io.ReadAll(resp.Body)
		return s, fmt.Errorf("%s: %s", resp.Status, all)
	}
	lines := bufio.NewReader(resp.Body)
	for err == nil {
		var line []byte
		line, err = lines.ReadBytes('\n')
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: "))
		if s.first == 0 && bytes.Contains(line, []byte(`"content":"`)) && !bytes.Contains(line, []byte(`"content":""`)) {
			s.first = time.Since(begun)
		}
		if bytes.Contains(line, []byte(`"usage":{`)) {
			if err := json.Unmarshal(line, &struct{ Usage any }{&s.usage}); err != nil {
				return s, err
			}
		}
	}
	s.took = time.Since(begun)
	if err != io.EOF {
		return s, err
	}
	return s, nil
}

// rank is a percentile by its nearest rank, in seconds.
func rank(values []time.Duration, percent int) float64 {
	slices.Sort(values)
	return values[max(1, (len(values)*percent+99)/100)-1].Seconds()
}

// between checks each percentile against what is known from both sides: the
// upstream's clock, which is within the router's, and the client's, which is
// around it.
func between(t *testing.T, what string, p *server.Percentiles, e float64, least, most []time.Duration) {
	t.Helper()
	if p == nil || p.Count != uint64(len(most)) || len(least) != len(most) {
		t.Errorf("%s: %+v, want %d values (%d at the upstream)", what, p, len(most), len(least))
		return
	}
	for percent, got := range map[int]float64{50: p.P50, 90: p.P90, 95: p.P95, 99: p.P99} {
		if low, high := rank(least, percent), rank(most, percent); got < low*(1-e) || got > high*(1+e) {
			t.Errorf("%s: p%d is %.4f s, and is between %.4f and %.4f", what, percent, got, low, high)
		}
	}
}

// Counts, rates and percentiles are those of the test's own clock and counts.
func TestStatsAreTheTestsOwn(t *testing.T) {
	t.Parallel()
	a := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	b := wall.Start(t, wall.Key(upstreamKey), wall.Models("m"))
	const latency = 20 * time.Millisecond
	a.Break(wall.Latency(latency).On("/v1/chat"), wall.Latency(60*time.Millisecond).On("/v1/chat").Every(3),
		wall.Latency(200*time.Millisecond).On("/v1/chat").Every(12), wall.Status(500).On("/v1/chat").Every(7))
	b.Break(wall.Latency(latency).On("/v1/chat"))
	config := filepath.Join(t.TempDir(), "router.hcl")
	adminAddress := freeAddress(t)
	hcl := `
server { address = "127.0.0.1:0" }
admin  { address = "` + adminAddress + `" }
pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "answers" {
    run = plugin.cache.local
    ttl = "10m"
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
` + channel("a", a.URL(), upstreamKey, "priority = 1", `price "m" {`, "  input = 2", "  output = 8", "}") +
		channel("b", b.URL(), upstreamKey, "priority = 2")
	if err := os.WriteFile(config, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startRouterAt(t, config, filepath.Join(t.TempDir(), "data"))

	const requests = 120
	var mu sync.Mutex
	var all []timed
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				body := string(chatBody("m", i%3 != 0, fmt.Sprintf("question %d, to be answered at some length", i)))
				if i%3 == 1 {
					body = strings.TrimSuffix(body, "}") + `,"stream_options":{"include_usage":true}}`
				}
				s, err := r.watch([]byte(body))
				if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
		})
	}
	for i := range requests {
		next <- i
	}
	// The same once more, for the cache, as far as that has kept it by now.
	for i := range requests / 4 {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		return
	}

	type figures struct {
		took, first, least        []time.Duration
		input, output             int64
		noUsage, unpriced, speeds uint64
	}
	want := map[string]*figures{"a": {}, "b": {}}
	cache := map[string]uint64{}
	var first, retries server.Rate
	for _, s := range all {
		if s.cache != "" {
			cache[s.cache]++
		}
		f := want[s.channel]
		if s.attempts == 0 {
			continue // it came from the cache
		}
		if s.attempts == 1 {
			first.OK++
		} else {
			first.Failed++
			retries.OK++
			retries.Failed += uint64(s.attempts - 2)
		}
		f.took = append(f.took, s.took)
		if s.stream {
			f.first = append(f.first, s.first)
		}
		u := s.usage
		if u == nil {
			f.noUsage++
			continue
		}
		f.input += u.Prompt
		f.output += u.Completion
		if s.channel == "b" {
			f.unpriced++
		}
		if s.stream && u.Completion > 1 {
			f.speeds++
		}
	}
	for name, w := range map[string]*wall.Wall{"a": a, "b": b} {
		for _, q := range whenOver(t, w) {
			if strings.HasSuffix(q.Path, "/chat/completions") && q.Status == http.StatusOK {
				want[name].least = append(want[name].least, q.Wrote)
			}
		}
	}

	var got server.Stats
	// The router counts a request once its client has the answer.
	wait(t, "all requests are counted", func() bool {
		got = server.Stats{}
		if err := json.Unmarshal(r.admin("/admin/stats"), &got); err != nil {
			t.Fatal(err)
		}
		return got.Total.Requests >= uint64(len(all)) && got.InFlight == 0
	})
	if got.Total.Requests != uint64(len(all)) || got.Total.Failed != 0 || got.Total.First != first || got.Total.Retries != retries {
		t.Errorf("%d requests, %d failed, first tries %+v, retries %+v; want %d, 0, %+v, %+v",
			got.Total.Requests, got.Total.Failed, got.Total.First, got.Total.Retries, len(all), first, retries)
	}
	if first.Failed == 0 || got.Recoveries != (server.Rate{OK: first.Failed}) {
		t.Errorf("%+v of %d failed first tries were made up for", got.Recoveries, first.Failed)
	}
	for how, n := range cache {
		if got.Answers[how] != n {
			t.Errorf("the cache step made %d %s, and clients saw %d", got.Answers[how], how, n)
		}
	}
	if len(got.Answers) != len(cache) || got.Cache.OK != cache["hit"] {
		t.Errorf("the cache step says %v, hits %+v; clients saw %v", got.Answers, got.Cache, cache)
	}
	pairs := 0
	for _, p := range got.Pairs {
		f := want[p.Channel]
		if f == nil {
			continue
		}
		pairs++
		between(t, p.Channel+", duration", p.Duration, got.PercentileError, f.least, f.took)
		least := make([]time.Duration, len(f.first))
		for i := range least {
			least[i] = latency
		}
		if len(f.first) > 0 {
			between(t, p.Channel+", first token", p.TTFT, got.PercentileError, least, f.first)
		}
		if f.speeds > 0 && (p.TokensPerSecond == nil || p.TokensPerSecond.Count != f.speeds) {
			t.Errorf("%s: speed %+v of %d streams", p.Channel, p.TokensPerSecond, f.speeds)
		}
		cost := 0.0
		if p.Channel == "a" {
			cost = float64(2*f.input+8*f.output) / 1e6
		}
		if p.Tokens.Input != f.input || p.Tokens.Output != f.output || math.Abs(p.Cost-cost) > 1e-9 || p.WithoutUsage != f.noUsage || p.Unpriced != f.unpriced {
			t.Errorf("%s: tokens %+v, %g dollars, %d without usage, %d without a price; want %d and %d, %g, %d, %d",
				p.Channel, p.Tokens, p.Cost, p.WithoutUsage, p.Unpriced, f.input, f.output, cost, f.noUsage, f.unpriced)
		}
	}
	if pairs != 2 {
		t.Errorf("%d channels have figures: %+v", pairs, got.Pairs)
	}
	// Prometheus is told the same.
	if n := r.metric("smartrouter_tokens_total", `type="output"`); int64(n) != got.Total.Tokens.Output {
		t.Errorf("the metrics have %g output tokens, the stats %d", n, got.Total.Tokens.Output)
	}
	if n := r.metric("smartrouter_tries_total"); uint64(n) != first.OK+first.Failed+retries.OK+retries.Failed {
		t.Errorf("the metrics have %g tries", n)
	}

	table, err := cli(t, "stats", "--config", config, "--data-dir", r.data)
	if err != nil {
		t.Fatalf("%v\n%s", err, table)
	}
	for _, text := range []string{fmt.Sprintf("%d requests, 0 failed", len(all)), "TTFT P50", "WITHOUT USAGE", "QUEUE WAIT P50", fmt.Sprintf("of %d", len(all)-int(cache["hit"]))} {
		if !strings.Contains(table, text) {
			t.Errorf("no %q in\n%s", text, table)
		}
	}
	js, err := cli(t, "stats", "--json", "--config", config, "--data-dir", r.data)
	var again server.Stats
	if err != nil || json.Unmarshal([]byte(js), &again) != nil || again.Total.Requests != got.Total.Requests {
		t.Errorf("%v\n%s", err, js)
	}
}
