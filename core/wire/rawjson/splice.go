package rawjson

import "fmt"

// Op is what an [Edit] does.
type Op uint8

// The closed list of edits, which is also the adapter contract's.
const (
	Set     Op = iota // give Key the Value, whether it is there or not
	Default           // give Key the Value if it is absent
	Rename            // call Key by the name To; where To is there already, it stays and Key goes
	Delete            // take Key out
)

// Edit changes one top-level field.
type Edit struct {
	Op    Op
	Key   string
	Value []byte // raw JSON, for Set and Default
	To    string // the new key, for Rename
}

// holder is a field that some edit names: one of the document, or a new one.
type holder struct {
	name    string // what it is called by now
	field   Field  // where it is; zero for a new one
	prevEnd int    // the end of the field before it, or the place behind '{'
	next    int    // the start of the key behind it, 0 for the last
	ordinal int    // its place among the document's fields
	value   []byte // replaces the value, where not nil
	renamed bool
	gone    bool
}

// Splice appends doc to dst with the edits applied as if one after the other.
// Fields keep their places, new ones go to the end, and every byte that no
// edit names is copied as it is. doc must have been accepted by [Keys.Scan]
// and the values by [Valid]; of a doc that is no object it returns an error,
// and an edit of an unknown kind is one too.
func Splice(dst, doc []byte, edits []Edit) ([]byte, error) {
	if len(edits) == 0 {
		return append(dst, doc...), nil
	}
	var room [16]holder
	held, last, ok := find(room[:0], doc, edits)
	if !ok {
		return dst, fmt.Errorf("rawjson: splice wants a JSON object")
	}
	for i := range edits {
		var err error
		if held, err = apply(held, &edits[i]); err != nil {
			return dst, err
		}
	}
	return write(dst, doc, held, last), nil
}

// lastField says where the document's fields end and how many there are.
type lastField struct{ end, count int }

// find collects the fields of doc that edits name, in the document's order.
func find(held []holder, doc []byte, edits []Edit) ([]holder, lastField, bool) {
	c := Cursor{Doc: doc}
	if !c.Object() {
		return held, lastField{}, false
	}
	last := lastField{end: c.At}
	pending := -1 // the holder that waits to learn where the next key starts
	for c.More() {
		start := c.At
		if !c.Key() {
			return held, last, false
		}
		// The key's closing quote is the last one before the colon.
		keyEnd := c.At - 1
		for keyEnd > start && doc[keyEnd-1] != '"' {
			keyEnd--
		}
		if pending >= 0 {
			held[pending].next = start
			pending = -1
		}
		value := c.Skip()
		if c.Cut {
			return held, last, false
		}
		if name, ok := named(edits, c.Name); ok {
			pending = len(held)
			held = append(held, holder{
				name:    name,
				field:   Field{Range{start, keyEnd}, value},
				prevEnd: last.end,
				ordinal: last.count,
			})
		}
		last = lastField{value.End, last.count + 1}
	}
	return held, last, !c.Cut
}

// named returns name as the edits have it, so that no string is made.
func named(edits []Edit, name []byte) (string, bool) {
	for i := range edits {
		e := &edits[i]
		if e.Key == string(name) {
			return e.Key, true
		}
		if e.Op == Rename && e.To == string(name) {
			return e.To, true
		}
	}
	return "", false
}

func apply(held []holder, e *Edit) ([]holder, error) {
	at := index(held, e.Key)
	switch e.Op {
	case Set:
		if at >= 0 {
			held[at].value = e.Value
			return held, nil
		}
		return append(held, holder{name: e.Key, value: e.Value}), nil
	case Default:
		if at < 0 {
			return append(held, holder{name: e.Key, value: e.Value}), nil
		}
	case Rename:
		switch {
		case at < 0 || e.Key == e.To:
		case index(held, e.To) >= 0:
			// The sender used the provider's own name too: that one is meant.
			held[at].gone = true
		default:
			held[at].name, held[at].renamed = e.To, true
		}
	case Delete:
		if at >= 0 {
			held[at].gone = true
		}
	default:
		return held, fmt.Errorf("rawjson: unknown edit %d of %q", e.Op, e.Key)
	}
	return held, nil
}

func index(held []holder, name string) int {
	for i := range held {
		if !held[i].gone && held[i].name == name {
			return i
		}
	}
	return -1
}

func write(dst, doc []byte, held []holder, last lastField) []byte {
	from, left := 0, last.count // left: how many of the document's fields stay
	for i := range held {
		h := &held[i]
		if !h.field.Key.Present() {
			continue
		}
		if h.gone {
			left--
			gone := last.count - left - 1 // of the fields before this one
			if h.ordinal > gone {
				// Something before it stays: its comma is the one in front.
				dst = append(dst, doc[from:max(from, h.prevEnd)]...)
				from = h.field.Value.End
			} else {
				dst = append(dst, doc[from:max(from, h.field.Key.Start)]...)
				from = max(h.next, h.field.Value.End)
			}
			continue
		}
		if h.renamed {
			dst = append(dst, doc[from:h.field.Key.Start]...)
			dst = AppendQuote(dst, h.name)
			from = h.field.Key.End
		}
		if h.value != nil {
			dst = append(dst, doc[from:h.field.Value.Start]...)
			dst = append(dst, h.value...)
			from = h.field.Value.End
		}
	}
	if end := max(from, last.end); end > from {
		dst = append(dst, doc[from:end]...)
		from = end
	}
	for i := range held {
		h := &held[i]
		if h.field.Key.Present() || h.gone {
			continue
		}
		if left > 0 {
			dst = append(dst, ',')
		}
		left++
		dst = AppendQuote(dst, h.name)
		dst = append(dst, ':')
		dst = append(dst, h.value...)
	}
	return append(dst, doc[from:]...)
}
