package config

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A check looks at one text; nil: it is fine.
type check func(string) *problem

// least says where a quantity begins.
type least int

const (
	fromZero least = iota
	aboveZero
)

func (l least) holds(sign int) bool { return sign > 0 || sign == 0 && l == fromZero }

func (l least) problem() *problem {
	if l == fromZero {
		return problemf("", "must not be negative")
	}
	return problemf("", "must be more than zero")
}

// evaluate answers an attribute's value and the environment variables that it
// lacks; false: it is not there, or a mistake was reported.
func (b *block) evaluate(name string) (cty.Value, []missing, bool) {
	a := b.attribute(name)
	if a == nil {
		return cty.NilVal, nil, false
	}
	v, p, at := evaluate(a.Expr, b.eval)
	if p != nil {
		b.problem(name, at, p)
		return cty.NilVal, nil, false
	}
	v, marks := v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		b.problem(name, a.Expr.Range(), problemf("", "has no value"))
		return cty.NilVal, nil, false
	}
	if v.IsNull() {
		b.problem(name, a.Expr.Range(), problemf("leave it out for its default", "must not be null"))
		return cty.NilVal, nil, false
	}
	return v, missingIn(marks), true
}

// value is evaluate where no environment variable may lack.
func (b *block) value(name string) (cty.Value, bool) {
	v, lacks, ok := b.evaluate(name)
	for _, m := range lacks {
		if !m.empty {
			b.problem(name, b.at(name), problemf(fmt.Sprintf("set it, or give a default: env(%q, \"...\")", m.name), "%s", m))
			ok = false
		}
	}
	return v, ok
}

// evaluate answers an expression's value, marks included, or what is wrong and where.
func evaluate(e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, *problem, hcl.Range) {
	v, diags := e.Value(ctx)
	if !diags.HasErrors() {
		return v, nil, hcl.Range{}
	}
	d := diags[0]
	if vars := e.Variables(); len(vars) > 0 {
		t := vars[0]
		// A bare word: forgotten quotes, or a reference where text is wanted.
		r := reference{path: path(t), at: t.SourceRange()}
		if slices.Contains(roots, t.RootName()) {
			return cty.NilVal, problemf("write a value", "%s is a reference, and none is wanted here", r), r.at
		}
		return cty.NilVal, problemf("text needs quotes: write "+quoted(r.String()), "%s is no value", r), r.at
	}
	p := translate(d)
	if call, ok := d.Extra.(hclsyntax.FunctionCallUnknownDiagExtra); ok {
		known := make([]string, 0, len(ctx.Functions))
		for f := range ctx.Functions {
			known = append(known, f)
		}
		p = problemf(didYouMean(call.CalledFunctionName(), known, plain), "unknown function %q", call.CalledFunctionName())
	} else if call, ok := d.Extra.(hclsyntax.FunctionCallDiagExtra); ok && call.FunctionCallError() != nil {
		p = problemf("", "%s: %s", call.CalledFunctionName(), lower(call.FunctionCallError().Error()))
	}
	at := e.Range()
	if d.Subject != nil && d.Subject.Filename == at.Filename {
		at = *d.Subject
	}
	return cty.NilVal, p, at
}

// text reads a string into dst, which keeps its default where there is none.
func (b *block) text(name string, dst *string, checks ...check) {
	if v, ok := b.value(name); ok {
		b.setText(name, b.at(name), v, dst, checks...)
	}
}

func (b *block) setText(name string, at hcl.Range, v cty.Value, dst *string, checks ...check) bool {
	s, p := asText(v)
	for i := 0; p == nil && i < len(checks); i++ {
		p = checks[i](s)
	}
	if p != nil {
		b.problem(name, at, p)
		return false
	}
	*dst = s
	return true
}

func asText(v cty.Value) (string, *problem) {
	if v.IsNull() || v.Type() != cty.String {
		remedy := ""
		if v.Type() == cty.Number || v.Type() == cty.Bool {
			remedy = "put it in quotes"
		}
		return "", wrongType("text", remedy, v)
	}
	return v.AsString(), nil
}

func wrongType(want, remedy string, v cty.Value) *problem {
	if v.IsNull() {
		return problemf("", "must be %s, and is null", want)
	}
	is := "a " + v.Type().FriendlyName()
	switch {
	case v.Type().IsTupleType() || v.Type().IsListType():
		is = "a list"
	case v.Type().IsObjectType() || v.Type().IsMapType():
		is = "an object"
	case v.Type() == cty.Bool:
		is = "true or false"
	case v.Type() == cty.String:
		is = "text"
	}
	return problemf(remedy, "must be %s, and is %s", want, is)
}

// flag reads true or false.
func (b *block) flag(name string, dst *bool) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	if v.Type() != cty.Bool {
		b.problem(name, b.at(name), wrongType("true or false", "write it without quotes", v))
		return
	}
	*dst = v.True()
}

// number reads a finite number.
func (b *block) number(name string, dst *float64, from least) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	f, p := asNumber(v)
	if p == nil {
		if n, _ := f.Float64(); math.IsInf(n, 0) {
			p = problemf("", "is too large")
		} else if !from.holds(f.Sign()) {
			p = from.problem()
		} else {
			*dst = n
		}
	}
	if p != nil {
		b.problem(name, b.at(name), p)
	}
}

func asNumber(v cty.Value) (*big.Float, *problem) {
	if v.Type() != cty.Number {
		return nil, wrongType("a number", "write it without quotes", v)
	}
	return v.AsBigFloat(), nil
}

// integer reads a whole number.
func (b *block) integer(name string, dst *int, from least) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	n, p := asInteger(v)
	if p == nil && !from.holds(sign(n)) {
		p = from.problem()
	}
	if p == nil && n > math.MaxInt32 {
		p = problemf("", "is too large")
	}
	if p != nil {
		b.problem(name, b.at(name), p)
		return
	}
	*dst = int(n)
}

func asInteger(v cty.Value) (int64, *problem) {
	f, p := asNumber(v)
	if p != nil {
		return 0, p
	}
	n, exact := f.Int64()
	if exact != big.Exact {
		return 0, problemf("", "must be a whole number that fits into 64 bits")
	}
	return n, nil
}

// duration reads text with a unit, such as "20ms".
func (b *block) duration(name string, dst *time.Duration, from least) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	d, p := asDuration(v)
	if p == nil && !from.holds(sign(d)) {
		p = from.problem()
	}
	if p != nil {
		b.problem(name, b.at(name), p)
		return
	}
	*dst = d
}

func asDuration(v cty.Value) (time.Duration, *problem) {
	s, p := withUnit(v, `a duration such as "20ms"`)
	if p != nil {
		return 0, p
	}
	return parseDuration(s)
}

// size reads text with a unit, such as "8MiB".
func (b *block) size(name string, dst *int64, from least) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	n, p := asSize(v)
	if p == nil && !from.holds(sign(n)) {
		p = from.problem()
	}
	if p != nil {
		b.problem(name, b.at(name), p)
		return
	}
	*dst = n
}

func asSize(v cty.Value) (int64, *problem) {
	s, p := withUnit(v, `a size such as "8MiB"`)
	if p != nil {
		return 0, p
	}
	return parseSize(s)
}

// withUnit lets bare numbers through as text, for the remedy that names units.
func withUnit(v cty.Value, want string) (string, *problem) {
	if v.Type() == cty.Number {
		// Not in exponents: it is shown to the user.
		if s := v.AsBigFloat().Text('f', -1); s != "0" {
			return s, nil
		}
	}
	if v.Type() != cty.String {
		return "", wrongType(want, "", v)
	}
	return v.AsString(), nil
}

func sign[T int | int64 | time.Duration](n T) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	default:
		return 0
	}
}

// list reads texts.
func (b *block) list(name string, dst *[]string, checks ...check) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	if !isList(v) {
		b.problem(name, b.at(name), wrongType("a list", `write ["...", "..."]`, v))
		return
	}
	list := make([]string, v.LengthInt())
	at := b.elements(name, len(list))
	for i, e := range v.AsValueSlice() {
		b.setText(name, at(i), e, &list[i], checks...)
	}
	*dst = list
}

// set reads texts, none of them twice.
func (b *block) set(name string, dst *[]string, checks ...check) {
	seen := map[string]bool{}
	b.list(name, dst, append(checks, func(s string) *problem {
		if seen[s] {
			return problemf("remove one", "%q is in it twice", s)
		}
		seen[s] = true
		return nil
	})...)
}

func isList(v cty.Value) bool {
	t := v.Type()
	return !v.IsNull() && (t.IsTupleType() || t.IsListType() || t.IsSetType())
}

// elements tells where each of n elements stands: alone where it is written
// out, else with the whole value.
func (b *block) elements(name string, n int) func(i int) hcl.Range {
	if exprs, diags := hcl.ExprList(b.body.Attributes[name].Expr); !diags.HasErrors() && len(exprs) == n {
		return func(i int) hcl.Range { return exprs[i].Range() }
	}
	return func(int) hcl.Range { return b.at(name) }
}

// table reads an object of texts.
func (b *block) table(name string, dst *map[string]string, checks ...check) {
	v, ok := b.value(name)
	if !ok {
		return
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		b.problem(name, b.at(name), wrongType("an object", `write { name = "value" }`, v))
		return
	}
	table := make(map[string]string, v.LengthInt())
	for k, e := range v.AsValueMap() {
		// true and 5 are as good as "true" and "5" here.
		if c, err := convert.Convert(e, cty.String); err == nil {
			e = c
		}
		at := b.entry(name, k)
		if strings.TrimSpace(k) == "" {
			b.problem(name, at, problemf("", "a name in it is empty"))
			continue
		}
		var s string
		if b.setText(name, at, e, &s, checks...) {
			table[k] = s
		}
	}
	*dst = table
}

// entry is where the value of key stands in an object.
func (b *block) entry(name, key string) hcl.Range {
	pairs, diags := hcl.ExprMap(b.body.Attributes[name].Expr)
	if diags.HasErrors() {
		return b.at(name)
	}
	for _, p := range pairs {
		if k, diags := p.Key.Value(b.eval); !diags.HasErrors() && k.IsWhollyKnown() && !k.IsMarked() && !k.IsNull() && k.Type() == cty.String && k.AsString() == key {
			return p.Value.Range()
		}
	}
	return b.at(name)
}

// oneOf checks for one of a few words.
func oneOf(words ...string) check {
	return func(s string) *problem {
		if slices.Contains(words, s) {
			return nil
		}
		return problemf(didYouMean(s, words, quoted), "unknown value %s", strconv.Quote(s))
	}
}
