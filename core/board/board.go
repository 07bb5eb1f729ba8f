package board

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strconv"
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
	reader reader
	budget Budget
	reads  reads
	// shared: limits are shared with other routers, of which short is told.
	shared atomic.Bool
	short  chan struct{}
	// observer is set before the board is used.
	observer Observer

	mu  sync.Mutex
	cfg *config.Config
	// said is the part of generations that is of the configuration alone, and
	// which that is: with many channels it takes most of the time.
	said struct {
		cfg  *config.Config
		hash string
	}
}

// New is a board that knows nothing yet. A nil clock is time.Now.
func New(now func() time.Time) *Board {
	if now == nil {
		now = time.Now
	}
	b := &Board{now: now, observer: unobserved{}, short: make(chan struct{}, 1)}
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
	kept := b.shows(cfg)
	b.cfg = cfg
	b.setTerms(cfg)
	if !kept {
		b.show(b.build())
	}
	b.reader.again.Store(true)
}

// shows reports whether the present view is that of the configuration: what hangs
// on a view, such as leased plans, need not go then.
func (b *Board) shows(cfg *config.Config) bool {
	return b.cfg != nil && b.cfg != cfg && slices.Equal(cfg.Channels, b.cfg.Channels) && reflect.DeepEqual(cfg.Models, b.cfg.Models) &&
		cfg.Bans == b.cfg.Bans
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
		c := &Channel{Config: cc, Info: info(cc), terms: b.terms.Load(), reads: &b.reads, now: b.now, short: b.short}
		was := channels[cc.Name]
		same := was != nil && sameAccount(was.Config, cc)
		if same {
			c.channelLive = was.channelLive
		} else {
			c.channelLive = &channelLive{}
			if b.shared.Load() {
				for _, l := range Limits {
					c.SetShare(l, 0)
				}
			}
			h := &Health{}
			if was != nil {
				c.keepManual(&was.seat)
				if sameService(was.Config, cc) {
					// Until the new account was probed: its models were there for the old
					// one, and requests for them go on.
					old := was.health.Load()
					h.Listed, h.Models = old.Listed, old.Models
				}
			}
			c.health.Store(h)
		}
		v.Channels = append(v.Channels, c)
		if cc.Off != "" {
			continue
		}
		for _, m := range c.models() {
			t := &Target{
				Ref: uint32(len(v.Targets)), Channel: c, Model: m.name, Upstream: m.upstream,
				Price: priceOf(cc, m), Seed: hash(cc.Name, m.name),
				specs: m.info.ContextTokens > 0 || m.info.OutputTokens > 0, ownPrice: cc.Price(m.name) != nil,
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
	v.Generation = b.generation(v)
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
	return sameService(a, b) && a.Secret == b.Secret
}

func sameService(a, b *config.Channel) bool {
	return a.Provider.Name == b.Provider.Name && a.BaseURL == b.BaseURL && (a.Off == "") == (b.Off == "")
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
	if p := t.Price; p != nil {
		c.InputPrice, c.OutputPrice = &p.Input, &p.Output
	}
	return c
}

// priceOf a model: the user knows better than the provider's list what an
// account pays.
func priceOf(c *config.Channel, m model) *config.Price {
	if p := c.Price(m.name); p != nil {
		return p
	}
	if p := m.info.Price; p.Known {
		return &config.Price{Model: m.name, Input: p.Input, Output: p.Output}
	}
	return nil
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
func (b *Board) generation(v *View) uint64 {
	if b.said.cfg != b.cfg {
		said, _ := json.Marshal([]any{b.cfg.Channels, b.cfg.Models}) // plain data, without secrets
		b.said.cfg, b.said.hash = b.cfg, strconv.FormatUint(hash(string(said)), 16)
	}
	parts := make([]string, 0, 1+4*len(v.Candidates))
	parts = append(parts, b.said.hash)
	for _, c := range v.Candidates {
		parts = append(parts, c.Channel.Name, c.Model, v.Targets[c.Ref].Upstream, strconv.FormatInt(c.ContextTokens, 10))
		if c.InputPrice != nil {
			parts = append(parts, strconv.FormatFloat(*c.InputPrice, 'g', -1, 64), strconv.FormatFloat(*c.OutputPrice, 'g', -1, 64))
		}
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
	if !h.Until.IsZero() {
		b.sawState(now, &h)
	}
	switch {
	case h.KeyUntil.IsZero():
	case h.Key == sdk.KeyInvalid:
		b.out(now, "", &now.seat, Failure{Class: Auth, Reason: h.Reason}, false)
	case h.Key == sdk.KeyValid:
		b.free(now, "", &now.seat, func(x *Ban) bool { return x.Class == Auth })
	}

	was := c.health.Load()
	h.goOn(was, b.now())
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
	b.reader.again.Store(true)
	return true
}
