// Package plugintest runs a plugin in a test as the router would: a process of
// its own, real RPC, no environment.
//
//	p := plugintest.Start(t, ".", plugintest.Config{"max_error_rate": 0.3})
//	plan, err := p.Select(sdk.Request{Model: "m"}, candidates...)
//
//	plugintest.go  Start, Command, and the methods of the kinds
//	options.go     what a plugin is started with
//	process.go     the process, from its start to its end
//	build.go       go build, once per test binary
//	conform.go     Conform: the conformance kit, for any plugin
//
// Where the test is built with the race detector, so is the plugin; a race in
// it fails the test.
package plugintest

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/host"
)

// Config is a config block by attribute. Durations are strings ("1.5s"), sizes
// numbers of bytes, nested blocks lists of maps.
type Config map[string]any

// callTimeout bounds each call of a test: ample, also on a machine that is busy
// with other tests, since nobody waits for it but where the plugin hangs.
const callTimeout = 30 * time.Second

// logTimeout is how long Logged waits for a text that does not come.
const logTimeout = 10 * time.Second

// Plugin is a running plugin. It ends with its test.
type Plugin struct {
	t       testing.TB
	process *process
	host    *host.Plugin

	selector   *host.Selector
	generation atomic.Uint64
}

// Start builds the main package in dir, starts it and configures it. Any
// failure ends the test.
func Start(t testing.TB, dir string, config Config, opts ...Option) *Plugin {
	t.Helper()
	return run(t, build(t, dir), config, opts)
}

// Command starts and configures any executable, in any language.
func Command(t testing.TB, argv []string, config Config, opts ...Option) *Plugin {
	t.Helper()
	return run(t, program{path: argv[0], args: argv}, config, opts)
}

func run(t testing.TB, what program, config Config, opts []Option) *Plugin {
	t.Helper()
	p, errs := configured(t, what, config, false, opts)
	for _, e := range errs {
		t.Errorf("config: %v", e)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	return p
}

// ConfigErrors builds the main package in dir and asks what it does not accept
// in the config.
func ConfigErrors(t testing.TB, dir string, config Config, opts ...Option) []sdk.ConfigError {
	t.Helper()
	_, errs := configured(t, build(t, dir), config, true, opts)
	return errs
}

func configured(t testing.TB, what program, config Config, checkOnly bool, opts []Option) (*Plugin, []sdk.ConfigError) {
	t.Helper()
	o := newOptions(t, opts)
	p, err := start(t, what, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatalf("config: %v", err)
	}
	ctx, cancel := p.context()
	defer cancel()
	errs, err := p.host.Configure(ctx, host.Setup{
		ConfigJSON: text, UpstreamSocket: o.lend(t), DataDir: o.dataDir, Grants: o.grants, CheckOnly: checkOnly,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, errs
}

// start connects to the plugin and leaves it without a config.
func start(t testing.TB, what program, o *options) (*Plugin, error) {
	t.Helper()
	process, link, err := startProcess(t, what, o)
	if err != nil {
		return nil, err
	}
	p := &Plugin{t: t, process: process}
	ctx, cancel := p.context()
	defer cancel()
	if p.host, err = host.Connect(ctx, "plugin", link); err != nil {
		return nil, err
	}
	p.selector = p.host.Selector()
	t.Cleanup(func() { p.host.Close() }) // before the process ends
	return p, nil
}

func (p *Plugin) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.t.Context(), callTimeout)
}

// Host is the router's side of the plugin, for what this package has no method.
func (p *Plugin) Host() *host.Plugin { return p.host }

// Logged tells whether the plugin has text in its log, and waits some seconds for
// it: the log comes by another way than answers do, and later. Lines stay in
// order: to see that it did not log one thing, first see what it logged after it.
func (p *Plugin) Logged(text string) bool {
	for deadline := time.Now().Add(logTimeout); !strings.Contains(p.Logs(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Logs is what has come of the plugin's log so far; its last lines may be on their
// way.
func (p *Plugin) Logs() string { return p.process.stderr.String() }

// Kill ends the process as kill -9 would, and waits for its end.
func (p *Plugin) Kill() { p.process.kill() }

// Select asks the selector. A candidate needs a Channel; without a Model it
// gets the request's. The plan's picks hold whole candidates.
func (p *Plugin) Select(r sdk.Request, cs ...sdk.Candidate) (sdk.Plan, error) {
	p.t.Helper()
	g := &host.Generation{ID: p.generation.Add(1), Candidates: make([]sdk.Candidate, len(cs))}
	live := make([]host.Live, len(cs))
	for i, c := range cs {
		if c.Channel == nil {
			p.t.Fatalf("candidate %d has no Channel", i)
		}
		if c.Model == "" {
			c.Model = r.Model
		}
		g.Candidates[i] = c
		live[i] = host.Live{
			Ref: uint32(i), Fallback: c.Fallback, Health: c.Health, TTFT: c.TTFT, ErrorRate: c.ErrorRate, InFlight: c.InFlight,
		}
	}
	ctx, cancel := p.context()
	defer cancel()
	return p.selector.Select(ctx, g, r, live)
}

// Check asks the prechecker.
func (p *Plugin) Check(c sdk.Channel, model string) (sdk.Availability, error) {
	ctx, cancel := p.context()
	defer cancel()
	return p.host.Prechecker().Check(ctx, c, model)
}

// Probe asks the prober.
func (p *Plugin) Probe(c sdk.Channel, declaredModels ...string) (sdk.Health, error) {
	ctx, cancel := p.context()
	defer cancel()
	return p.host.Prober().Probe(ctx, c, declaredModels)
}

// Prepare asks the adapter.
func (p *Plugin) Prepare(c sdk.Channel, model string, e sdk.Endpoint, stream bool) (sdk.Prepared, error) {
	ctx, cancel := p.context()
	defer cancel()
	return p.host.Adapter().Prepare(ctx, c, model, e, stream)
}

// TranslateRequest asks the adapter for the provider's request.
func (p *Plugin) TranslateRequest(c sdk.Channel, model, chat string) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	body, err := p.host.Adapter().TranslateRequest(ctx, c, model, []byte(chat))
	return string(body), err
}

// TranslateAnswer asks the adapter for a chat completion.
func (p *Plugin) TranslateAnswer(c sdk.Channel, model string, a sdk.UpstreamAnswer) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	body, err := p.host.Adapter().TranslateAnswer(ctx, c, model, a)
	return string(body), err
}

// TranslateStream asks the adapter for the chunks of a stream that comes in these
// pieces, and ends with the last of them.
func (p *Plugin) TranslateStream(c sdk.Channel, model string, pieces ...string) ([]string, error) {
	ctx, cancel := p.context()
	defer cancel()
	var state []byte
	var all []string
	for i, piece := range pieces {
		out, err := p.host.Adapter().TranslateStream(ctx, c, model, sdk.StreamPiece{Data: []byte(piece), State: state, End: i == len(pieces)-1})
		if err != nil {
			return all, err
		}
		for _, e := range out.Events {
			all = append(all, string(e))
		}
		state = out.State
	}
	return all, nil
}

// Inspect asks the guard. The prompt is JSON such as {"messages": [...]}; empty:
// the plugin is not to see one.
func (p *Plugin) Inspect(r sdk.Request, prompt string) (host.Ruling, error) {
	ctx, cancel := p.context()
	defer cancel()
	return p.host.Guard().Inspect(ctx, r, []byte(prompt))
}

// Observe hands decision records, as JSON, to the observer.
func (p *Plugin) Observe(records ...string) error {
	ctx, cancel := p.context()
	defer cancel()
	batch := make([][]byte, len(records))
	for i, r := range records {
		batch[i] = []byte(r)
	}
	return p.host.Observer().Observe(ctx, batch)
}

// Cache is the cache, over RPC.
func (p *Plugin) Cache() sdk.Cache { return p.host.Cache() }

// Channels writes a plan as its channels' names, tier by tier: "a b | c".
func Channels(plan sdk.Plan) string {
	tiers := make([]string, len(plan.Tiers))
	for i, t := range plan.Tiers {
		names := make([]string, len(t.Picks))
		for j, pick := range t.Picks {
			names[j] = pick.Candidate.Channel.Name
		}
		tiers[i] = strings.Join(names, " ")
	}
	return strings.Join(tiers, " | ")
}
