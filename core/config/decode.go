package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// Decode reads the plugin's config block by the plugin's own schema, into the
// JSON that [sdk.Field] describes. What the block leaves out is left out, for
// the plugin's defaults. Mistakes come back as [Diagnostics].
func (p *Plugin) Decode(fields []sdk.Field) ([]byte, error) {
	r := &reader{eval: p.eval}
	b := r.top(p.text(), &hclsyntax.Body{})
	b.typ, b.head = "config", p.block
	if p.config != nil {
		b = b.inner(p.config)
	}
	object := b.object(fields)
	if err := r.mistakes.err(); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

// text is the file it stands in. A plugin without a block stands in none, and
// messages name itself.
func (p *Plugin) text() *file {
	if p.file == nil {
		return newFile(p.Address(), nil)
	}
	return p.file
}

func (b *block) object(fields []sdk.Field) map[string]any {
	object := make(map[string]any, len(fields))
	labels := b.labels
	for _, f := range fields {
		if f.Type == sdk.FieldLabel { // there are as many, or the block was left out
			object[f.Name], labels = labels[0], labels[1:]
			continue
		}
		if f.Type == sdk.FieldBlock {
			objects := []map[string]any{}
			for _, nested := range b.nested(f.Name, labelsOf(f)...) {
				objects = append(objects, nested.object(f.Fields))
			}
			if len(objects) > 0 {
				object[f.Name] = objects
			} else if f.Required {
				b.mistakef(b.head, "add "+f.Name+" { ... }", "%s needs a block %s", b, f.Name)
			}
			continue
		}
		if f.Required {
			b.required(f.Name, examples[f.Type])
		}
		if v := b.field(f); v != nil {
			object[f.Name] = v
		}
	}
	b.done()
	return object
}

// labelsOf are the names of a block's labels.
func labelsOf(f sdk.Field) (names []string) {
	for _, in := range f.Fields {
		if in.Type == sdk.FieldLabel {
			names = append(names, in.Name)
		}
	}
	return names
}

// examples of values, for remedies.
var examples = map[sdk.FieldType]string{
	sdk.FieldString:   `"..."`,
	sdk.FieldBool:     "true",
	sdk.FieldInt:      "1",
	sdk.FieldFloat:    "0.5",
	sdk.FieldDuration: `"5s"`,
	sdk.FieldSize:     `"1MiB"`,
	sdk.FieldList:     `["..."]`,
	sdk.FieldMap:      `{ name = "..." }`,
}

// field is an attribute's value for JSON; nil: it is not there, or a mistake
// was reported.
func (b *block) field(f sdk.Field) any {
	switch f.Type {
	case sdk.FieldList:
		var list []string
		b.list(f.Name, &list)
		return orNil(list, list != nil)
	case sdk.FieldMap:
		var table map[string]string
		b.table(f.Name, &table)
		return orNil(table, table != nil)
	}
	v, ok := b.value(f.Name)
	if !ok {
		return nil
	}
	var (
		value any
		p     *problem
	)
	switch f.Type {
	case sdk.FieldString:
		value, p = asText(v)
	case sdk.FieldBool:
		var flag bool
		b.flag(f.Name, &flag)
		return orNil(flag, !b.failed[f.Name])
	case sdk.FieldInt:
		value, p = asInteger(v)
	case sdk.FieldFloat:
		var n float64
		if f, pr := asNumber(v); pr != nil {
			p = pr
		} else {
			n, _ = f.Float64()
			value = n
		}
	case sdk.FieldDuration:
		var d time.Duration
		d, p = asDuration(v)
		value = d.String()
	case sdk.FieldSize:
		value, p = asSize(v)
	default:
		p = problemf("", "the plugin declares it as %q, which this router does not know", f.Type)
	}
	if p != nil {
		b.problem(f.Name, b.at(f.Name), p)
		return nil
	}
	return value
}

func orNil[T any](v T, ok bool) any {
	if !ok {
		return nil
	}
	return v
}

// Explain puts what a plugin does not accept at the place in the file that it
// is about. The answer is [Diagnostics]; nil for no errors.
func (p *Plugin) Explain(errs []sdk.ConfigError) error {
	var mistakes Diagnostics
	for _, e := range errs {
		mistakes = append(mistakes, diagnose(p.text(), p.locate(e.Path), "", fmt.Sprintf("%s: %s", p.Address(), e)))
	}
	return mistakes.err()
}

// locate follows a path such as "rule.1.match" as far as the file goes: what
// is left to its default has no place of its own.
func (p *Plugin) locate(path string) hcl.Range {
	if p.config == nil {
		return p.block
	}
	at, body := hcl.RangeBetween(p.config.TypeRange, p.config.OpenBraceRange), p.config.Body
	words := strings.Split(path, ".")
	for len(words) > 0 {
		if a := body.Attributes[words[0]]; a != nil {
			return locateIn(a.Expr, words[1:])
		}
		index := 0
		if len(words) > 1 {
			n, err := strconv.Atoi(words[1])
			if err == nil {
				index = n
			}
		}
		nested := blockAt(body, words[0], index)
		if nested == nil {
			return at
		}
		at, body = hcl.RangeBetween(nested.TypeRange, nested.OpenBraceRange), nested.Body
		words = words[min(2, len(words)):]
	}
	return at
}

func blockAt(body *hclsyntax.Body, typ string, index int) *hclsyntax.Block {
	for _, b := range body.Blocks {
		if b.Type == typ {
			if index == 0 {
				return b
			}
			index--
		}
	}
	return nil
}

// locateIn finds an element of a list or an object that is written out.
func locateIn(e hcl.Expression, words []string) hcl.Range {
	if len(words) == 0 {
		return e.Range()
	}
	if list, diags := hcl.ExprList(e); !diags.HasErrors() {
		if n, err := strconv.Atoi(words[0]); err == nil && n >= 0 && n < len(list) {
			return list[n].Range()
		}
	}
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		for _, p := range pairs {
			if hcl.ExprAsKeyword(p.Key) == words[0] {
				return p.Value.Range()
			}
		}
	}
	return e.Range()
}
