package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// maxOps bounds a patch: each may go over the whole document.
const maxOps = 4096

// patchOp is one operation, as the patch has it.
type patchOp struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`

	path, from pointer
}

// Patch appends doc to dst, edited by a JSON patch (RFC 6902). Bytes that no
// operation is about are copied as they are. doc must be well formed; that no
// key is there twice, [Keys.Scan] says of the result. What would become longer
// than limit is an error, as is a patch that can't be applied as a whole.
func Patch(dst, doc, patch []byte, limit int) ([]byte, error) {
	ops, err := readPatch(patch)
	if err != nil {
		return dst, err
	}
	single := 0 // operations before this one are made one by one
	for done := 0; done < len(ops); {
		n, ok := 1, false
		var next []byte
		if done >= single {
			n = replacements(ops[done:])
			if next, ok = replaceAll(doc, ops[done:done+n]); !ok {
				single, n = done+n, 1
			}
		}
		if !ok {
			next, err = ops[done].apply(doc)
		}
		if err == nil && len(next) > limit {
			err = fmt.Errorf("the result is longer than %d bytes", limit)
		}
		if err != nil {
			return dst, fmt.Errorf("patch: operation %d: %w", done, err)
		}
		doc, done = next, done+n
	}
	return append(dst, doc...), nil
}

func readPatch(patch []byte) ([]patchOp, error) {
	var ops []patchOp
	if err := json.Unmarshal(patch, &ops); err != nil {
		return nil, fmt.Errorf("patch: it is no array of operations: %w", err)
	}
	if len(ops) > maxOps {
		return nil, fmt.Errorf("patch: it has %d operations, at most %d may be made", len(ops), maxOps)
	}
	for i := range ops {
		if err := ops[i].read(); err != nil {
			return nil, fmt.Errorf("patch: operation %d: %w", i, err)
		}
	}
	return ops, nil
}

func (o *patchOp) read() (err error) {
	needsValue, needsFrom := false, false
	switch o.Op {
	case "add", "replace", "test":
		needsValue = true
	case "move", "copy":
		needsFrom = true
	case "remove":
	default:
		return fmt.Errorf("unknown op %.100q", o.Op)
	}
	switch {
	case o.Path == nil:
		return fmt.Errorf("%s has no path", o.Op)
	case needsValue && o.Value == nil:
		return fmt.Errorf("%s has no value", o.Op)
	case needsFrom && o.From == nil:
		return fmt.Errorf("%s has no from", o.Op)
	}
	// What json.Unmarshal takes may be nested deeper than we allow.
	if needsValue && !Valid(o.Value) {
		return fmt.Errorf("the value of %s is nested too deeply", o.Op)
	}
	if o.path, err = parsePointer(*o.Path); err != nil || !needsFrom {
		return err
	}
	o.from, err = parsePointer(*o.From)
	return err
}

// replacements is how many of the first operations only replace values that are
// apart from each other. These are made in one go: a long conversation may have
// a name to be masked in every message.
func replacements(ops []patchOp) int {
	n := 0
	for n < len(ops) && ops[n].Op == "replace" && len(ops[n].path) > 0 {
		n++
	}
	return n
}

// replaceAll copies the document once. It is false where that is not as if one
// operation came after the other: for values inside each other or at the same
// place, for one that is not there, and for no operations.
func replaceAll(doc []byte, ops []patchOp) ([]byte, bool) {
	if len(ops) == 0 {
		return nil, false
	}
	root := &branch{op: -1}
	for i := range ops {
		if !root.add(ops[i].path, i) {
			return nil, false
		}
	}
	w := replacer{doc: doc, ops: ops, out: make([]byte, 0, len(doc))}
	c := Cursor{Doc: doc}
	w.walk(&c, root)
	// Where a member is there twice, both were replaced.
	if w.made != len(ops) {
		return nil, false
	}
	return append(w.out, doc[w.from:]...), true
}

// branch is a tree of the places that operations are about.
type branch struct {
	op   int // -1: none ends here
	next map[string]*branch
}

// add is false where an operation is at the same place, above or below it.
func (b *branch) add(p pointer, op int) bool {
	for _, token := range p {
		if b.op >= 0 {
			return false
		}
		to := b.next[token]
		if to == nil {
			to = &branch{op: -1}
			if b.next == nil {
				b.next = make(map[string]*branch)
			}
			b.next[token] = to
		}
		b = to
	}
	if b.op >= 0 || b.next != nil {
		return false
	}
	b.op = op
	return true
}

type replacer struct {
	doc  []byte
	ops  []patchOp
	out  []byte
	from int // what of doc is not in out yet
	made int
}

// walk goes over the next value, in which b has places.
func (w *replacer) walk(c *Cursor, b *branch) {
	if b == nil {
		c.Skip()
		return
	}
	if b.op >= 0 {
		at := c.Skip()
		w.out = append(append(w.out, w.doc[w.from:at.Start]...), w.ops[b.op].Value...)
		w.from = at.End
		w.made++
		return
	}
	switch {
	case c.Object():
		for c.Key() {
			w.walk(c, b.next[string(c.Name)])
		}
	case c.Array():
		var digits [20]byte
		for n := int64(0); c.More(); n++ {
			w.walk(c, b.next[string(strconv.AppendInt(digits[:0], n, 10))])
		}
	default:
		c.Skip()
	}
}

func (o *patchOp) apply(doc []byte) ([]byte, error) {
	switch o.Op {
	case "add":
		return add(doc, o.path, o.Value)
	case "test":
		at, err := there(doc, o.path)
		if err == nil && !equal(at.value.Of(doc), o.Value) {
			err = fmt.Errorf("test: the value at %.100q is another", *o.Path)
		}
		return doc, err
	case "replace":
		at, err := there(doc, o.path)
		if err != nil {
			return nil, err
		}
		return slices.Concat(doc[:at.value.Start], o.Value, doc[at.value.End:]), nil
	case "remove":
		return remove(doc, o.path)
	}
	from, err := there(doc, o.from)
	if err != nil {
		return nil, err
	}
	value := bytes.Clone(from.value.Of(doc))
	if o.Op == "move" {
		if o.path.inside(o.from) {
			return nil, fmt.Errorf("%.100q can't move into itself", *o.From)
		}
		if slices.Equal(o.path, o.from) {
			return doc, nil
		}
		if doc, err = remove(doc, o.from); err != nil {
			return nil, err
		}
	}
	return add(doc, o.path, value)
}

// there is a place that has a value.
func there(doc []byte, p pointer) (place, error) {
	at, err := locate(doc, p)
	if err == nil && !at.value.Present() {
		err = fmt.Errorf("there is no %.100q", p[len(p)-1])
	}
	return at, err
}

func add(doc []byte, p pointer, value []byte) ([]byte, error) {
	at, err := locate(doc, p)
	switch {
	case err != nil:
		return nil, err
	case at.value.Present() && at.parent != '[':
		return slices.Concat(doc[:at.value.Start], value, doc[at.value.End:]), nil
	}
	var member []byte
	if at.parent == '{' {
		member = append(AppendQuote(nil, p[len(p)-1]), ':')
	}
	member = append(member, value...)
	switch {
	case at.value.Present(): // an element before this one
		member = append(member, ',')
	case at.at > 0:
		member = append([]byte{','}, member...)
	}
	return slices.Concat(doc[:at.start], member, doc[at.start:]), nil
}

func remove(doc []byte, p pointer) ([]byte, error) {
	at, err := there(doc, p)
	switch {
	case err != nil:
		return nil, err
	case at.parent == 0:
		return nil, fmt.Errorf("the whole body can't be removed")
	case at.at > 0: // with the comma in front
		return slices.Concat(doc[:at.prevEnd], doc[at.end:]), nil
	case at.next > 0: // with the comma behind
		return slices.Concat(doc[:at.start], doc[at.next:]), nil
	default:
		return slices.Concat(doc[:at.start], doc[at.end:]), nil
	}
}

// equal compares two values as RFC 6902, section 4.6, does.
func equal(a, b []byte) bool {
	var x, y any
	return decode(a, &x) == nil && decode(b, &y) == nil && same(x, y)
}

func decode(raw []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

func same(x, y any) bool {
	switch x := x.(type) {
	case json.Number:
		y, ok := y.(json.Number)
		return ok && sameNumber(x.String(), y.String())
	case []any:
		y, ok := y.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if other, ok := y[k]; !ok || !same(v, other) {
				return false
			}
		}
		return true
	default:
		return x == y
	}
}

// sameNumber tells 1 from 1.0 by nothing, and does not round.
func sameNumber(x, y string) bool {
	if x == y {
		return true
	}
	// An exponent of many digits would make a number of as many.
	if len(x) > 64 || len(y) > 64 {
		return false
	}
	f, _, errX := big.ParseFloat(x, 10, 256, big.ToNearestEven)
	g, _, errY := big.ParseFloat(y, 10, 256, big.ToNearestEven)
	return errX == nil && errY == nil && f.Cmp(g) == 0
}
