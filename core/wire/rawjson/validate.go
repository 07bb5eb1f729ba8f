package rawjson

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// Valid tells whether b is one well-formed JSON value of any kind, nested at
// most DefaultDepth deep.
func Valid(b []byte) bool {
	v := validator{b: b, limit: DefaultDepth}
	i := v.value(v.space(0), 0)
	return i >= 0 && v.tail(i) == nil
}

// StringEnd is the place behind the JSON string that begins at b[i]; -1: there is
// none.
func StringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	v := validator{b: b}
	return v.str(i)
}

// validator walks over bytes and holds them to RFC 8259. Its methods take the
// place to start at and return the place behind what they read, or -1 once
// bad and why are set.
type validator struct {
	b     []byte
	limit int // of nesting
	bad   int
	why   string
}

func (v *validator) fail(at int, why string) int {
	v.bad, v.why = at, why
	return -1
}

func (v *validator) error() error { return &SyntaxError{v.bad, v.why} }

// tail accepts white space up to the end.
func (v *validator) tail(i int) error {
	if i = v.space(i); i < len(v.b) {
		return &SyntaxError{i, "more behind the end of the value: " + describe(v.b, i)}
	}
	return nil
}

func (v *validator) space(i int) int {
	for i < len(v.b) && isSpace(v.b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool {
	return c <= ' ' && (1<<' '|1<<'\t'|1<<'\n'|1<<'\r')>>c&1 == 1
}

// value reads one value that sits inside depth containers. It keeps the kinds
// of the open containers in bits, so nesting costs no stack.
func (v *validator) value(i, depth int) int {
	b, floor := v.b, depth
	var objects [deepest / 64]uint64
	for {
		if i >= len(b) {
			return v.fail(i, "a value is missing at the end")
		}
		switch c := b[i]; c {
		case '"':
			i = v.str(i)
		case '{', '[':
			if depth >= v.limit {
				return v.fail(i, "nested deeper than "+strconv.Itoa(v.limit)+" levels")
			}
			bit := uint64(1) << (depth % 64)
			i = v.space(i + 1)
			if i < len(b) && b[i] == c+2 { // '}' and ']' follow their openers by two
				i++
				break
			}
			if c == '{' {
				objects[depth/64] |= bit
				if i = v.key(i); i < 0 {
					return -1
				}
			} else {
				objects[depth/64] &^= bit
			}
			depth++
			continue
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			i = v.number(i)
		case 't':
			i = v.literal(i, "true")
		case 'f':
			i = v.literal(i, "false")
		case 'n':
			i = v.literal(i, "null")
		default:
			return v.fail(i, "want a value, found "+describe(b, i))
		}
		if i < 0 {
			return -1
		}
		// Behind a value: close what ends here, go on with what does not.
		for {
			if depth == floor {
				return i
			}
			i = v.space(i)
			if i >= len(b) {
				return v.fail(i, "an object or array is not closed")
			}
			object := objects[(depth-1)/64]>>((depth-1)%64)&1 == 1
			c := b[i]
			if c == ',' {
				i = v.space(i + 1)
				if object {
					if i = v.key(i); i < 0 {
						return -1
					}
				}
				break
			}
			if object && c != '}' {
				return v.fail(i, "want ',' or '}' after a value, found "+describe(b, i))
			}
			if !object && c != ']' {
				return v.fail(i, "want ',' or ']' after a value, found "+describe(b, i))
			}
			depth--
			i++
		}
	}
}

// key reads a key, its colon and the white space around them.
func (v *validator) key(i int) int {
	if i >= len(v.b) || v.b[i] != '"' {
		return v.fail(i, "want a key in double quotes, found "+describe(v.b, i))
	}
	if i = v.str(i); i < 0 {
		return -1
	}
	if i = v.space(i); i >= len(v.b) || v.b[i] != ':' {
		return v.fail(i, "want ':' after a key, found "+describe(v.b, i))
	}
	return v.space(i + 1)
}

const (
	each  = 0x0101010101010101 // times a byte: that byte eight times
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte of x, quotes, backslashes and
// control characters. Only the lowest mark is exact: a borrow may set wrong
// ones above it. Control characters and the quote (0x22) are one test, since
// c^2 < 0x21 holds for exactly these.
func special(x uint64) uint64 {
	quote := x ^ each*2
	slash := x ^ each*'\\'
	return ((quote-each*0x21)&^quote | (slash-each)&^slash) & highs
}

const (
	// shortText is how much of a string is looked at word by word, in bytes:
	// most end before that.
	shortText = 128
	// textPiece is how much of a longer one is looked at at once, in bytes.
	textPiece = 1 << 10
)

// long goes on in a string that was nothing special so far, to what is or to
// where no whole word is left.
func (v *validator) long(i int) int {
	b := v.b
	for i += clean(b[i:]); i+8 <= len(b); i += 8 {
		if x := special(binary.LittleEndian.Uint64(b[i:])); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	return i
}

// clean is how many bytes b begins with that are nothing special, or less. Where
// there are many it is faster to look for one kind after the other: the bytes
// package does so by 32 bytes, and control characters alone are simple.
func clean(b []byte) (n int) {
	for len(b)-n >= textPiece {
		piece := b[n : n+textPiece]
		m := textPiece
		if at := bytes.IndexByte(piece, '"'); at >= 0 {
			m = at
		}
		if at := bytes.IndexByte(piece[:m], '\\'); at >= 0 {
			m = at
		}
		if got := uncontrolled(piece[:m]); got < textPiece {
			return n + got
		}
		n += textPiece
	}
	return n
}

// uncontrolled is how many bytes b begins with that are no control characters,
// or up to 31 less.
func uncontrolled(b []byte) (n int) {
	for ; len(b)-n >= 32; n += 32 {
		p := b[n : n+32 : n+32]
		w, x := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		y, z := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		if ((w-each*' ')&^w|(x-each*' ')&^x|(y-each*' ')&^y|(z-each*' ')&^z)&highs != 0 {
			return n
		}
	}
	return n
}

// str reads a string from its opening quote on.
func (v *validator) str(i int) int {
	b := v.b
	open := i
	i++
	for {
		c := byte(0)
		for end := min(i+shortText, len(b)); i+8 <= end; i += 8 {
			if x := special(binary.LittleEndian.Uint64(b[i:])); x != 0 {
				i += bits.TrailingZeros64(x) / 8
				c = b[i]
				break
			}
		}
		if c == 0 && len(b)-i > shortText {
			if i = v.long(i); i+8 <= len(b) {
				c = b[i]
			}
		}
		if c == 0 { // fewer than 8 bytes are left, or there is a NUL
			for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
				i++
			}
			if i >= len(b) {
				return v.fail(open, "a string is not closed")
			}
			c = b[i]
		}
		switch {
		case c == '"':
			return i + 1
		case c < ' ':
			return v.fail(i, fmt.Sprintf("control character 0x%02x in a string, want it escaped", c))
		case i+1 < len(b) && shortEscape[b[i+1]]:
			i += 2
		default:
			n := escapeLen(b[i:])
			if n == 0 {
				return v.fail(i, "a backslash must be followed by one of \"\\/bfnrt or u and four hex digits")
			}
			i += n
		}
	}
}

// shortEscape marks what may follow a backslash, but for u.
var shortEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// escapeLen is the length of the escape sequence that b starts with, 0 where
// there is none.
func escapeLen(b []byte) int {
	if len(b) >= 2 && shortEscape[b[1]] {
		return 2
	}
	if _, ok := hex4(b); ok {
		return 6
	}
	return 0
}

func (v *validator) literal(i int, word string) int {
	if len(v.b)-i < len(word) || string(v.b[i:i+len(word)]) != word {
		return v.fail(i, "want "+word+", found "+describe(v.b, i))
	}
	return i + len(word)
}

func (v *validator) number(i int) int {
	b := v.b
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	default:
		j := digits(b, i)
		if j == i {
			return v.fail(i, "want a digit, found "+describe(b, i))
		}
		i = j
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			return v.fail(j, "want a digit after the decimal point, found "+describe(b, j))
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			return v.fail(j, "want a digit in the exponent, found "+describe(b, j))
		}
		i = j
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// describe names the character at i for an error's text.
func describe(b []byte, i int) string {
	if i >= len(b) {
		return "the end"
	}
	if len(b)-i >= 3 && string(b[i:i+3]) == "\xef\xbb\xbf" {
		return "a byte order mark"
	}
	r, n := utf8.DecodeRune(b[i:])
	if r == utf8.RuneError && n <= 1 {
		return fmt.Sprintf("byte 0x%02x", b[i])
	}
	return strconv.QuoteRune(r)
}
