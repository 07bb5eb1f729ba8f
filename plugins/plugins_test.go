package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/plugins/cache/redis/redistest"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/plugintest"
)

// TestMain lets the test binary serve a plugin, as the router's binary does.
func TestMain(m *testing.M) {
	if os.Getenv(sdk.CookieKey) == sdk.CookieValue {
		plugin, ok := Lookup(os.Args[1])
		if !ok {
			panic("no plugin " + os.Args[1])
		}
		sdk.Serve(plugin())
	}
	os.Exit(m.Run())
}

// start runs a first-party plugin as a process of its own.
func start(t *testing.T, name string, config plugintest.Config, opts ...plugintest.Option) *plugintest.Plugin {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Command(t, []string{self, name}, config, opts...)
}

func TestLookup(t *testing.T) {
	t.Parallel()
	if _, ok := Lookup("selector/none"); ok {
		t.Error("there is a selector/none")
	}
	for _, name := range Names() {
		plugin, ok := Lookup(name)
		if !ok {
			t.Errorf("%s is not found", name)
			continue
		}
		kind, short, _ := strings.Cut(name, "/")
		if p := plugin(); p.Name != short || p.Doc == "" {
			t.Errorf("%s calls itself %q: %q", name, p.Name, p.Doc)
		}
		if _, err := os.Stat(filepath.Join(kind, short)); err != nil {
			t.Error(err)
		}
	}
	shared := []string{"cache/cachetest", "cache/tally", "adapter/adaptertest", "adapter/settings"}
	if folders, err := filepath.Glob("*/*/*.go"); err != nil || len(folders) == 0 {
		t.Error(folders, err)
	} else {
		for _, f := range folders {
			name := filepath.Dir(f)
			if !slices.Contains(shared, name) && all[name] == nil {
				t.Errorf("%s is not listed", name)
			}
		}
	}
}

// Each starts as a process, and says of itself what its folder says.
func TestEachStarts(t *testing.T) {
	t.Parallel()
	attributes := map[string]string{
		"selector/smart":  "strategy string, weights block, rating block, max_error_rate float, tolerance float, max_targets int, regions string",
		"prechecker/race": "retry_after duration",
		"cache/local":     "file string, max_size size, sweep_interval duration",
		"cache/redis": "url string, key_prefix string, ca_file string, connect_timeout duration, call_timeout duration, " +
			"max_reconnect_pause duration, sweep_interval duration",
		"adapter/demo":   "address string, delay duration",
		"observer/jsonl": "file string, max_size size, keep int, sync duration",
		"guard/regex":    "deny block, mask block, allow_tokens bool",
	}
	// Those that can't do without. Nobody listens there: that stops no plugin.
	configs := map[string]plugintest.Config{
		"cache/redis": {"url": "redis://127.0.0.1:1"},
		"guard/regex": {"deny": []any{plugintest.Config{"name": "x", "pattern": "x"}}},
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, name, configs[name], plugintest.Grants(sdk.NeedPrompt))
			kind, short, _ := strings.Cut(name, "/")
			m := p.Host().Manifest()
			if m.Name != short || len(m.Kinds) != 1 || string(m.Kinds[0]) != kind || !m.Lane {
				t.Errorf("manifest %+v", m)
			}
			var fields []string
			for _, f := range m.Fields {
				fields = append(fields, f.Name+" "+string(f.Type))
				if f.Doc == "" {
					t.Errorf("the attribute %s has no doc", f.Name)
				}
			}
			if got := strings.Join(fields, ", "); got != attributes[name] {
				t.Errorf("attributes %s, want %s", got, attributes[name])
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := p.Host().Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSmart(t *testing.T) {
	t.Parallel()
	p := start(t, "selector/smart", plugintest.Config{
		"max_error_rate": 0.1, "weights": []any{plugintest.Config{"cost": 1}},
	})
	price := func(v float64) *float64 { return &v }
	on := func(name string, c sdk.Candidate) sdk.Candidate {
		c.Channel, c.Priority, c.Weight = &sdk.Channel{Name: name}, 10, 1
		return c
	}
	plan, err := p.Select(sdk.Request{Model: "m"},
		on("down", sdk.Candidate{Health: sdk.HealthDown}),
		on("dear", sdk.Candidate{InputPrice: price(9)}),
		on("failing", sdk.Candidate{ErrorRate: .11}),
		on("cheap", sdk.Candidate{InputPrice: price(1)}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := plugintest.Channels(plan); got != "cheap | dear | failing | down" {
		t.Errorf("plan %s", got)
	}
	if got := plan.Tiers[0].Picks[0].Reason; got != "own weights 0.50: $1/M" {
		t.Errorf("reason %q", got)
	}
	if got := p.Host().Manifest().Reads; fmt.Sprint(got) != "[model tokens region]" {
		t.Errorf("reads %v", got)
	}
}

// list is an upstream that has models, and one that has none.
func list(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host == "lists" && r.Method == http.MethodGet && r.URL.Path == "/models":
		fmt.Fprint(w, `{"data":[{"id":"a","context_length":8192}]}`)
	case r.Method == http.MethodPost && r.URL.Path == "/chat":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"model_not_found"}}`)
	default:
		http.NotFound(w, r)
	}
}

func TestRace(t *testing.T) {
	t.Parallel()
	p := start(t, "prechecker/race", plugintest.Config{"retry_after": "3s"}, plugintest.UpstreamHTTP(http.HandlerFunc(list)))
	got, err := p.Check(sdk.Channel{Name: "lists"}, "m")
	if err != nil || !got.Available || !got.Lease.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
	dead := start(t, "prechecker/race", plugintest.Config{"retry_after": "3s"}, plugintest.Upstream(
		func(context.Context, string, sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			return sdk.UpstreamResponse{}, status.Error(codes.Unavailable, "connection refused")
		}))
	got, err = dead.Check(sdk.Channel{Name: "dead"}, "m")
	want := sdk.Availability{Reason: "upstream: connection refused", Lease: sdk.For(3 * time.Second)}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	p := start(t, "prober/models", nil, plugintest.UpstreamHTTP(http.HandlerFunc(list)), plugintest.Grants(sdk.NeedBilledCalls))
	got, err := p.Probe(sdk.Channel{Name: "lists"})
	if err != nil || got.State != sdk.HealthUp || got.Key != sdk.KeyValid || len(got.Models) != 1 || got.Models[0].ContextTokens != 8192 {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = p.Probe(sdk.Channel{Name: "chats"})
	if err != nil || got.State != sdk.HealthUp || got.Listed {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRegex(t *testing.T) {
	t.Parallel()
	p := start(t, "guard/regex", plugintest.Config{
		"deny": []any{plugintest.Config{"name": "bombs", "pattern": "bomb", "message": "No bombs."}},
		"mask": []any{plugintest.Config{"name": "keys", "pattern": "sk-[a-z]+", "with": "[key]"}},
	}, plugintest.Grants(sdk.NeedPrompt))
	got, err := p.Inspect(sdk.Request{}, `{"messages":[{"role":"user","content":"a bomb"}]}`)
	if want := (sdk.Rejection{Status: 400, Code: "content_policy_violation", Message: "No bombs."}); err != nil || got.Rejection == nil || *got.Rejection != want {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = p.Inspect(sdk.Request{}, `{"messages":[{"role":"user","content":"my sk-abc"}]}`)
	if want := `[{"op":"replace","path":"/messages/0/content","value":"my [key]"}]`; err != nil || got.Rejection != nil || string(got.Patch) != want {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = p.Inspect(sdk.Request{}, "")
	if err != nil || got.Rejection != nil || got.Patch != nil {
		t.Errorf("nothing to read: got %+v, %v", got, err)
	}
}

func TestJSONL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "observer/jsonl", nil, plugintest.DataDir(dir))
	if err := p.Observe(`{"id":"d-1"}`, `{"id":"d-2"}`); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := start(t, "observer/jsonl", nil, plugintest.DataDir(dir)).Observe(`{"id":"d-3"}`); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "requests.jsonl"))
	if want := "{\"id\":\"d-1\"}\n{\"id\":\"d-2\"}\n{\"id\":\"d-3\"}\n"; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "cache/local", plugintest.Config{"max_size": 1 << 20}, plugintest.DataDir(dir))
	e := sdk.Entry{Namespace: "ns", Key: "k", Value: []byte("v"), Expires: time.Now().Add(time.Hour)}
	if err := p.Cache().Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	got, ok, err := start(t, "cache/local", nil, plugintest.DataDir(dir)).Cache().Get(t.Context(), "ns", "k")
	if err != nil || !ok || string(got.Value) != "v" {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	config := plugintest.Config{"url": redistest.Start(t).URL, "call_timeout": "10s"}
	p := start(t, "cache/redis", config)
	e := sdk.Entry{Namespace: "ns", Key: "k", Value: []byte("v"), Expires: time.Now().Add(time.Hour)}
	if err := p.Cache().Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	got, ok, err := start(t, "cache/redis", config).Cache().Get(t.Context(), "ns", "k")
	if err != nil || !ok || string(got.Value) != "v" {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
}

func TestOpenAI(t *testing.T) {
	t.Parallel()
	p := start(t, "adapter/openai", nil)
	c := sdk.Channel{Name: "c", BaseURL: "https://openrouter.ai/api/v1", Settings: map[string]string{"header.X-Title": "t"}}
	got, err := p.Prepare(c, "m", sdk.Chat, true)
	if err != nil || got.URL != "https://openrouter.ai/api/v1/chat/completions" || got.Auth.Kind != sdk.AuthBearer || len(got.Headers) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := p.Prepare(c, "m", "telepathy", false); !sdk.IsUnsupported(err) {
		t.Errorf("got %v", err)
	}
}

// The demo is killed and started again: what was prepared before still answers.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "adapter/demo", plugintest.Config{"delay": "0s"}, plugintest.DataDir(dir))
	prepared, err := p.Prepare(sdk.Channel{Name: "demo"}, "", sdk.Models, false)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, prepared.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", prepared.Auth.Value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var page struct{ Data []struct{ ID string } }
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || len(page.Data) == 0 {
			t.Errorf("%d, %+v, %v", resp.StatusCode, page, err)
		}
	}
	ask()
	p.Kill()
	start(t, "adapter/demo", plugintest.Config{"delay": "0s"}, plugintest.DataDir(dir))
	ask()
}
