package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// The plugins here are functions: processes are tested where they are started.

type selector func(context.Context, *host.Generation, sdk.Request, []host.Live) (sdk.Plan, error)

func (s selector) Select(ctx context.Context, g *host.Generation, r sdk.Request, live []host.Live) (sdk.Plan, error) {
	return s(ctx, g, r, live)
}

type prechecker func(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error)

func (p prechecker) Check(ctx context.Context, c sdk.Channel, model string) (sdk.Availability, error) {
	return p(ctx, c, model)
}

type prober func(ctx context.Context, c sdk.Channel, declared []string) (sdk.Health, error)

func (p prober) Probe(ctx context.Context, c sdk.Channel, declared []string) (sdk.Health, error) {
	return p(ctx, c, declared)
}

type adapter func(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error)

func (a adapter) Prepare(ctx context.Context, c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	return a(ctx, c, model, e, stream)
}

type guard func(ctx context.Context, r sdk.Request, prompt []byte) (host.Ruling, error)

func (g guard) Inspect(ctx context.Context, r sdk.Request, prompt []byte) (host.Ruling, error) {
	return g(ctx, r, prompt)
}

// cache is a store in memory.
type cache struct {
	sdk.Cache // what the pipeline never calls

	mu       sync.Mutex
	entries  map[string]sdk.Entry
	failing  error
	gets     atomic.Int64
	listings atomic.Int64
	puts     atomic.Int64
}

func (c *cache) Get(_ context.Context, namespace, key string) (sdk.Entry, bool, error) {
	c.gets.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	return e, ok && e.Namespace == namespace, c.failing
}

func (c *cache) Put(_ context.Context, entries ...sdk.Entry) error {
	c.puts.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing != nil {
		return c.failing
	}
	if c.entries == nil {
		c.entries = make(map[string]sdk.Entry)
	}
	for _, e := range entries {
		c.entries[e.Key] = e
	}
	return nil
}

// Changes lists one entry a page.
func (c *cache) Changes(_ context.Context, q sdk.ChangesQuery) (sdk.Changes, error) {
	c.listings.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing != nil {
		return sdk.Changes{}, c.failing
	}
	out := sdk.Changes{Cursor: cmp.Or(q.Cursor, "-")} // as many characters as there were entries, and one
	keys := slices.Sorted(maps.Keys(c.entries))
	if at := len(out.Cursor) - 1; at < len(keys) {
		out.Cursor += "x"
		e := c.entries[keys[at]]
		if q.KeysOnly {
			e.Value = nil
		}
		out.Changes = []sdk.Change{{Entry: e}}
	}
	out.More = len(out.Cursor)-1 < len(keys)
	return out, nil
}

func (c *cache) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
}

var (
	selectorPlugin   = &config.Plugin{Kind: sdk.KindSelector, Name: "mine"}
	precheckerPlugin = &config.Plugin{Kind: sdk.KindPrechecker, Name: "race"}
	proberPlugin     = &config.Plugin{Kind: sdk.KindProber, Name: "models"}
	cachePlugin      = &config.Plugin{Kind: sdk.KindCache, Name: "local"}
	adapterPlugin    = &config.Plugin{Kind: sdk.KindAdapter, Name: "openai"}
	guardPlugin      = &config.Plugin{Kind: sdk.KindGuard, Name: "regex"}
)

var nullLog = hclog.NewNullLogger()

// rig is a board and the plugins over it. What a test does not need stays nil.
type rig struct {
	board    *board.Board
	cfg      *config.Config
	manifest sdk.Manifest // of the selector
	selector selector
	checker  prechecker
	prober   prober
	cache    *cache
	adapter  adapter
	guard    guard
	grants   []string // of the guard
	forms    Forms
	epoch    atomic.Uint64
}

// newRig has one channel per name, each with the model m.
func newRig(channels ...string) *rig {
	r := &rig{board: board.New(nil), cfg: &config.Config{Hash: "h1"}}
	for _, name := range channels {
		r.cfg.Channels = append(r.cfg.Channels, &config.Channel{
			Name: name, Provider: &config.Provider{Name: "openai", Adapter: adapterPlugin},
			BaseURL: "https://" + name + "/v1", Models: []string{"m"}, Priority: 10, Weight: 1,
		})
	}
	r.board.Apply(r.cfg)
	return r
}

func (r *rig) plugins(p *config.Plugin) Plugin {
	out := Plugin{
		Manifest: sdk.Manifest{Version: "1.0.0"}, Selector: r.selector, Prechecker: r.checker, Prober: r.prober,
		Cache: r.cache, Adapter: r.adapter, Guard: r.guard, Epoch: r.epoch.Load,
	}
	if p.Kind == sdk.KindSelector || p.Kind == sdk.KindGuard {
		out.Manifest.Reads = r.manifest.Reads
	}
	if p.Kind == sdk.KindGuard {
		out.Grants = r.grants
	}
	return out
}

// pipeline of these steps.
func (r *rig) pipeline(t testing.TB, steps ...*config.Step) *Pipeline {
	t.Helper()
	cfg := &config.Pipeline{Name: "default", Steps: steps}
	whole := *r.cfg
	whole.Pipelines = []*config.Pipeline{cfg}
	p, err := New(Options{
		Config: cfg, Board: r.board, Plugins: r.plugins, Preparer: preparerOf(&whole, r.plugins), Forms: r.forms, Log: nullLog,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func chooseStep() *config.Step {
	return &config.Step{
		Name: "choose", Kind: sdk.KindSelector, Plugin: selectorPlugin, Timeout: 20 * time.Millisecond,
		OnError: config.OnErrorStale, Fresh: 5 * time.Second, Stale: time.Minute,
	}
}

func guardStep() *config.Step {
	return &config.Step{
		Name: "guard", Kind: sdk.KindGuard, Plugin: guardPlugin, Timeout: time.Second,
		OnError: config.OnErrorReject, Fresh: 5 * time.Second, MaxPrompt: 100,
	}
}

func precheckStep() *config.Step {
	return &config.Step{
		Name: "precheck", Kind: sdk.KindPrechecker, Plugin: precheckerPlugin, Timeout: 2 * time.Second,
		OnError: config.OnErrorStale, Top: 3, Fresh: time.Minute,
	}
}

func answersStep() *config.Step {
	return &config.Step{
		Name: "answers", Kind: sdk.KindCache, Plugin: cachePlugin, Timeout: 50 * time.Millisecond,
		OnError: config.OnErrorSkip, TTL: time.Hour, MaxAnswer: 1 << 20, MaxAnswers: 100,
		DedupeBuffer: 1 << 20,
	}
}

func healthStep() *config.Step {
	return &config.Step{
		Name: "health", Kind: sdk.KindProber, Plugin: proberPlugin, Timeout: 10 * time.Second,
		Interval: 5 * time.Minute, KeyInterval: 30 * time.Minute, ModelsInterval: time.Hour, SpecsInterval: 2 * time.Hour, PricesInterval: 10 * time.Minute, AtOnce: 8,
		RecoveryInterval: 5 * time.Second,
	}
}

func callStep() *config.Step {
	return &config.Step{Name: "call", Kind: sdk.KindAdapter, Timeout: time.Second}
}

// target finds one by its channel.
func (r *rig) target(t testing.TB, channel string) *board.Target {
	t.Helper()
	for _, x := range r.board.View().Targets {
		if x.Channel.Config.Name == channel {
			return x
		}
	}
	t.Fatalf("no target on %s", channel)
	return nil
}

// up makes channels known.
func (r *rig) up(channels ...string) {
	for _, name := range channels {
		r.board.View().Channel(name).SetAvailability(board.Availability{Available: true, Reason: "seen", Until: time.Now().Add(time.Minute)})
	}
}

// set of the model m.
func (r *rig) set(t testing.TB) *board.Set {
	t.Helper()
	s := r.board.View().Resolve("m", nil)
	if s == nil {
		t.Fatal("no set")
	}
	return s
}

// pick is a channel's target in a plan.
func pickOf(r *rig, t testing.TB, channel string, weight float64) sdk.Pick {
	t.Helper()
	return sdk.Pick{Candidate: sdk.Candidate{Ref: r.target(t, channel).Ref}, Weight: weight}
}

// tiers makes a plan of channels: one tier for each argument.
func (r *rig) tiers(t testing.TB, tiers ...[]string) sdk.Plan {
	t.Helper()
	var p sdk.Plan
	for _, names := range tiers {
		var tier sdk.Tier
		for _, name := range names {
			tier.Picks = append(tier.Picks, pickOf(r, t, name, 0))
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}

// always answers one plan.
func always(p sdk.Plan) selector {
	return func(context.Context, *host.Generation, sdk.Request, []host.Live) (sdk.Plan, error) { return p, nil }
}

func request() *Request {
	return &Request{Facts: sdk.Request{Model: "m", Endpoint: sdk.Chat}, Start: time.Now()}
}

// order is every target of the walk, by channel.
func order(w Walk) []string {
	var out []string
	for {
		t, fallback, ok := w.Next(time.Now())
		if !ok {
			return out
		}
		name := t.Channel.Config.Name
		if fallback > 0 {
			name = fmt.Sprintf("%s %d", name, fallback)
		}
		out = append(out, name)
	}
}

func preparerOf(cfg *config.Config, plugins Plugins) *Preparer {
	p := NewPreparer(nil)
	p.Apply(cfg, plugins)
	return p
}
