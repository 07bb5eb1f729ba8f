package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Cursor walks through JSON by structure and skips what nobody asks for. It
// trusts its bytes to be well formed, which makes it several times faster than
// [Keys.Scan]; other bytes give meaningless but harmless answers: it never
// reads outside them, always moves on, and ends. A document that was cut off
// is read up to the cut.
//
// It is made as Cursor{Doc: doc} and used as
//
//	if c.Object() {
//		for c.Key() {
//			switch string(c.Name) {
//			case "usage":
//				at = c.Skip()
//			default:
//				c.Skip()
//			}
//		}
//	}
//
// where each value is entered (Object, Array) or skipped exactly once.
type Cursor struct {
	Doc  []byte
	At   int    // where the next value or sign is looked for
	Name []byte // the key that Key found, decoded; it may alias Doc
	Cut  bool   // the document ended inside a value
}

// Peek returns the first byte of what comes next, which tells its kind, or 0
// at the end.
func (c *Cursor) Peek() byte {
	for c.At < len(c.Doc) && isSpace(c.Doc[c.At]) {
		c.At++
	}
	if c.At >= len(c.Doc) {
		return 0
	}
	return c.Doc[c.At]
}

// Object enters the next value if it is an object.
func (c *Cursor) Object() bool { return c.enter('{') }

// Array enters the next value if it is an array.
func (c *Cursor) Array() bool { return c.enter('[') }

func (c *Cursor) enter(open byte) bool {
	if c.Peek() != open {
		return false
	}
	c.At++
	return true
}

// Key moves to the next key of the entered object, sets Name, and stands
// before its value. It is false once the object is left.
func (c *Cursor) Key() bool {
	if !c.More() {
		return false
	}
	if c.Doc[c.At] != '"' {
		c.At = len(c.Doc)
		return false
	}
	start := c.At + 1
	c.At = c.stringEnd(c.At)
	if c.Cut {
		return false
	}
	c.Name = c.Doc[start : c.At-1]
	if bytes.IndexByte(c.Name, '\\') >= 0 {
		c.Name = decoded(c.Name)
	}
	if c.Peek() == ':' {
		c.At++
	}
	return true
}

// More moves to the next element of the entered array. It is false once the
// array is left.
func (c *Cursor) More() bool {
	b := c.Peek()
	if b == ',' {
		c.At++
		b = c.Peek()
	}
	switch b {
	case ']', '}':
		c.At++
		return false
	case 0:
		c.Cut = true
		return false
	}
	return true
}

// Skip skips the next value and says where it is.
func (c *Cursor) Skip() Range {
	switch c.Peek() {
	case '"':
		start := c.At
		c.At = c.stringEnd(c.At)
		return Range{start, c.At}
	case '{', '[':
		start := c.At
		c.At = c.containerEnd(c.At)
		return Range{start, c.At}
	}
	start := c.At
	for c.At < len(c.Doc) && !ends(c.Doc[c.At]) {
		c.At++
	}
	if c.At >= len(c.Doc) {
		c.Cut = true
	}
	return Range{start, c.At}
}

// Str skips the next value and returns the raw inside of it where it is a
// string. A string that was cut off is returned as far as it goes.
func (c *Cursor) Str() ([]byte, bool) {
	if c.Peek() != '"' {
		c.Skip()
		return nil, false
	}
	start := c.At + 1
	c.At = c.stringEnd(c.At)
	if c.Cut {
		return c.Doc[start:c.At], true
	}
	return c.Doc[start : c.At-1], true
}

// Inside is Str where nobody asks whether the value is a string: nothing of
// anything else.
func (c *Cursor) Inside() []byte {
	raw, _ := c.Str()
	return raw
}

// Text is Str, decoded.
func (c *Cursor) Text() (string, bool) {
	raw, ok := c.Str()
	if !ok || bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), ok
	}
	return string(decoded(raw)), true
}

// Int skips the next value and returns it where it is a whole number that an
// int64 holds.
func (c *Cursor) Int() (int64, bool) {
	at := c.Skip()
	return Int(at.Of(c.Doc))
}

// Int reads a raw JSON value that is a whole number of at most 18 digits.
func Int(raw []byte) (int64, bool) {
	neg := len(raw) > 0 && raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	if len(raw) == 0 || len(raw) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range raw {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

// stringEnd returns the place behind the string that opens at i.
func (c *Cursor) stringEnd(i int) int {
	b := c.Doc
	i++
	// Most strings are short: their end is found before a search gets going.
	for short := i + 16; i < short && i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^each*'"', x^each*'\\'
		x = ((quote-each)&^quote | (slash-each)&^slash) & highs
		if x == 0 {
			continue
		}
		i += bits.TrailingZeros64(x) / 8
		if b[i] == '"' {
			return i + 1
		}
		break
	}
	// Nothing before i is a quote or escapes one.
	for j := i; j < len(b); j++ {
		n := bytes.IndexByte(b[j:], '"')
		if n < 0 {
			break
		}
		j += n
		k := j
		for k > i && b[k-1] == '\\' {
			k--
		}
		if (j-k)%2 == 0 {
			return j + 1
		}
	}
	c.Cut = true
	return len(b)
}

// containerEnd returns the place behind the object or array that opens at i.
func (c *Cursor) containerEnd(i int) int {
	depth := 0
	for b := c.Doc; i < len(b); {
		switch b[i] {
		case '"':
			i = c.stringEnd(i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	c.Cut = true
	return i
}

func ends(b byte) bool {
	return b == ',' || b == '}' || b == ']' || isSpace(b)
}
