package board

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Board holds the present view. Its methods may be called by many goroutines.
type Board struct {
	now    func() time.Time
	terms  atomic.Pointer[config.Bans]
	view   atomic.Pointer[View]
	keeper keeper
	budget Budget
	// observer is set before the board is used.
	observer Observer

	mu  sync.Mutex
	cfg *config.Config
}

// New is a board that knows nothing yet. A nil clock is time.Now.
func New(now func() time.Time) *Board {
	if now == nil {
		now = time.Now
	}
	b := &Board{now: now, observer: unobserved{}}
	b.keeper.init()
	b.view.Store(&View{})
	b.setTerms(&config.Config{})
	return b
}

// Observer is told of bans, by many goroutines, and must not block.
type Observer interface {
	// Banned: a ban began, or changed. The model is empty where it is about
	// the whole channel.
	Banned(c *Channel, model string, b *Ban)
	// Freed: a ban was lifted. One that runs out is not lifted before a
	// request succeeded.
	Freed(c *Channel, model string, b *Ban)
}

type unobserved struct{}

func (unobserved) Banned(*Channel, string, *Ban) {}
func (unobserved) Freed(*Channel, string, *Ban)  {}

// Observe sets who is told of bans. It is called before the board is used.
func (b *Board) Observe(o Observer) { b.observer = o }

// View is the present view.
func (b *Board) View() *View { return b.view.Load() }

// Apply takes a configuration. Channels whose name, provider and credential
// stay keep what is known of them.
func (b *Board) Apply(cfg *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg = cfg
	b.setTerms(cfg)
	b.show(b.build())
}

// setTerms takes the numbers; a configuration that was not read from a file
// has the defaults.
func (b *Board) setTerms(cfg *config.Config) {
	terms, budget := cfg.Bans, cfg.RetryBudget
	if terms == (config.Bans{}) {
		terms = config.Defaults.Bans
	}
	if budget == (config.RetryBudget{}) {
		budget = config.Defaults.Budget
	}
	b.terms.Store(&terms)
	b.budget.set(budget)
}

func (b *Board) show(v *View) {
	v.index()
	b.view.Store(v)
}

// build makes a view of the configuration and the listed models.
func (b *Board) build() *View {
	old := b.view.Load()
	channels := make(map[string]*Channel, len(old.Channels))
	for _, c := range old.Channels {
		channels[c.Config.Name] = c
	}
	targets := make(map[place]*Target, len(old.Targets))
	for _, t := range old.Targets {
		targets[place{t.Channel.Config.Name, t.Model}] = t
	}

	v := &View{
		blocks:  make(map[string]block, len(b.cfg.Models)),
		Targets: make([]*Target, 0, len(old.Targets)), Candidates: make([]sdk.Candidate, 0, len(old.Targets)),
	}
	for _, m := range b.cfg.Models {
		v.blocks[m.Name] = block{m.Any, m.Fallbacks}
	}
	for _, cc := range b.cfg.Channels {
		c := &Channel{Config: cc, Info: info(cc), terms: b.terms.Load(), now: b.now}
		was := channels[cc.Name]
		same := was != nil && sameAccount(was.Config, cc)
		if same {
			c.channelLive = was.channelLive
		} else {
			c.channelLive = &channelLive{}
			c.health.Store(&Health{})
			if was != nil {
				c.keepManual(&was.seat)
			}
		}
		v.Channels = append(v.Channels, c)
		if cc.Off != "" {
			continue
		}
		for _, m := range c.models() {
			t := &Target{
				Ref: uint32(len(v.Targets)), Channel: c, Model: m.name, Upstream: m.upstream,
				Seed: hash(cc.Name, m.name),
			}
			o := targets[place{cc.Name, m.name}]
			if o != nil && same && o.Upstream == m.upstream {
				t.targetLive = o.targetLive
			} else {
				t.targetLive = &targetLive{}
				if o != nil {
					t.keepManual(&o.seat)
				}
			}
			v.Targets = append(v.Targets, t)
			v.Candidates = append(v.Candidates, candidate(t, m.info))
		}
	}
	v.Generation = generation(b.cfg, v)
	return v
}

func info(c *config.Channel) sdk.Channel {
	settings := make(map[string]string, len(c.Settings)+3)
	maps.Copy(settings, c.Settings)
	if c.Provider.PublicModels {
		settings["public_models"] = "true"
	}
	if c.Provider.NoModels {
		settings["no_models"] = "true"
	}
	if c.Secret == "" {
		settings["auth"] = "none"
	}
	return sdk.Channel{
		Name: c.Name, Provider: c.Provider.Name, BaseURL: c.BaseURL,
		Region: c.Region, Tags: c.Tags, Settings: settings,
	}
}

func sameAccount(a, b *config.Channel) bool {
	return a.Provider.Name == b.Provider.Name && a.BaseURL == b.BaseURL &&
		a.Secret == b.Secret && (a.Off == "") == (b.Off == "")
}

type model struct {
	name, upstream string
	info           sdk.ModelInfo
}

// models of a channel that clients may ask for, in the order of the
// configuration, then of the provider's list.
func (c *Channel) models() []model {
	listed := c.health.Load().Models
	infos := make(map[string]sdk.ModelInfo, len(listed))
	for _, m := range listed {
		infos[m.ID] = m
	}
	n := len(c.Config.Models) + len(c.Config.Aliases)
	if c.Config.Models == nil {
		n += len(listed)
	}
	out := make([]model, 0, n)
	seen := make(map[string]bool, n)
	add := func(name, upstream string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, model{name, upstream, infos[upstream]})
		}
	}
	for _, name := range c.Config.Models {
		upstream := name
		if alias, ok := c.Config.Aliases[name]; ok {
			upstream = alias
		}
		add(name, upstream)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Config.Aliases)) {
		add(name, c.Config.Aliases[name])
	}
	if c.Config.Models == nil {
		for _, m := range listed {
			add(m.ID, m.ID)
		}
	}
	return out
}

func candidate(t *Target, info sdk.ModelInfo) sdk.Candidate {
	c := sdk.Candidate{
		Ref: t.Ref, Channel: &t.Channel.Info, Model: t.Model,
		Priority: t.Channel.Config.Priority, Weight: t.Channel.Config.Weight,
		ContextTokens: info.ContextTokens,
	}
	if p := t.Channel.Config.Price(t.Model); p != nil {
		c.InputPrice, c.OutputPrice = &p.Input, &p.Output
	}
	return c
}

func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// generation is over all that a plan or a prepared call rests on, and over
// the order of the refs.
func generation(cfg *config.Config, v *View) uint64 {
	parts := make([]string, 0, 1+4*len(v.Candidates))
	parts = append(parts, cfg.Hash)
	for _, c := range v.Candidates {
		parts = append(parts, c.Channel.Name, c.Model, v.Targets[c.Ref].Upstream, strconv.FormatInt(c.ContextTokens, 10))
	}
	return hash(parts...)
}

// SetHealth keeps what a probe of the channel found out. A part whose lease is
// zero was not found out now and stays as it was. It reports whether the
// models changed.
func (b *Board) SetHealth(c *Channel, h Health) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.View().Channel(c.Config.Name)
	if now == nil || now.channelLive != c.channelLive {
		return false // a reload replaced the account that was probed
	}
	switch {
	case h.Until.IsZero():
	case h.State == sdk.HealthUp, h.State == sdk.HealthDown:
		c.avail.Store(&Availability{Available: h.State == sdk.HealthUp, Reason: h.Reason, Until: h.Until})
		if h.State == sdk.HealthUp {
			b.seenUp(now)
		}
	}
	switch {
	case h.KeyUntil.IsZero():
	case h.Key == sdk.KeyInvalid:
		b.out(now, "", &now.seat, Failure{Class: Auth, Reason: h.Reason}, false)
	case h.Key == sdk.KeyValid:
		b.free(now, "", &now.seat, func(x *Ban) bool { return x.Class == Auth })
	}

	was := c.health.Load()
	if h.Until.IsZero() {
		h.State, h.Reason, h.Until = was.State, was.Reason, was.Until
	}
	if h.KeyUntil.IsZero() {
		h.Key, h.KeyUntil = was.Key, was.KeyUntil
	}
	if h.ModelsUntil.IsZero() {
		h.Listed, h.ModelsUntil = false, was.ModelsUntil
	}
	if h.Listed {
		// Some providers list their models in another order each time.
		h.Models = slices.SortedFunc(slices.Values(h.Models), func(a, b sdk.ModelInfo) int { return strings.Compare(a.ID, b.ID) })
	} else {
		h.Listed, h.Models = was.Listed, was.Models
	}
	c.health.Store(&h)
	b.keeper.note(place{channel: c.Config.Name})
	if slices.Equal(h.Models, was.Models) {
		return false
	}
	v := b.build()
	if v.Generation == b.View().Generation {
		return false // what changed is nothing that a plan rests on
	}
	b.show(v)
	return true
}
