package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
	"github.com/smart-ai-router/smartrouter/core/server"
)

// madeUpModel is what a provider without a list of models is asked for.
const madeUpModel = "test-speed-health-check-dummy"

// cold is [listen] without warm-up, so that upstreams see nothing but what a
// test is about.
var cold = strings.Replace(listen, "server { address = \"127.0.0.1:0\" }", "server {\n  address = \"127.0.0.1:0\"\n  warm_up = 0\n}", 1)

// hurried is the default pipeline with leases that run out while a test waits.
const hurried = `
pipeline "default" {
  step "health" {
    run             = plugin.prober.models
    timeout         = "3s"
    interval        = "1s"
    key_interval    = "1s"
    models_interval = "1s"
    at_once         = 2
  }
  step "choose"   { run = plugin.selector.smart }
  step "precheck" { run = plugin.prechecker.race }
  step "call"     { run = provider.adapter }
}
`

// channelStatus is how a channel does.
func (r *router) channelStatus(name string) server.ChannelStatus {
	r.t.Helper()
	for _, c := range r.status().Channels {
		if c.Name == name {
			return c
		}
	}
	r.t.Fatalf("no channel %s", name)
	return server.ChannelStatus{}
}

// probed are the requests of a wall in short, such as "GET /v1/models 200".
func probed(w *wall.Wall) []string {
	var out []string
	for _, q := range w.Requests() {
		out = append(out, fmt.Sprintf("%s %s %d", q.Method, q.Path, q.Status))
	}
	return out
}

// noList is a provider that has no list of models.
func noList() wall.Fault { return wall.Status(404).On("/v1/models") }

func TestHealthSpendsNoToken(t *testing.T) {
	t.Parallel()
	const list, chat = "GET /v1/models", "POST /v1/chat/completions"
	tests := []struct {
		name     string
		wall     []wall.Option
		path     string // behind the base URL
		key      string
		provider string // attributes of the provider
		channel  string // and of the channel
		state    string
		keyState string
		why      string
		models   int
		asked    []string
	}{
		{
			name: "one GET says health, key and models", wall: []wall.Option{wall.Models("a", "b")},
			state: "up", keyState: "valid", why: "GET models answered 200 with 2 models", models: 2, asked: []string{list + " 200"},
		},
		{
			name: "a wrong key", key: "sk-wrong",
			state: "banned", keyState: "invalid", why: "Incorrect API key provided", asked: []string{list + " 401"},
		},
		{
			name: "a list for everyone", wall: []wall.Option{wall.Models("a")}, provider: "public_models = true",
			state: "up", keyState: "unknown", why: "GET models answered 200", models: 1, asked: []string{list + " 200"},
		},
		{
			name: "no list, and it knows its models", wall: []wall.Option{wall.Faults(noList())}, channel: `models = ["m"]`,
			state: "up", keyState: "unknown", why: "a made-up model was refused as unknown (404)", models: 1,
			asked: []string{list + " 404", chat + " 404"},
		},
		{
			name: "declared to have none", provider: "no_models = true", channel: `models = ["m"]`,
			state: "up", keyState: "unknown", why: "a made-up model was refused as unknown (404)", models: 1, asked: []string{chat + " 404"},
		},
		{
			name: "a server of something else", path: "/elsewhere", channel: `models = ["m"]`,
			state: "misconfigured", keyState: "unknown", why: "is the base URL right?", models: 1,
			asked: []string{"GET /v1/elsewhere/models 404", "POST /v1/elsewhere/chat/completions 404"},
		},
		{
			name: "a web page", wall: []wall.Option{wall.Faults(wall.HTML())}, channel: `models = ["m"]`,
			state: "misconfigured", keyState: "unknown", why: "answered 200, but no list", models: 1, asked: []string{list + " 200"},
		},
		{
			name: "broken", wall: []wall.Option{wall.Faults(wall.Status(503))}, channel: `models = ["m"]`,
			state: "down", keyState: "unknown", why: "GET models answered 503", models: 1, asked: []string{list + " 503"},
		},
	}
	var hcl strings.Builder
	hcl.WriteString(cold)
	walls := make([]*wall.Wall, len(tests))
	for i, tt := range tests {
		walls[i] = wall.Start(t, append([]wall.Option{wall.Key(upstreamKey)}, tt.wall...)...)
		if tt.key == "" {
			tt.key = upstreamKey
		}
		fmt.Fprintf(&hcl, "provider \"p%d\" {\n  base_url = %q\n  %s\n}\nchannel \"c%d\" {\n  provider = provider.p%d\n  api_key = %q\n  %s\n}\n",
			i, walls[i].URL()+tt.path, tt.provider, i, i, tt.key, tt.channel)
	}
	r := startRouter(t, hcl.String())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprintf("c%d", i)
			wait(t, "the channel was probed", func() bool {
				s := r.channelStatus(name)
				return s.Why != "not probed yet" && s.State == tt.state
			})
			s := r.channelStatus(name)
			if s.Key != tt.keyState || s.Models != tt.models || !strings.Contains(s.Why, tt.why) {
				t.Errorf("got %+v, want key %s, %d models, %q", s, tt.keyState, tt.models, tt.why)
			}
			// One that is down is asked again soon: only what was asked first is certain.
			if got := probed(walls[i]); len(got) < len(tt.asked) || fmt.Sprint(got[:len(tt.asked)]) != fmt.Sprint(tt.asked) ||
				len(got) > len(tt.asked) && tt.state != "down" {
				t.Errorf("asked %v, want %v", got, tt.asked)
			}
			for _, q := range walls[i].Requests() {
				var body struct {
					Model     string
					MaxTokens int `json:"max_tokens"`
				}
				if q.Method != http.MethodPost {
					continue
				}
				if json.Unmarshal(q.Body, &body) != nil || body.Model != madeUpModel || body.MaxTokens != 1 {
					t.Errorf("asked %s", q.Body)
				}
			}
		})
	}
}

func TestKeyOfAPublicListIsKnownByALiveCall(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Models("m"))
	r := startRouter(t, cold+fmt.Sprintf(`
provider "p" {
  base_url      = %q
  public_models = true
}
channel "c" {
  provider = provider.p
  api_key  = "sk-any"
}
`, w.URL()))
	wait(t, "the channel is up", func() bool { return r.channelStatus("c").State == "up" })
	if s := r.channelStatus("c"); s.Key != "unknown" {
		t.Errorf("before a call: %+v", s)
	}
	if err := r.ask(t.Context(), "m", false, "hello"); err != nil {
		t.Fatal(err)
	}
	wait(t, "the call says that the key is good", func() bool { return r.channelStatus("c").Key == "valid" })
	w.Break(wall.Status(401).On("/v1/chat"))
	if err := r.ask(t.Context(), "m", false, "hello again"); err == nil {
		t.Fatal("a refused key brought an answer")
	}
	wait(t, "the refusal says that it is not", func() bool { return r.channelStatus("c").Key == "invalid" })
}

// Who answers for any model was billed for it once, also over restarts.
func TestWhoIgnoresModelNamesIsAskedSoOnce(t *testing.T) {
	t.Parallel()
	lax := wall.Start(t, wall.Key(upstreamKey), wall.Models("m", madeUpModel), wall.Faults(noList()))
	r := startRouter(t, cold+channel("lax", lax.URL(), upstreamKey, `models = ["m"]`)+hurried)
	lists := func() (n int) {
		for _, q := range lax.Requests() {
			if q.Method == http.MethodGet {
				n++
			}
		}
		return n
	}
	wait(t, "probed four times", func() bool { return lists() >= 4 })
	s := r.channelStatus("lax")
	if s.State != "misconfigured" || !strings.Contains(s.Why, "not asked again") {
		t.Errorf("got %+v", s)
	}
	r.stop(syscall.SIGTERM)
	before := lists()
	again := startRouterAt(t, r.config, r.data)
	wait(t, "probed after the restart", func() bool { return lists() >= before+3 })
	var chats []string
	for _, q := range lax.Requests() {
		if q.Method == http.MethodPost {
			chats = append(chats, string(q.Body))
		}
	}
	if len(chats) != 1 || !strings.Contains(chats[0], madeUpModel) {
		t.Errorf("chats were asked: %q", chats)
	}
	// It is the only one that has the model: requests go there all the same.
	if err := again.ask(t.Context(), "m", false, "hello"); err != nil {
		t.Error(err)
	}
}

func TestVersionOfABaseURLIsNotDoubled(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, q.URL.Path)
		fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
	}))
	t.Cleanup(provider.Close)
	want := map[string]string{
		"":             "/v1/models",
		"/":            "/v1/models",
		"/v1":          "/v1/models",
		"/openai/v1/":  "/openai/v1/models",
		"/api/v3":      "/api/v3/models",
		"/api/paas/v4": "/api/paas/v4/models",
	}
	for base, path := range want {
		mu.Lock()
		paths = nil
		mu.Unlock()
		r := startRouter(t, cold+channel("c", provider.URL+base, upstreamKey))
		wait(t, "the channel is up", func() bool { return r.channelStatus("c").State == "up" })
		r.stop(syscall.SIGTERM)
		mu.Lock()
		if len(paths) != 1 || paths[0] != path {
			t.Errorf("base URL %q: asked %v, want %s", base, paths, path)
		}
		mu.Unlock()
	}
}

func TestASilentChannelIsDown(t *testing.T) {
	t.Parallel()
	w := wall.Start(t, wall.Faults(wall.Silent()))
	r := startRouter(t, cold+channel("c", w.URL(), upstreamKey, `models = ["m"]`)+hurried)
	wait(t, "the channel is down", func() bool { return r.channelStatus("c").State == "down" })
	if s := r.channelStatus("c"); !strings.HasPrefix(s.Why, "GET models: ") {
		t.Errorf("got %+v", s)
	}
}

// An idle router renews its leases again and again, a few channels at a time,
// and no upstream generates a token for it.
func TestIdlingGeneratesNoToken(t *testing.T) {
	t.Parallel()
	const latency = 200 * time.Millisecond
	slow := wall.Latency(latency)
	var walls []*wall.Wall
	hcl := cold + hurried
	for i := range 6 {
		options := []wall.Option{wall.Key(upstreamKey), wall.Models("m"), wall.Faults(slow)}
		if i == 0 {
			options = append(options, wall.Faults(slow, noList()))
		}
		w := wall.Start(t, options...)
		walls = append(walls, w)
		hcl += channel(fmt.Sprintf("c%d", i), w.URL(), upstreamKey, `models = ["m"]`)
	}
	startRouter(t, hcl)
	for _, w := range walls {
		wait(t, "every channel was probed ten times", func() bool { return w.Counts().Complete >= 10 })
	}
	var all []wall.Request
	for i, w := range walls {
		for _, q := range w.Requests() {
			refused := q.Method == http.MethodPost && i == 0 && q.Model == madeUpModel && (q.Status == 404 || !q.Ended)
			if q.Method != http.MethodGet && !refused {
				t.Errorf("channel %d was asked: %s %s, which it answered with %d", i, q.Method, q.Path, q.Status)
			}
			all = append(all, q)
		}
	}
	if most := overlap(all, latency); most != 2 {
		t.Errorf("%d probes at the same time, want 2", most)
	}
}
