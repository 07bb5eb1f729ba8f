package board

import (
	"sort"
	"strings"
	"sync"
	"sync/atomic"

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

	sets  sync.Map // setKey -> *Set
	kept  atomic.Int32
	names []string
}

// block is a model block of the configuration.
type block struct{ any, fallbacks []string }

// Set is the targets that could answer one name: first those of the model
// itself, then those of its fallbacks.
type Set struct {
	Members []Member
}

// Member is a target in a set.
type Member struct {
	*Target
	// Fallback is 0 for the model asked for, n for its n-th fallback.
	Fallback int
}

type setKey struct{ model, fallbacks string }

// maxSets bounds the sets that are kept: clients can combine fallbacks freely.
const maxSets = 16 << 10

// JoinFallbacks is the key form of a request's own fallbacks.
func JoinFallbacks(names []string) string { return strings.Join(names, "\x00") }

// Resolve finds the targets for a model and a request's own fallbacks, joined
// by [JoinFallbacks], which come before those of the model's block. It is nil
// where no channel has any of them.
func (v *View) Resolve(model, fallbacks string) *Set {
	key := setKey{model, fallbacks}
	if s, ok := v.sets.Load(key); ok {
		return s.(*Set)
	}
	s := &Set{}
	seen := make(map[*Target]bool)
	add := func(name string, fallback int) {
		for _, n := range append([]string{name}, v.blocks[name].any...) {
			for _, t := range v.byName[n] {
				if !seen[t] {
					seen[t] = true
					s.Members = append(s.Members, Member{t, fallback})
				}
			}
		}
	}
	add(model, 0)
	var next []string
	if fallbacks != "" {
		next = strings.Split(fallbacks, "\x00")
	}
	for i, name := range append(next, v.blocks[model].fallbacks...) {
		add(name, i+1)
	}
	if len(s.Members) == 0 {
		return nil
	}
	if v.kept.Add(1) <= maxSets {
		// Clients' strings may point into a pooled body.
		key = setKey{strings.Clone(model), strings.Clone(fallbacks)}
		v.sets.Store(key, s)
	}
	return s
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
	for name, b := range v.blocks {
		for _, n := range append([]string{name}, append(b.any, b.fallbacks...)...) {
			if len(v.byName[n]) > 0 {
				listed[name] = true
				break
			}
		}
	}
	v.names = make([]string, 0, len(listed))
	for name := range listed {
		v.names = append(v.names, name)
	}
	sort.Strings(v.names)
}
