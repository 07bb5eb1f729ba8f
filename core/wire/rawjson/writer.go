package rawjson

import "strconv"

// Writer writes JSON behind what Dst has, and knows where a comma goes. It is for
// those who know what they write: nothing is checked. Texts are the insides of
// JSON strings, as escaped as they are, and values are raw.
//
//	w := rawjson.Object(dst)
//	w.TextIf("name", name)
//	rawjson.Texts(&w, "stop", stop)
//	w.Put("}")
//	return w.Dst
//
// The zero Writer writes the fields of an object without the object around them.
type Writer struct{ Dst []byte }

// Object begins an object.
func Object(dst []byte) Writer { return Writer{Dst: append(dst, '{')} }

// Put writes what is JSON, or a piece of it, as it is.
func (w *Writer) Put(json string) { w.Dst = append(w.Dst, json...) }

// Comma goes before what is not the first in its object or array.
func (w *Writer) Comma() {
	if n := len(w.Dst); n > 0 && w.Dst[n-1] != '{' && w.Dst[n-1] != '[' {
		w.Dst = append(w.Dst, ',')
	}
}

// Key begins a field, with a comma where there is one before it. The name has
// nothing in it to be escaped.
func (w *Writer) Key(name string) {
	w.Comma()
	w.Dst = append(append(append(w.Dst, '"'), name...), `":`...)
}

// Quote writes a text as a string.
func (w *Writer) Quote(text []byte) { w.Dst = append(append(append(w.Dst, '"'), text...), '"') }

// Text writes a field whose value is a string.
func (w *Writer) Text(name string, text []byte) {
	w.Key(name)
	w.Quote(text)
}

// TextIf is Text where there is any.
func (w *Writer) TextIf(name string, text []byte) {
	if len(text) > 0 {
		w.Text(name, text)
	}
}

// Texts writes a field whose value is a list of strings, where there is any.
func Texts[T ~[]byte](w *Writer, name string, texts []T) {
	if len(texts) == 0 {
		return
	}
	w.Key(name)
	w.Put("[")
	for _, t := range texts {
		w.Comma()
		w.Quote(t)
	}
	w.Put("]")
}

// Plain is Text of what is not escaped yet.
func (w *Writer) Plain(name, text string) {
	w.Key(name)
	w.Dst = AppendQuote(w.Dst, text)
}

// Raw writes a field with any value.
func (w *Writer) Raw(name string, value []byte) {
	w.Key(name)
	w.Dst = append(w.Dst, value...)
}

// RawIf is Raw where there is a value.
func (w *Writer) RawIf(name string, value []byte) {
	if len(value) > 0 {
		w.Raw(name, value)
	}
}

// Field is Raw with a name of somebody else's, which may have anything in it.
func (w *Writer) Field(name string, value []byte) {
	w.Comma()
	w.Dst = append(AppendQuote(w.Dst, name), ':')
	w.Dst = append(w.Dst, value...)
}

// Int writes a field whose value is a whole number.
func (w *Writer) Int(name string, n int64) {
	w.Key(name)
	w.Dst = strconv.AppendInt(w.Dst, n, 10)
}
