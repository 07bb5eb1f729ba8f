package hub

import (
	"bytes"
	"slices"
	"strings"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// Custom tools, of free text, are OpenAI's alone. Where the rules say that they
// are emulated, the target is given functions of one text, input, and what it
// calls them with is that text again for the client.

// customSchema is of the input of a function in a custom tool's place.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// EmulatesCustom tells whether a request's custom tools are functions at a target
// of the format.
func (f *Format) EmulatesCustom(q *Request) bool {
	return q.From != f.Name && f.Out.Rules[CustomTools].How == Emulated
}

// Outgoing appends a request that passed [Format.Check].
func (f *Format) Outgoing(dst []byte, q *Request, w *Warnings) ([]byte, error) {
	if f.EmulatesCustom(q) && len(q.Customs()) > 0 {
		q = q.uncustomed()
	}
	return f.Out.Request(dst, q, w)
}

// Customs are the names of a request's custom tools.
func (q *Request) Customs() (names []string) {
	for i := range q.Tools {
		if q.Tools[i].Custom != nil {
			names = append(names, string(q.Tools[i].Name))
		}
	}
	return names
}

// uncustomed is the request with functions in the place of custom tools.
func (q *Request) uncustomed() *Request {
	out := *q
	out.Tools, out.Messages = slices.Clone(q.Tools), slices.Clone(q.Messages)
	for i := range out.Tools {
		if t := &out.Tools[i]; t.Custom != nil {
			t.Description, t.Schema, t.Custom, t.Whole = describe(t.Custom), Raw(customSchema), nil, nil
		}
	}
	for i := range out.Messages {
		m := &out.Messages[i]
		isCustom := func(p Part) bool { return p.Kind == CallPart && p.Call.Custom }
		if !slices.ContainsFunc(m.Parts, isCustom) {
			continue
		}
		m.Parts, m.Whole = slices.Clone(m.Parts), nil
		for j := range m.Parts {
			if p := &m.Parts[j]; isCustom(*p) {
				in := rawjson.AppendQuote([]byte(`{"input":`), string(p.Call.Input))
				p.Call.Input, p.Call.Custom, p.Whole = append(in, '}'), false, nil
			}
		}
	}
	return &out
}

// describe says in words what a custom tool takes: its grammar too, since nothing
// else holds the model to it.
func describe(custom Raw) Text {
	inner := rawjson.Child(custom, "custom")
	about := slices.Clone(Text(rawjson.Str(inner, "description")))
	grammar := rawjson.Child(inner, "format")
	if g := rawjson.Child(grammar, "grammar"); g != nil { // so in chat
		grammar = g
	}
	if text := rawjson.Str(grammar, "definition"); len(text) > 0 {
		about = append(append(append(about, `\n\nThe input follows this grammar (`...), rawjson.Str(grammar, "syntax")...), `):\n`...)
		about = append(about, text...)
	}
	return about
}

// Customize makes calls of custom tools of those of the functions in their place.
func (r *Response) Customize(customs []string) {
	for i := range r.Choices {
		for j := range r.Choices[i].Parts {
			c := &r.Choices[i].Parts[j].Call
			if r.Choices[i].Parts[j].Kind != CallPart || !slices.Contains(customs, string(c.Name)) {
				continue
			}
			c.Custom = true
			if in := rawjson.Str(c.Input, "input"); in != nil {
				c.Input, _ = rawjson.AppendText(nil, in)
			}
		}
	}
}

// unwrapper takes the arguments of such a function in pieces, cut anywhere, and
// gives out the text in them.
type unwrapper struct {
	index, call int64
	head        []byte // before the text begins
	rest        []byte // an escape that is not whole
	begun, over bool
}

// feed appends what a piece of JSON text has of the text, as the inside of a JSON
// string.
func (u *unwrapper) feed(dst, piece []byte) []byte {
	if u.over {
		return dst
	}
	if !u.begun {
		u.head = append(u.head, piece...)
		if piece = u.text(); piece == nil {
			return dst
		}
		u.begun, u.head = true, nil
	}
	all := append(u.rest, piece...)
	n := 0
	for n < len(all) {
		size := 1
		switch all[n] {
		case '"':
			u.over, u.rest = true, nil
			return append(dst, all[:n]...)
		case '\\':
			size = escapeSize(all[n:])
		}
		if n+size > len(all) {
			break
		}
		n += size
	}
	dst = append(dst, all[:n]...)
	u.rest = append([]byte(nil), all[n:]...)
	return dst
}

// text is what follows the quote that begins the text; nil: it is not there yet.
func (u *unwrapper) text() []byte {
	const key = `"input"`
	at := bytes.Index(u.head, []byte(key))
	if at < 0 {
		return nil
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(u.head[at+len(key):], " \t\r\n"), []byte(":"))
	if !ok {
		return nil
	}
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`))
	if !ok {
		return nil
	}
	return rest[:len(rest):len(rest)]
}

// escapeSize is how long an escape is, with the second half of a pair of
// surrogates; more than there is where that is not known yet.
func escapeSize(b []byte) int {
	const short, long = len(`\n`), len(`\u0000`)
	switch {
	case len(b) < short || b[1] != 'u':
		return short
	case len(b) < long:
		return long
	case b[2]|0x20 != 'd' || strings.IndexByte("89abAB", b[3]) < 0:
		return long
	}
	// What is no second half is text, or an escape, of its own.
	next := b[long:]
	for i, half := range [...]string{`\`, "u", "dD", "cdefCDEF"} {
		if i < len(next) && strings.IndexByte(half, next[i]) < 0 {
			return long
		}
	}
	return 2 * long
}

// left is what a model said that did not do as it was told, and has no text.
func (u *unwrapper) left() []byte {
	head := bytes.TrimSpace(u.head)
	if u.begun || string(head) == "{}" {
		return nil
	}
	u.begun, u.over = true, true
	return head
}
