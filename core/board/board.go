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
	terms  Terms
	view   atomic.Pointer[View]
	keeper keeper

	mu  sync.Mutex
	cfg *config.Config
}

// New is a board that knows nothing yet. A nil clock is time.Now.
func New(now func() time.Time) *Board {
	if now == nil {
		now = time.Now
	}
	b := &Board{now: now, terms: DefaultTerms}
	b.keeper.init()
	b.view.Store(&View{})
	return b
}

// View is the present view.
func (b *Board) View() *View { return b.view.Load() }

// Apply takes a configuration. Channels whose name, provider and credential
// stay keep what is known of them.
func (b *Board) Apply(cfg *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg = cfg
	b.show(b.build())
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
		c := &Channel{Config: cc, Info: info(cc)}
		was := channels[cc.Name]
		same := was != nil && sameAccount(was.Config, cc)
		if same {
			c.channelLive = was.channelLive
		} else {
			c.channelLive = &channelLive{}
			c.health.Store(&Health{})
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
			if o := targets[place{cc.Name, m.name}]; o != nil && same && o.Upstream == m.upstream {
				t.targetLive = o.targetLive
			} else {
				t.targetLive = &targetLive{}
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
	for _, p := range t.Channel.Config.Prices {
		if p.Model == t.Model || p.Model == "*" && c.InputPrice == nil {
			c.InputPrice, c.OutputPrice = &p.Input, &p.Output
			if p.Model == t.Model {
				break
			}
		}
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
	}
	switch ban := c.ban.Load(); {
	case h.KeyUntil.IsZero():
	case h.Key == sdk.KeyInvalid:
		b.out(&c.seat, Failure{Class: Auth, Reason: h.Reason})
	case h.Key == sdk.KeyValid && ban != nil && ban.Class == Auth:
		c.ban.CompareAndSwap(ban, nil)
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

// Failure is a request that failed at a target.
type Failure struct {
	Class  Class
	Reason string
	// RetryAfter is the upstream's hint; 0: none.
	RetryAfter time.Duration
}

// Succeed counts a request out that the target answered. ttft is 0 where it
// was not measured.
func (b *Board) Succeed(t *Target, ttft time.Duration) {
	t.Leave()
	if ttft > 0 {
		t.ttft.add(float64(ttft), true)
	}
	t.errorRate.add(0, false)
	if t.failures.Load() != 0 {
		t.failures.Store(0)
	}
	now := b.now()
	if t.lift(now) {
		b.keeper.note(place{channel: t.Channel.Config.Name, model: t.Model})
	}
	if t.Channel.lift(now) {
		b.keeper.note(place{channel: t.Channel.Config.Name})
	}
	b.keyWorked(t.Channel)
	// A live success renews availability for nothing. It is stored at most
	// once per lease half, so that the common request writes no shared line.
	if a := t.Channel.avail.Load(); a == nil || !a.Available || a.Until.Sub(now) < availability/2 {
		t.Channel.avail.Store(&Availability{Available: true, Reason: "answered a request", Until: now.Add(availability)})
	}
}

// availability is how long a live success stands for the channel.
const availability = time.Minute

// Fail counts a request out that failed at the target.
func (b *Board) Fail(t *Target, f Failure) {
	t.Leave()
	if f.Class == None {
		return
	}
	t.errorRate.add(1, false)
	if f.Class == Auth {
		b.learnKey(t.Channel, sdk.KeyInvalid)
	}
	if f.Class == Connect || f.Class == Timeout {
		t.Channel.avail.Store(&Availability{Reason: f.Reason, Until: b.now().Add(availability)})
	}
	if f.Class.fault() && int(t.failures.Add(1)) < b.terms.Failures && t.ban.Load() == nil {
		return
	}
	where, s := place{channel: t.Channel.Config.Name, model: t.Model}, &t.seat
	if f.Class.Whole() {
		where.model, s = "", &t.Channel.seat
	}
	if b.out(s, f) {
		b.keeper.note(where)
	}
}

// out bans who sits there, and reports whether that changed anything.
func (b *Board) out(s *seat, f Failure) bool {
	now := b.now()
	for {
		last := s.ban.Load()
		next := b.terms.next(f, last, now)
		if next == last {
			return false
		}
		if s.ban.CompareAndSwap(last, next) {
			return true
		}
	}
}

// Live is how a target does, for a selector.
func (t *Target) Live() (health sdk.HealthState, ttft time.Duration, errorRate float64, inFlight int) {
	health = t.Channel.health.Load().State
	if a := t.Channel.avail.Load(); a != nil && health != sdk.HealthMisconfigured {
		if a.Available {
			health = sdk.HealthUp
		} else {
			health = sdk.HealthDown
		}
	}
	return health, t.TTFT(), t.ErrorRate(), int(t.inFlight.Load())
}
