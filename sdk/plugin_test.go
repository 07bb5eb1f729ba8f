package sdk

import (
	"context"
	"strings"
	"testing"
)

type anySelector struct{}

func (anySelector) Select(context.Context, Request, []Candidate) (Plan, error) { return Plan{}, nil }

type tagged struct {
	anySelector
	Rate float64 `config:"rate"`
}

func TestServeFindsTheAuthorsMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		plugin Plugin
		want   string
	}{
		{name: "no kind", plugin: Plugin{Name: "p"}, want: "manifest: no kind"},
		{name: "no name", plugin: Plugin{Selector: anySelector{}}, want: `manifest: the name "" is not of`},
		{name: "fact", plugin: Plugin{Name: "p", Selector: anySelector{}, Reads: []Fact{"prompt"}}, want: `manifest: reads: unknown fact "prompt"`},
		{name: "need", plugin: Plugin{Name: "p", Selector: anySelector{}, Needs: []string{"root"}}, want: `manifest: unknown need "root"`},
		{name: "config", plugin: Plugin{Name: "p", Selector: anySelector{}, Config: 7}, want: "config: int is no pointer to a struct"},
		{name: "tags", plugin: Plugin{Name: "p", Selector: &struct {
			anySelector
			X chan int `config:"x"`
		}{}}, want: ".X: a config block cannot hold a chan int"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := newServer(&tc.plugin); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestConfigIsFoundOnAnImplementation(t *testing.T) {
	t.Parallel()
	s, err := newServer(&Plugin{Name: "p", Selector: &tagged{Rate: 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	if m := s.manifest; len(m.Fields) != 1 || m.Fields[0].Default != "0.5" || m.Version == "" || !m.Lane {
		t.Errorf("got %+v", m)
	}
}

func TestParseFact(t *testing.T) {
	t.Parallel()
	for _, f := range append([]Fact{HeaderFact("X-Team"), HeaderFact("a_1")}, Facts...) {
		if got, err := ParseFact(string(f)); err != nil || got != f {
			t.Errorf("%s: got %s, %v", f, got, err)
		}
	}
	for _, bad := range []string{"", "Model", "header:", "header:X-Team", "header:a b", "header:a:b", "hash:model"} {
		if f, err := ParseFact(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, f)
		}
	}
	if name, ok := HeaderFact("X-Team").Header(); !ok || name != "x-team" {
		t.Errorf("got %s, %v", name, ok)
	}
	if _, ok := FactModel.Header(); ok {
		t.Error("the fact model is of a header")
	}
}

func TestHashOf(t *testing.T) {
	t.Parallel()
	if f, ok := HashOf(FactPrefix).Hash(); !ok || f != FactPrefix {
		t.Errorf("got %s, %v", f, ok)
	}
	if _, ok := LeastLoad.Hash(); ok {
		t.Error("least_load is a hash")
	}
}

func TestSizeIsWrittenAsHCLReadsIt(t *testing.T) {
	t.Parallel()
	for size, want := range map[Size]string{
		0: "0B", 1: "1B", 1023: "1023B", 1024: "1KiB", 1536: "1536B", 64 << 20: "64MiB", 3 << 30: "3GiB", 1 << 50: "1048576GiB", -2048: "-2KiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}
