package board

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/smart-ai-router/smartrouter/core/config"
)

func resolved(s *Set) []string {
	if s == nil {
		return nil
	}
	var out []string
	for _, m := range s.Members {
		out = append(out, fmt.Sprintf("%s %d", m.Name(), m.Fallback))
	}
	return out
}

func TestResolve(t *testing.T) {
	t.Parallel()
	azure := channel("azure", "openai/gpt-4o")
	azure.Aliases = map[string]string{"big": "gpt-4o-2024"}
	off := channel("off", "gpt-4o")
	off.Off = "no key"
	cfg := conf(azure, channel("main", "gpt-4o", "mini"), channel("local", "llama", "a/b/llama", "odd/"), off)
	cfg.Models = []*config.Model{
		{Name: "fast", Any: []string{"mini", "llama", "nowhere"}, Fallbacks: []string{"gpt-4o", "fast"}},
		{Name: "mini", Fallbacks: []string{"llama"}},
		{Name: "empty", Any: []string{"nowhere"}, Fallbacks: []string{"nothing"}},
		{Name: "rescue", Any: []string{"nowhere"}, Fallbacks: []string{"fast"}},
	}
	tests := []struct {
		name      string
		model     string
		fallbacks []string
		want      []string
	}{
		{name: "exact before short", model: "gpt-4o", want: []string{"main/gpt-4o 0", "azure/openai/gpt-4o 0"}},
		{name: "full name", model: "openai/gpt-4o", want: []string{"azure/openai/gpt-4o 0"}},
		{name: "last part only", model: "llama", want: []string{"local/llama 0", "local/a/b/llama 0"}},
		{name: "not a middle part", model: "b/llama"},
		{name: "nothing behind the slash", model: "", want: nil},
		{name: "alias", model: "big", want: []string{"azure/big 0"}},
		{name: "what an alias stands for", model: "gpt-4o-2024"},
		{name: "unknown", model: "gpt-5"},
		{name: "a block", model: "fast", want: []string{
			"main/mini 0", "local/llama 0", "local/a/b/llama 0", "main/gpt-4o 1", "azure/openai/gpt-4o 1",
		}},
		{name: "a block of a real name", model: "mini", want: []string{"main/mini 0", "local/llama 1", "local/a/b/llama 1"}},
		{name: "a block that nobody can answer", model: "empty"},
		{name: "a fallback that is a block", model: "rescue", want: []string{
			"main/mini 1", "local/llama 1", "local/a/b/llama 1",
		}},
		{
			name: "own fallbacks first, none twice", model: "fast", fallbacks: []string{"big", "mini"},
			want: []string{
				"main/mini 0", "local/llama 0", "local/a/b/llama 0", "azure/big 1", "main/gpt-4o 3", "azure/openai/gpt-4o 3",
			},
		},
		{name: "only the fallback is known", model: "gpt-5", fallbacks: []string{"gpt-6", "big"}, want: []string{"azure/big 2"}},
		{name: "no fallback is known either", model: "gpt-5", fallbacks: []string{"gpt-6"}},
		{name: "its own fallback", model: "big", fallbacks: []string{"big"}, want: []string{"azure/big 0"}},
	}
	b, _ := newBoard(t, cfg)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := b.View().Resolve(tt.model, tt.fallbacks)
			if !slices.Equal(resolved(got), tt.want) {
				t.Errorf("got  %q\nwant %q", resolved(got), tt.want)
			}
			if got != nil && got.Model != tt.model {
				t.Errorf("the set is for %q", got.Model)
			}
			if again := b.View().Resolve(tt.model, tt.fallbacks); again != got {
				t.Error("the same question got another set")
			}
		})
	}
	want := []string{"a/b/llama", "big", "fast", "gpt-4o", "llama", "mini", "odd/", "openai/gpt-4o", "rescue"}
	if got := b.View().Names(); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if got := b.View().Find("fast"); got != nil {
		t.Errorf("a block's name is no target's: %v", got)
	}
}

func TestANewBoardKnowsNothing(t *testing.T) {
	t.Parallel()
	v := New(nil).View()
	if v.Resolve("m", nil) != nil || v.Resolve("m", []string{"n"}) != nil || len(v.Names()) != 0 {
		t.Error("a new board has targets")
	}
}

// A model block belongs to the configuration: looking it up must not write
// behind the end of its lists.
func TestIndexLeavesTheConfigurationAlone(t *testing.T) {
	t.Parallel()
	backing := []string{"m1", "behind"}
	cfg := conf(channel("a", "m1"))
	cfg.Models = []*config.Model{{Name: "x", Any: backing[:1], Fallbacks: []string{"over"}}}
	newBoard(t, cfg)
	if backing[1] != "behind" {
		t.Errorf("the index wrote %q into the configuration", backing[1])
	}
}

func TestMixedSetsAreBounded(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2")))
	v := b.View()
	for i := range maxMixed + 100 {
		v.Resolve("m1", []string{"m2", fmt.Sprint("x", i)})
	}
	if n := len(v.mixed); n != maxMixed {
		t.Errorf("%d sets kept, want %d", n, maxMixed)
	}
	// Whoever filled them up must not keep others from a lease.
	if first, again := v.Resolve("m1", []string{"m2"}), v.Resolve("m1", []string{"m2"}); first != again {
		t.Error("a full table has no room for a new list")
	}
	long := []string{"m2", strings.Repeat("x", maxMixedKey)}
	if v.Resolve("m1", long) == nil {
		t.Error("a long list is not answered")
	}
	for k := range v.mixed {
		if len(k.model)+len(k.fallbacks) > maxMixedKey {
			t.Fatal("a long list was kept")
		}
	}
}

// A client's strings point into a pooled body, which the next request overwrites.
func TestResolveKeepsNothingOfItsArguments(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2")))
	body := []byte("m1m2")
	text := unsafe.String(unsafe.SliceData(body), len(body)) // as the scanner makes them
	s := b.View().Resolve(text[:2], []string{text[2:]})
	copy(body, "zzzz")
	if s.Model != "m1" {
		t.Errorf("the set's model turned into %q", s.Model)
	}
	if b.View().Resolve("m1", []string{"m2"}) != s {
		t.Error("the key turned into something else")
	}
}

func TestResolveConcurrently(t *testing.T) {
	t.Parallel()
	b, _ := newBoard(t, conf(channel("a", "m1", "m2"), channel("b", "m1")))
	v := b.View()
	var wg sync.WaitGroup
	sets := make([]*Set, 16)
	for i := range sets {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 200 {
				v.Resolve("m1", []string{fmt.Sprint("x", n)})
			}
			sets[i] = v.Resolve("m1", []string{"m2"})
		}()
	}
	wg.Wait()
	for _, s := range sets {
		if s != sets[0] || s == nil {
			t.Fatal("equal questions got different sets")
		}
	}
}
