package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// roots are the words that references begin with.
var roots = []string{"plugin", "provider", "pipeline", "channel", "model"}

// reference is the address of a block, such as plugin.selector.smart.
type reference struct {
	path []string
	at   hcl.Range
}

func (r reference) String() string { return strings.Join(r.path, ".") }

// path is the words of a traversal, up to the first that is no word.
func path(t hcl.Traversal) []string {
	words := make([]string, 0, len(t))
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			words = append(words, s.Name)
		case hcl.TraverseAttr:
			words = append(words, s.Name)
		default:
			return words
		}
	}
	return words
}

// reference reads an attribute that names a block below prefix; false: it is
// not there, or a mistake was reported.
func (b *block) reference(name, prefix, example string) (reference, bool) {
	a := b.attribute(name)
	if a == nil {
		return reference{}, false
	}
	at := a.Expr.Range()
	if t, diags := hcl.AbsTraversalForExpr(a.Expr); !diags.HasErrors() {
		r := reference{path: path(t), at: at}
		switch {
		case len(t) == 1 && !slices.Contains(roots, r.path[0]):
			b.problem(name, at, problemf("write "+prefix+"."+r.path[0], "%s does not say what it names", r))
		case len(r.path) == len(t) && len(t) > 1:
			return r, true
		default:
			b.problem(name, at, problemf("write one such as "+example, "is no reference"))
		}
		return reference{}, false
	}
	p := problemf("write one such as "+example, "must be a reference")
	if s, ok := literal(a.Expr); ok {
		if !strings.HasPrefix(s, prefix+".") {
			s = prefix + "." + s
		}
		p = problemf("write "+s+" without quotes", "must be a reference, and is text")
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' }) {
			p.remedy = "write one such as " + example
		}
	}
	b.problem(name, at, p)
	return reference{}, false
}

// literal is the text of a plain string.
func literal(e hclsyntax.Expression) (string, bool) {
	if t, ok := e.(*hclsyntax.TemplateExpr); !ok || !t.IsStringLiteral() {
		return "", false
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// entry is a declared thing; one without a block is ours, and a user's
// replaces it.
type entry[T any] struct {
	value T
	block *block
}

// table is what references of one root can name.
type table[T any] map[string]entry[T]

// declare reports a second declaration by the user.
func (t table[T]) declare(name string, b *block, value T) {
	if first := t[name]; first.block != nil {
		b.mistakef(b.head, "rename or remove one", "%s is declared twice, first at %s", b, place(first.block.head))
		return
	}
	t[name] = entry[T]{value: value, block: b}
}

func (t table[T]) names() []string {
	names := make([]string, 0, len(t))
	for n := range t {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// find resolves a reference below root; the zero value: it is not there, or a
// mistake was reported.
func find[T any](b *block, t table[T], name, root string) T {
	var none T
	example := root + "." + typical(t.names())
	r, ok := b.reference(name, root, example)
	if !ok {
		return none
	}
	if r.path[0] != root || len(r.path) != 2 {
		b.problem(name, r.at, problemf("write one such as "+example, "must be %s, and %s is none", article(root), r))
		return none
	}
	e, ok := t[r.path[1]]
	if !ok {
		b.unknown(name, r, didYouMean(r.path[1], t.names(), quoted), root, r.path[1])
		return none
	}
	return e.value
}

// typical is the name that examples use.
func typical(names []string) string {
	for _, n := range names {
		if n == "default" || n == "openai" || n == "adapter.openai" {
			return n
		}
	}
	return names[0]
}

// unknown reports a reference to what is not there.
func (b *block) unknown(name string, r reference, remedy, what, word string) {
	b.fail(name)
	b.mistakef(r.at, remedy, "unknown %s %q", what, word)
}

// plugin resolves a reference to a plugin of a kind; any kind: "". It is
// nil where there is none, or a mistake was reported.
func (b *block) plugin(t table[*Plugin], name string, kind sdk.Kind) *Plugin {
	prefix, example := "plugin."+string(kind), "plugin.selector.smart"
	if kind == "" {
		prefix = "plugin"
	} else if of := ofKind(t, kind); len(of) > 0 {
		example = "plugin." + typical(of)
	}
	r, ok := b.reference(name, prefix, example)
	if !ok {
		return nil
	}
	if r.path[0] != "plugin" || len(r.path) != 3 {
		b.problem(name, r.at, problemf("write one such as "+example, "must be a plugin, and %s is none", r))
		return nil
	}
	is := sdk.Kind(r.path[1])
	switch {
	case !slices.Contains(sdk.Kinds, is):
		b.unknown(name, r, didYouMean(r.path[1], kindNames(), quoted), "kind of plugin", r.path[1])
		return nil
	case kind != "" && kind != is:
		b.problem(name, r.at, problemf("write one such as "+example, "must be %s, and %s is %s", article(string(kind)), r, article(string(is))))
		return nil
	}
	key := r.path[1] + "." + r.path[2]
	e, ok := t[key]
	switch {
	case !ok && slices.Contains(needConfig, key):
		b.fail(name)
		b.mistakef(r.at, fmt.Sprintf("add a block plugin %q %q with one", r.path[1], r.path[2]), "%s needs a config", r)
		return nil
	case !ok:
		show := func(s string) string { return "plugin." + s }
		b.unknown(name, r, didYouMean(key, ofKind(t, is), show), string(is), r.path[2])
		return nil
	}
	return e.value
}

// ofKind are the names of a kind's plugins, such as selector.smart.
func ofKind(t table[*Plugin], kind sdk.Kind) []string {
	return slices.DeleteFunc(t.names(), func(n string) bool { return !strings.HasPrefix(n, string(kind)+".") })
}

func kindNames() []string {
	names := make([]string, len(sdk.Kinds))
	for i, k := range sdk.Kinds {
		names[i] = string(k)
	}
	return names
}
