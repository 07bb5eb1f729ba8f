package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// reader collects what is wrong while blocks are read.
type reader struct {
	eval     *hcl.EvalContext
	mistakes Diagnostics
	warnings Diagnostics
}

// block is a block being read. Its attributes and blocks are asked for by
// name, and done reports those that nobody asked for: what is read is the
// schema.
type block struct {
	*reader
	file   *file
	typ    string
	labels []string
	// head is the line of the block's name; at the top the file's start.
	head  hcl.Range
	body  *hclsyntax.Body
	names []string // of attributes asked for
	types []string // of blocks asked for
	// foreign are attributes that belong elsewhere, and the remedy.
	foreign map[string]string
	// failed are attributes with a mistake, so that no second one is made of it.
	failed map[string]bool
}

func (r *reader) top(f *file, body *hclsyntax.Body) *block {
	return &block{reader: r, file: f, body: body, head: hcl.Range{Filename: f.name}}
}

func (b *block) inner(raw *hclsyntax.Block) *block {
	return &block{
		reader: b.reader, file: b.file, typ: raw.Type, labels: raw.Labels, body: raw.Body,
		head: hcl.RangeBetween(raw.TypeRange, raw.OpenBraceRange),
	}
}

// String is how messages name the block: channel "openai".
func (b *block) String() string {
	s := b.typ
	for _, l := range b.labels {
		s += " " + quoted(l)
	}
	return s
}

// name is the last label, which references use.
func (b *block) name() string { return b.labels[len(b.labels)-1] }

func (b *block) mistakef(at hcl.Range, remedy, format string, args ...any) {
	b.mistakes = append(b.mistakes, diagnose(b.file, at, remedy, fmt.Sprintf(format, args...)))
}

func (b *block) warnf(at hcl.Range, remedy, format string, args ...any) {
	b.warnings = append(b.warnings, diagnose(b.file, at, remedy, fmt.Sprintf(format, args...)))
}

// problem reports a mistake in an attribute's value.
func (b *block) problem(name string, at hcl.Range, p *problem) {
	b.fail(name)
	b.mistakef(at, p.remedy, "%s: %s", name, p.summary)
}

func (b *block) fail(name string) {
	if b.failed == nil {
		b.failed = map[string]bool{}
	}
	b.failed[name] = true
}

// attribute asks for an attribute; nil: it is not there.
func (b *block) attribute(name string) *hclsyntax.Attribute {
	b.names = append(b.names, name)
	return b.body.Attributes[name]
}

// at is where an attribute's value stands, or the block's head.
func (b *block) at(name string) hcl.Range {
	if a := b.body.Attributes[name]; a != nil {
		return a.Expr.Range()
	}
	return b.head
}

// has reports whether an attribute is there.
func (b *block) has(name string) bool { return b.body.Attributes[name] != nil }

// required reports an attribute that is not there.
func (b *block) required(name, example string) bool {
	if b.has(name) {
		return true
	}
	b.mistakef(b.head, "add "+name+" = "+example, "%s needs %s", b, name)
	return false
}

// nested asks for all blocks of a type, in file order. Those with other labels
// than wanted are reported and left out.
func (b *block) nested(typ string, labels ...string) []*block {
	b.types = append(b.types, typ)
	var found []*block
	for _, raw := range b.body.Blocks {
		if raw.Type != typ {
			continue
		}
		in := b.inner(raw)
		if len(raw.Labels) == len(labels) && !slices.Contains(raw.Labels, "") {
			found = append(found, in)
			continue
		}
		want := typ
		for _, l := range labels {
			want += " " + quoted(l)
		}
		b.mistakef(in.head, "write "+want+" { ... }", "%s needs %s", article(typ)+" block", count(labels))
	}
	return found
}

// single asks for a block that may be there once. It is never nil: what is
// not there is empty.
func (b *block) single(typ string) *block {
	found := b.nested(typ)
	for _, again := range found[min(1, len(found)):] {
		b.mistakef(again.head, "put both into one block", "%s is declared twice, first at %s", typ, place(found[0].head))
	}
	if len(found) == 0 {
		return &block{reader: b.reader, file: b.file, typ: typ, head: b.head, body: &hclsyntax.Body{}}
	}
	return found[0]
}

// done reports what nobody asked for.
func (b *block) done() {
	where := "in " + article(b.typ) + " block"
	if b.typ == "" {
		where = "at the top of the file"
	}
	for name, a := range b.body.Attributes {
		if slices.Contains(b.names, name) {
			continue
		}
		if remedy, ok := b.foreign[name]; ok {
			b.mistakef(a.NameRange, remedy, "%s does not belong in %s", name, b)
			continue
		}
		remedy := didYouMean(name, b.names, plain)
		if slices.Contains(b.types, name) {
			remedy = "it is a block: write " + name + " { ... }"
		}
		b.mistakef(a.NameRange, remedy, "unknown attribute %q %s", name, where)
	}
	for _, raw := range b.body.Blocks {
		if slices.Contains(b.types, raw.Type) {
			continue
		}
		remedy := didYouMean(raw.Type, b.types, plain)
		if slices.Contains(b.names, raw.Type) {
			remedy = "it is an attribute: write " + raw.Type + " = ..."
		}
		b.mistakef(raw.TypeRange, remedy, "unknown block %q %s", raw.Type, where)
	}
}

// place is file:line.
func place(at hcl.Range) string { return fmt.Sprintf("%s:%d", at.Filename, at.Start.Line) }

func article(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func count(labels []string) string {
	if len(labels) == 0 {
		return "no name"
	}
	with := make([]string, len(labels))
	for i, l := range labels {
		with[i] = article(l)
	}
	return strings.Join(with, " and ")
}
