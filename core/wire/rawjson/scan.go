package rawjson

import (
	"encoding/binary"
	"fmt"
)

// DefaultDepth is how deep objects and arrays may be nested where the caller
// has no wish of its own. Parsers that recurse fall over at a few thousand.
const DefaultDepth = 512

// deepest is how much nesting the validator can note down at all.
const deepest = 1024

// Range is the half-open range of bytes [Start, End) of a document. The zero
// Range says that there is nothing.
type Range struct{ Start, End int }

// Present tells whether the range holds any bytes; a JSON value always does.
func (r Range) Present() bool { return r.End > r.Start }

// Of returns the bytes of doc that the range names. They alias doc.
func (r Range) Of(doc []byte) []byte { return doc[r.Start:r.End] }

// Field says where one top-level field of a document is. Its key includes the
// quotes.
type Field struct{ Key, Value Range }

// SyntaxError says why bytes are refused, fit for a client's 400.
type SyntaxError struct {
	Offset int    // of the offending byte, counted from 0
	Text   string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Text)
}

// Keys is a set of top-level keys to look for. It is built once and shared.
type Keys struct {
	names []string
	slots [slotCount]int8 // index into names, -1 where free
}

const slotCount = 128

// NewKeys makes a set of at most 64 names. A name's index in the call is the
// index of its field in what Scan fills. Repeated names or more than 64 of
// them are a mistake in our own source, hence the panic.
func NewKeys(names ...string) *Keys {
	if len(names) > slotCount/2 {
		panic("rawjson: more than 64 keys")
	}
	k := &Keys{names: names}
	for i := range k.slots {
		k.slots[i] = -1
	}
	for i, name := range names {
		if k.find([]byte(name), head([]byte(name))) >= 0 {
			panic("rawjson: key " + name + " given twice")
		}
		s := slotOf(head([]byte(name)), len(name))
		for k.slots[s] >= 0 {
			s = (s + 1) % slotCount
		}
		k.slots[s] = int8(i)
	}
	return k
}

// Len is how many fields Scan fills.
func (k *Keys) Len() int { return len(k.names) }

// Scan checks that doc is one well-formed JSON object with nothing but white
// space around it, nested at most depth deep (0: [DefaultDepth]; at most 1024),
// and fills out, which has Len elements, with the places of the wanted fields;
// the others are zeroed.
//
// It accepts what encoding/json accepts, so invalid UTF-8 inside a string
// passes. It refuses two top-level keys that are equal once decoded, whatever
// their case: of a duplicate one parser takes the first and the next takes the
// last, and Go servers match keys without regard to case, so the model that is
// checked here might not be the model that is billed.
//
// The error is always a *[SyntaxError].
func (k *Keys) Scan(doc []byte, depth int, out []Field) error {
	out = out[:len(k.names)]
	clear(out)
	v := validator{b: doc, limit: limitOf(depth)}
	var seen uniqueKeys

	i := v.space(0)
	if i == len(doc) {
		return &SyntaxError{i, "the body is empty, want a JSON object"}
	}
	if doc[i] != '{' {
		return &SyntaxError{i, "want a JSON object, found " + describe(doc, i)}
	}
	i = v.space(i + 1)
	if i < len(doc) && doc[i] == '}' {
		return v.tail(i + 1)
	}
	for {
		if i >= len(doc) || doc[i] != '"' {
			return &SyntaxError{i, "want a key in double quotes, found " + describe(doc, i)}
		}
		key := Range{Start: i}
		if i = v.str(i); i < 0 {
			return v.error()
		}
		key.End = i
		name := doc[key.Start+1 : key.End-1]
		word := head(name)
		if !plain(name, word) {
			name = decoded(name)
			word = head(name)
		}
		if !seen.add(name, word) {
			return &SyntaxError{key.Start, fmt.Sprintf("duplicate key %q", name)}
		}
		if i = v.space(i); i >= len(doc) || doc[i] != ':' {
			return &SyntaxError{i, "want ':' after a key, found " + describe(doc, i)}
		}
		value := Range{Start: v.space(i + 1)}
		if i = v.value(value.Start, 1); i < 0 {
			return v.error()
		}
		value.End = i
		if n := k.find(name, word); n >= 0 {
			out[n] = Field{key, value}
		}
		if i = v.space(i); i >= len(doc) {
			return &SyntaxError{i, "the object is not closed"}
		}
		switch doc[i] {
		case ',':
			i = v.space(i + 1)
		case '}':
			return v.tail(i + 1)
		default:
			return &SyntaxError{i, "want ',' or '}' after a value, found " + describe(doc, i)}
		}
	}
}

// find returns the index of name, or -1.
func (k *Keys) find(name []byte, word uint64) int {
	for s := slotOf(word, len(name)); ; s = (s + 1) % slotCount {
		n := k.slots[s]
		if n < 0 {
			return -1
		}
		if k.names[n] == string(name) {
			return int(n)
		}
	}
}

func slotOf(word uint64, n int) uint64 {
	return (word + uint64(n)) * 0x9e3779b97f4a7c15 >> (64 - 7) // 2^7 = slotCount
}

// head packs both ends of b, at most 8 bytes, into a word: enough to tell most
// keys apart without looking at them again.
func head(b []byte) uint64 {
	switch n := len(b); {
	case n >= 8:
		return binary.LittleEndian.Uint64(b)
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n >= 2:
		return uint64(binary.LittleEndian.Uint16(b)) | uint64(binary.LittleEndian.Uint16(b[n-2:]))<<16
	case n == 1:
		return uint64(b[0])
	}
	return 0
}

func limitOf(depth int) int {
	if depth <= 0 {
		return DefaultDepth
	}
	return min(depth, deepest)
}
