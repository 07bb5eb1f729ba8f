package board

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// clock is a time that stands until it is moved.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) move(d time.Duration) { c.at = c.at.Add(d) }

// channel is one that is on, with declared models.
func channel(name string, models ...string) *config.Channel {
	return &config.Channel{
		Name: name, Provider: &config.Provider{Name: "openai"}, BaseURL: "https://" + name + "/v1",
		Secret: config.Secret("sk-" + name), Models: models, Priority: 10, Weight: 1,
	}
}

func conf(channels ...*config.Channel) *config.Config {
	return &config.Config{Channels: channels, Hash: "h1"}
}

func newBoard(t *testing.T, cfg *config.Config) (*Board, *clock) {
	t.Helper()
	c := newClock()
	b := New(c.now)
	b.Apply(cfg)
	return b, c
}

// target finds one by channel and model.
func target(t *testing.T, b *Board, ch, model string) *Target {
	t.Helper()
	for _, x := range b.View().Targets {
		if x.Channel.Config.Name == ch && x.Model == model {
			return x
		}
	}
	t.Fatalf("no target %s/%s", ch, model)
	return nil
}

// fail begins a request at the target and lets it fail.
func fail(b *Board, t *Target, f Failure) {
	t.Begin(b.now())
	b.Fail(t, f)
}

func succeed(b *Board, t *Target) {
	t.Begin(b.now())
	b.Succeed(t, time.Millisecond)
}

func TestApplyMakesTargets(t *testing.T) {
	t.Parallel()
	listed := channel("listed")
	listed.Models = nil
	listed.Aliases = map[string]string{"doubao-1.5-pro": "ep-1", "b": "m2"}
	declared := channel("declared", "m1", "fast")
	declared.Aliases = map[string]string{"fast": "m1-turbo"}
	declared.Prices = []config.Price{{Model: "*", Input: 1, Output: 2}, {Model: "fast", Input: 3, Output: 4}}
	off := channel("off", "m1")
	off.Off = "OFF_KEY is not set"
	keyless := channel("keyless", "m1")
	keyless.Secret = ""
	keyless.Provider = &config.Provider{Name: "ollama", PublicModels: true, NoModels: true}
	keyless.Settings = map[string]string{"a": "b"}

	b, _ := newBoard(t, conf(listed, declared, off, keyless))
	b.SetHealth(b.View().Channel("listed"), Health{
		Listed: true, ModelsUntil: b.now().Add(time.Hour),
		Models: []sdk.ModelInfo{{ID: "m2", ContextTokens: 8192}, {ID: "m1"}},
	})

	v := b.View()
	var got []string
	for i, x := range v.Targets {
		if x.Ref != uint32(i) || v.Candidates[i].Ref != uint32(i) || v.Candidates[i].Channel != &x.Channel.Info {
			t.Errorf("target %d has the ref %d, its candidate %+v", i, x.Ref, v.Candidates[i])
		}
		got = append(got, x.Name()+"="+x.Upstream)
	}
	want := []string{
		"listed/b=m2", "listed/doubao-1.5-pro=ep-1", "listed/m1=m1", "listed/m2=m2",
		"declared/m1=m1", "declared/fast=m1-turbo", "keyless/m1=m1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("targets %q, want %q", got, want)
	}
	if c := v.Candidates[0]; c.ContextTokens != 8192 {
		t.Errorf("an alias has the context %d of what it stands for, want 8192", c.ContextTokens)
	}
	for _, tt := range []struct {
		at    int
		input float64
	}{{at: 4, input: 1}, {at: 5, input: 3}} {
		if c := v.Candidates[tt.at]; c.InputPrice == nil || *c.InputPrice != tt.input {
			t.Errorf("%s costs %v, want %v", v.Targets[tt.at].Name(), c.InputPrice, tt.input)
		}
	}
	if v.Candidates[0].InputPrice != nil {
		t.Error("a channel without prices has one")
	}
	if n := len(v.Channels); n != 4 {
		t.Errorf("%d channels, want the one that is off too", n)
	}
	if got, want := fmt.Sprint(v.Channel("keyless").Info.Settings), "map[a:b auth:none no_models:true public_models:true]"; got != want {
		t.Errorf("settings %s, want %s", got, want)
	}
	if v.Channel("nobody") != nil {
		t.Error("found a channel that is not there")
	}
}

func TestGeneration(t *testing.T) {
	t.Parallel()
	list := func(models ...sdk.ModelInfo) Health {
		return Health{Listed: true, Models: models, ModelsUntil: newClock().now().Add(time.Hour)}
	}
	tests := []struct {
		name   string
		change func(b *Board, cfg *config.Config)
		moves  bool
	}{
		{name: "a key of a caller's", change: func(b *Board, cfg *config.Config) {
			next := *cfg
			next.Hash = "h2"
			b.Apply(&next)
		}},
		{name: "the same again", change: func(b *Board, cfg *config.Config) { b.Apply(cfg) }},
		{name: "configuration", moves: true, change: func(b *Board, cfg *config.Config) {
			next, dearer := *cfg, *cfg.Channels[0]
			dearer.Prices = []config.Price{{Model: "*", Input: 3}}
			next.Channels = []*config.Channel{&dearer}
			b.Apply(&next)
		}},
		{name: "models", moves: true, change: func(b *Board, _ *config.Config) {
			b.SetHealth(b.View().Channel("a"), list(sdk.ModelInfo{ID: "m1"}, sdk.ModelInfo{ID: "m2"}))
		}},
		{name: "context", moves: true, change: func(b *Board, _ *config.Config) {
			b.SetHealth(b.View().Channel("a"), list(sdk.ModelInfo{ID: "m1", ContextTokens: 5}))
		}},
		{name: "models listed as before", change: func(b *Board, _ *config.Config) {
			b.SetHealth(b.View().Channel("a"), list(sdk.ModelInfo{ID: "m1"}))
		}},
		{name: "what no plan rests on", change: func(b *Board, _ *config.Config) {
			b.SetHealth(b.View().Channel("a"), list(sdk.ModelInfo{ID: "m1", Created: 7, OwnedBy: "x"}))
		}},
		{name: "health", change: func(b *Board, _ *config.Config) {
			b.SetHealth(b.View().Channel("a"), Health{State: sdk.HealthDown, Until: b.now().Add(time.Hour)})
		}},
		{name: "latency, errors, bans", change: func(b *Board, _ *config.Config) {
			x := b.View().Targets[0]
			succeed(b, x)
			fail(b, x, Failure{Class: RateLimit})
			fail(b, x, Failure{Class: Auth})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := conf(channel("a"))
			cfg.Channels[0].Models = nil
			b, _ := newBoard(t, cfg)
			b.SetHealth(b.View().Channel("a"), list(sdk.ModelInfo{ID: "m1"}))
			was := b.View().Generation
			tt.change(b, cfg)
			if moved := b.View().Generation != was; moved != tt.moves {
				t.Errorf("generation moved %t, want %t", moved, tt.moves)
			}
		})
	}
}

// A provider that lists its models in another order each time would end every
// plan's lease with each probe.
func TestModelsInAnotherOrderKeepTheView(t *testing.T) {
	t.Parallel()
	c := channel("a")
	c.Models = nil
	b, _ := newBoard(t, conf(c))
	until := b.now().Add(time.Hour)
	if !b.SetHealth(b.View().Channel("a"), Health{Listed: true, ModelsUntil: until, Models: []sdk.ModelInfo{{ID: "m1"}, {ID: "m2"}}}) {
		t.Error("the first list changes nothing")
	}
	was := b.View()
	other := []sdk.ModelInfo{{ID: "m2", Created: 9}, {ID: "m1"}}
	if b.SetHealth(b.View().Channel("a"), Health{Listed: true, ModelsUntil: until, Models: other}) || b.View() != was {
		t.Error("the order of the list made a new view")
	}
	if other[0].ID != "m2" {
		t.Error("the caller's list was sorted")
	}
	if got := b.View().Channel("a").Health().Models[1].Created; got != 9 {
		t.Errorf("created %d, want what was listed last", got)
	}
}

func TestApplyCarriesOverWhatIsKnown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(c *config.Channel)
		keeps  bool
		target bool // keeps the target's
	}{
		{name: "nothing", change: func(*config.Channel) {}, keeps: true, target: true},
		{name: "weight", change: func(c *config.Channel) { c.Weight = 7 }, keeps: true, target: true},
		{name: "key", change: func(c *config.Channel) { c.Secret = "sk-other" }},
		{name: "base URL", change: func(c *config.Channel) { c.BaseURL = "https://elsewhere/v1" }},
		{name: "provider", change: func(c *config.Channel) { c.Provider = &config.Provider{Name: "groq"} }},
		{name: "name", change: func(c *config.Channel) { c.Name = "b" }},
		{
			name: "what an alias stands for", keeps: true,
			change: func(c *config.Channel) { c.Aliases = map[string]string{"m1": "m1-new"} },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newBoard(t, conf(channel("a", "m1")))
			x := b.View().Targets[0]
			x.Begin(b.now())
			fail(b, x, Failure{Class: NotFound})
			fail(b, x, Failure{Class: Quota})

			next := channel("a", "m1")
			tt.change(next)
			b.Apply(conf(next))
			got := b.View().Targets[0]
			if got == x || got.Channel.Config != next {
				t.Fatal("the new configuration is not in force")
			}
			if kept := got.Channel.Ban() != nil; kept != tt.keeps {
				t.Errorf("channel's ban kept %t, want %t", kept, tt.keeps)
			}
			if kept := got.Ban() != nil; kept != tt.target {
				t.Errorf("target's ban kept %t, want %t", kept, tt.target)
			}
			if tt.target && got.InFlight() != 1 {
				t.Errorf("%d in flight, want the one from before", got.InFlight())
			}
			x.Leave()
			if got.InFlight() != 0 || x.Channel.InFlight() != 0 || got.Channel.InFlight() != 0 {
				t.Errorf("in flight: target %d, old channel %d, new channel %d", got.InFlight(), x.Channel.InFlight(), got.Channel.InFlight())
			}
		})
	}
}

func TestSetHealth(t *testing.T) {
	t.Parallel()
	base := newClock().now()
	until := base.Add(time.Hour)
	known := Health{
		State: sdk.HealthUp, Reason: "listed", Until: base.Add(5 * time.Minute),
		Key: sdk.KeyValid, KeyUntil: base.Add(30 * time.Minute),
		Listed: true, ModelsUntil: base.Add(time.Hour),
		Models:     []sdk.ModelInfo{{ID: "m1", ContextTokens: 8000, Price: sdk.Price{Known: true, Input: 1, Output: 2}}},
		SpecsUntil: base.Add(2 * time.Hour), PricesUntil: base.Add(10 * time.Minute),
	}
	with := func(change func(h *Health)) Health {
		h := known
		change(&h)
		return h
	}
	tests := []struct {
		name  string
		after time.Duration
		found Health
		want  Health
	}{
		{
			name: "health only", found: Health{State: sdk.HealthDown, Reason: "refused", Until: until},
			want: with(func(h *Health) { h.State, h.Reason, h.Until = sdk.HealthDown, "refused", until }),
		},
		{
			name: "key only", found: Health{Key: sdk.KeyInvalid, KeyUntil: until},
			want: with(func(h *Health) { h.Key, h.KeyUntil = sdk.KeyInvalid, until }),
		},
		{
			name: "models only", found: Health{Listed: true, ModelsUntil: until, Models: []sdk.ModelInfo{{ID: "m2"}}},
			want: with(func(h *Health) { h.Models, h.ModelsUntil = []sdk.ModelInfo{{ID: "m2"}}, until }),
		},
		{
			name: "a list that says nothing of its models", found: Health{Listed: true, ModelsUntil: until, Models: []sdk.ModelInfo{{ID: "m2"}, {ID: "m1"}}},
			want: with(func(h *Health) { h.Models, h.ModelsUntil = append(known.Models[:1:1], sdk.ModelInfo{ID: "m2"}), until }),
		},
		{
			name: "new prices, and no specs any more", found: Health{
				Listed: true, ModelsUntil: until, PricesUntil: until, Models: []sdk.ModelInfo{{ID: "m1", Price: sdk.Price{Known: true, Input: 3}}},
			},
			want: with(func(h *Health) {
				h.ModelsUntil, h.PricesUntil = until, until
				h.Models = []sdk.ModelInfo{{ID: "m1", ContextTokens: 8000, Price: sdk.Price{Known: true, Input: 3}}}
			}),
		},
		{
			name: "when its prices have run out", after: 10 * time.Minute, found: Health{Listed: true, ModelsUntil: until, Models: []sdk.ModelInfo{{ID: "m1"}}},
			want: with(func(h *Health) {
				h.ModelsUntil, h.PricesUntil = until, time.Time{}
				h.Models = []sdk.ModelInfo{{ID: "m1", ContextTokens: 8000}}
			}),
		},
		{
			name: "when its specs have run out too", after: 2 * time.Hour, found: Health{Listed: true, ModelsUntil: until, Models: []sdk.ModelInfo{{ID: "m1"}}},
			want: with(func(h *Health) {
				h.ModelsUntil, h.SpecsUntil, h.PricesUntil = until, time.Time{}, time.Time{}
				h.Models = []sdk.ModelInfo{{ID: "m1"}}
			}),
		},
		{
			name: "not listed this time", found: Health{ModelsUntil: until},
			want: with(func(h *Health) { h.ModelsUntil = until }),
		},
		{
			name: "the list is empty now", found: Health{Listed: true, ModelsUntil: until},
			want: with(func(h *Health) { h.Models, h.ModelsUntil = nil, until }),
		},
		{name: "nothing", found: Health{Reason: "what is that?"}, want: known},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, clock := newBoard(t, conf(channel("a", "m1")))
			c := b.View().Channel("a")
			b.SetHealth(c, known)
			clock.move(tt.after)
			b.SetHealth(c, tt.found)
			got := *b.View().Channel("a").Health()
			got.Learned = Learned{} // TestTriesCountWhatTheyGoBy
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestKeyValidityParksAndFreesTheChannel(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1")))
	until := b.now().Add(time.Hour)
	x := target(t, b, "a", "m1")
	invalid := Health{Key: sdk.KeyInvalid, KeyUntil: until, Reason: "401 on GET models"}

	b.SetHealth(x.Channel, invalid)
	if ban := x.Channel.Ban(); ban == nil || ban.Class != Auth || x.Admit(b.now()) != Out {
		t.Fatalf("an invalid key leaves the channel open: %+v", ban)
	}
	b.SetHealth(x.Channel, Health{Key: sdk.KeyValid, KeyUntil: until})
	if x.Channel.Ban() != nil || x.Admit(b.now()) != Admitted {
		t.Fatal("a valid key does not free the channel")
	}

	// What an earlier probe said of the key is no news.
	b.SetHealth(x.Channel, invalid)
	x.Channel.ban.Store(nil)
	b.SetHealth(x.Channel, Health{State: sdk.HealthUp, Until: until})
	if ban := x.Channel.Ban(); ban != nil {
		t.Errorf("a probe that said nothing of the key parks the channel: %+v", ban)
	}

	// An operator's ban is nobody else's to change.
	manual := &Ban{Class: Manual, Reason: "maintenance", Times: 1}
	x.Channel.ban.Store(manual)
	b.SetHealth(x.Channel, invalid)
	b.SetHealth(x.Channel, Health{Key: sdk.KeyValid, KeyUntil: until})
	if x.Channel.Ban() != manual {
		t.Errorf("a probe replaced an operator's ban by %+v", x.Channel.Ban())
	}
}

// The result of a probe that began under the old key says nothing of the new.
func TestSetHealthOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1")))
	old := b.View().Channel("a")
	next := channel("a", "m1")
	next.Secret = "sk-new"
	b.Apply(conf(next))
	b.SetHealth(old, Health{State: sdk.HealthDown, Until: b.now().Add(time.Hour), Key: sdk.KeyInvalid, KeyUntil: b.now().Add(time.Hour)})
	c := b.View().Channel("a")
	if c.Ban() != nil || c.Health().State != sdk.HealthUnknown || c.Availability() != nil {
		t.Errorf("the new account has ban %+v, health %+v", c.Ban(), c.Health())
	}
}

// The models of a channel are its provider's: another key must not make them
// vanish until it was probed.
func TestAnotherKeyKeepsTheModels(t *testing.T) {
	t.Parallel()
	cfg := conf(channel("a"))
	cfg.Channels[0].Models = nil
	b, c := newBoard(t, cfg)
	b.SetHealth(b.View().Channel("a"), Health{
		State: sdk.HealthUp, Until: c.now().Add(time.Hour), Key: sdk.KeyValid, KeyUntil: c.now().Add(time.Hour),
		Listed: true, Models: []sdk.ModelInfo{{ID: "m1"}}, ModelsUntil: c.now().Add(time.Hour),
	})
	for _, tt := range []struct {
		name   string
		change func(c *config.Channel)
		models int
	}{
		{name: "another key", change: func(c *config.Channel) { c.Secret = "sk-new" }, models: 1},
		{name: "another provider", change: func(c *config.Channel) { c.BaseURL = "https://elsewhere/v1" }, models: 0},
	} {
		next, other := *cfg, *cfg.Channels[0]
		tt.change(&other)
		next.Channels = []*config.Channel{&other}
		b.Apply(&next)
		v := b.View()
		if got := len(v.Find("m1")); got != tt.models {
			t.Errorf("%s: %d targets, want %d", tt.name, got, tt.models)
		}
		if h := v.Channel("a").Health(); h.State != sdk.HealthUnknown || h.Key != sdk.KeyUnknown || !h.ModelsUntil.IsZero() {
			t.Errorf("%s: what was known of the old account is believed of the new one: %+v", tt.name, h)
		}
	}
}
