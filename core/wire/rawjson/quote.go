package rawjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendQuote appends s to dst as a JSON string. Bytes that are not UTF-8
// become U+FFFD, as encoding/json has it.
func AppendQuote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), `\ufffd`...)
				from = i + 1
			}
			i += n
			continue
		}
		i++
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i-1]...)
		from = i
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// Escaped is s as the inside of a JSON string, as [AppendQuote] writes it.
func Escaped(s string) []byte {
	quoted := AppendQuote(nil, s)
	return quoted[1 : len(quoted)-1]
}

// Unquote decodes a JSON string with its quotes, taken from a document that
// Scan accepted. It is false for bytes that are no string. Lone surrogates and
// bytes that are not UTF-8 become U+FFFD, as encoding/json has it.
func Unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw), true
	}
	return string(decoded(raw)), true
}

// AppendText appends to dst the inside of a JSON string, decoded. It is not
// exact where bytes became U+FFFD or stand for themselves for want of a
// meaning: a lone surrogate, what is no UTF-8, an escape that is none.
func AppendText(dst, raw []byte) (text []byte, exact bool) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return append(dst, raw...), true
	}
	exact = true
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\\':
			n := escapeLen(raw[i:])
			switch n {
			case 0:
				dst = append(dst, c)
				n, exact = 1, false
			case 2:
				dst = append(dst, unescaped(raw[i+1]))
			default:
				r, _ := hex4(raw[i:])
				if utf16.IsSurrogate(r) {
					low, ok := hex4(raw[i+6:])
					pair := utf16.DecodeRune(r, low)
					r = utf8.RuneError
					if ok && pair != utf8.RuneError {
						r, n = pair, 12
					} else {
						exact = false
					}
				}
				dst = utf8.AppendRune(dst, r)
			}
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(raw[i:])
			exact = exact && (r != utf8.RuneError || n > 1)
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst, exact
}

// decoded decodes the inside of a JSON string. It takes any bytes: an escape
// that is none, as at the end of a string that was cut off, stands for itself.
func decoded(raw []byte) []byte {
	text, _ := AppendText(make([]byte, 0, len(raw)), raw)
	return text
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hex4 reads the escape \uXXXX that b starts with.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
