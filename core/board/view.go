package board

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// View is the targets of one generation. It does not change.
type View struct {
	// Generation is a hash of channels, models, prices and plugins.
	Generation uint64
	// Channels in file order, those that are off too.
	Channels []*Channel
	// Targets by ref.
	Targets []*Target
	// Candidates is what does not change of each target, by ref.
	Candidates []sdk.Candidate

	byName map[string][]*Target // a provider's full name and its short form
	blocks map[string]block
	names  []string
	sets   map[string]*Set // of requests without fallbacks of their own

	mu    sync.RWMutex
	mixed map[mixedKey]*Set // of those with
}

// block is a model block of the configuration.
type block struct{ any, fallbacks []string }

// Set is the targets that could answer one name: first those of the model
// itself, then those of its fallbacks. While a view lives, equal names get the
// same Set.
type Set struct {
	// Model is the name asked for.
	Model   string
	Members []Member
	// Seed is a hash of the name.
	Seed uint64
}

// Member is a target in a set.
type Member struct {
	*Target
	// Fallback is 0 for the model asked for, n for its n-th fallback.
	Fallback int
}

type mixedKey struct{ model, fallbacks string }

// Clients can combine the fallbacks of their requests freely, so that the sets
// that are kept for them are bounded.
const (
	maxMixed = 4096
	// maxMixedKey is the longest list, in bytes, whose set is kept.
	maxMixedKey = 1024
)

// Resolve finds the targets for a model and a request's own fallbacks, which
// come before those of the model's block. It is nil where no channel has any
// of them.
func (v *View) Resolve(model string, fallbacks []string) *Set {
	if len(fallbacks) == 0 {
		return v.sets[model]
	}
	key := mixedKey{model, strings.Join(fallbacks, "\x00")}
	v.mu.RLock()
	s, ok := v.mixed[key]
	v.mu.RUnlock()
	if ok {
		return s
	}
	if s = v.resolve(model, fallbacks); s == nil || len(key.model)+len(key.fallbacks) > maxMixedKey {
		return s
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if kept, ok := v.mixed[key]; ok {
		return kept
	}
	if len(v.mixed) == maxMixed {
		for old := range v.mixed { // any: whoever filled it up must not keep others out
			delete(v.mixed, old)
			break
		}
	}
	// A client's strings may point into a pooled body.
	v.mixed[mixedKey{s.Model, strings.Clone(key.fallbacks)}] = s
	return s
}

func (v *View) resolve(model string, fallbacks []string) *Set {
	s := &Set{Model: strings.Clone(model), Seed: hash(model)}
	seen := make(map[*Target]bool)
	add := func(name string, fallback int) {
		for _, t := range v.byName[name] {
			if !seen[t] {
				seen[t] = true
				s.Members = append(s.Members, Member{t, fallback})
			}
		}
	}
	addModel := func(name string, fallback int) {
		add(name, fallback)
		for _, n := range v.blocks[name].any {
			add(n, fallback)
		}
	}
	addModel(model, 0)
	for i, name := range slices.Concat(fallbacks, v.blocks[model].fallbacks) {
		addModel(name, i+1)
	}
	if len(s.Members) == 0 {
		return nil
	}
	return s
}

// Channel finds a channel by name; nil: there is none.
func (v *View) Channel(name string) *Channel {
	for _, c := range v.Channels {
		if c.Config.Name == name {
			return c
		}
	}
	return nil
}

// Names are the models that clients may ask for, sorted: those of the
// channels and those of model blocks that some channel can answer.
func (v *View) Names() []string { return v.names }

// Find is the targets of exactly this name, without fallbacks.
func (v *View) Find(name string) []*Target { return v.byName[name] }

// index fills what is looked up by name.
func (v *View) index() {
	v.byName = make(map[string][]*Target, len(v.Targets))
	listed := make(map[string]bool, len(v.Targets))
	for _, t := range v.Targets {
		v.byName[t.Model] = append(v.byName[t.Model], t)
		listed[t.Model] = true
	}
	// "openai/gpt-4o" also answers "gpt-4o", behind those of that very name.
	for _, t := range v.Targets {
		if i := strings.LastIndexByte(t.Model, '/'); i >= 0 && i+1 < len(t.Model) {
			short := t.Model[i+1:]
			v.byName[short] = append(v.byName[short], t)
		}
	}
	v.mixed = make(map[mixedKey]*Set)
	v.sets = make(map[string]*Set, len(v.byName)+len(v.blocks))
	for name := range v.byName {
		v.sets[name] = v.resolve(name, nil)
	}
	for name := range v.blocks {
		if s := v.resolve(name, nil); s != nil {
			v.sets[name], listed[name] = s, true
		}
	}
	v.names = slices.Sorted(maps.Keys(listed))
}
