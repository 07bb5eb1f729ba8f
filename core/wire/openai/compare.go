package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// share says what there is in a piece: something that the client lacks,
// something that it has, or both.
type share uint8

const (
	fresh share = 1 << iota
	repeated
)

// due is what the client has of a choice: what a second stream has to repeat.
type due struct {
	index  int64
	role   bool
	finish []byte // raw; nil where the choice goes on
	ended  bool   // the second stream has repeated the finish
	lanes  [laneCount]lane
	calls  []dueCall
}

// dueCall is what the client has of a tool call.
type dueCall struct {
	index           int64
	begun           bool   // the second stream has it too
	id, theirs      []byte // raw, the first stream's and the second's; nil where not given
	name, arguments lane
}

// lane is a string that the client has, and how much of it was repeated.
type lane struct {
	want []byte
	at   int
}

// whole tells whether there is nothing left to repeat.
func (l *lane) whole() bool { return l.at == len(l.want) }

// want makes k expect everything that was said, and returns how much it is.
func (k *due) want(s *said) int {
	left := 0
	for i, text := range s.lanes {
		k.lanes[i].want = text
		left += len(text)
	}
	for i := range s.calls {
		c := &s.calls[i]
		k.calls = append(k.calls, dueCall{
			index: c.index, id: c.id, name: lane{want: c.name}, arguments: lane{want: c.arguments},
		})
		left += 1 + len(c.name) + len(c.arguments)
	}
	if s.finish != nil {
		k.finish = s.finish
		left++
	}
	return left
}

// short says what of the first stream is not repeated yet.
func (r *Resume) short() *Mismatch {
	for i := range r.due {
		if m := r.due[i].short(r.t.Endpoint); m != nil {
			return m
		}
	}
	for i := range r.due {
		if k := &r.due[i]; k.finish != nil && !k.ended {
			return &Mismatch{Why: EndsEarly, Part: "finish_reason", Choice: k.index}
		}
	}
	return &Mismatch{Why: EndsEarly}
}

// short says what of a choice's content is not repeated yet; nil where all is.
func (k *due) short(endpoint sdk.Endpoint) *Mismatch {
	for i := range k.lanes {
		if l := &k.lanes[i]; !l.whole() {
			return &Mismatch{Why: EndsEarly, Part: laneKey(endpoint, i), Choice: k.index, Offset: l.at}
		}
	}
	for i := range k.calls {
		switch c := &k.calls[i]; {
		case !c.begun || !c.name.whole():
			return &Mismatch{Why: EndsEarly, Part: "name", Choice: k.index, Call: c.index, Offset: c.name.at}
		case !c.arguments.whole():
			return &Mismatch{Why: EndsEarly, Part: "arguments", Choice: k.index, Call: c.index, Offset: c.arguments.at}
		}
	}
	return nil
}

func laneKey(endpoint sdk.Endpoint, lane int) string {
	if endpoint == sdk.Completions {
		return "text"
	}
	return laneKeys[lane]
}

// repeat compares the inside of a string with what the client has of its lane
// and returns what goes beyond it, decoded: to be used at once, and only where
// the share says repeated. A string of fresh content only stays as it is.
func (r *Resume) repeat(l *lane, raw []byte) (rest []byte, s share, why string) {
	if len(raw) == 0 {
		return nil, 0, ""
	}
	if l.whole() {
		return nil, fresh, ""
	}
	text, exact := rawjson.AppendText(r.text[:0], raw)
	r.text = text
	if !exact {
		return nil, 0, NotUnderstood
	}
	want := l.want[l.at:]
	n := 0
	for n < len(text) && n < len(want) && text[n] == want[n] {
		n++
	}
	l.at += n
	r.left -= n
	switch rest = text[n:]; {
	case len(rest) == 0:
		return nil, repeated, ""
	case n < len(want):
		return nil, 0, Differs
	}
	return rest, repeated | fresh, ""
}

// edit returns the edit that leaves of a string what the client lacks.
func edit(key string, rest []byte) rawjson.Edit {
	if len(rest) == 0 {
		return rawjson.Edit{Op: rawjson.Delete, Key: key}
	}
	return rawjson.Edit{Op: rawjson.Set, Key: key, Value: rawjson.AppendQuote(nil, string(rest))}
}

// piece appends to dst what the client lacks of a choice: nothing, the choice
// as it is, or some of it.
func (r *Resume) piece(dst, data []byte, p *piece) ([]byte, share, *Mismatch) {
	var k *due
	for i := range r.due {
		if r.due[i].index == p.index {
			k = &r.due[i]
			break
		}
	}
	if k == nil {
		return append(dst, p.at.Of(data)...), r.chunk.says(p, data), nil
	}
	var room [laneCount + 2]rawjson.Edit
	inner := room[:0] // edits of the object that the lanes are in
	var all share
	if len(rawjson.Inside(p.role.Of(data))) > 0 {
		if k.role {
			all |= repeated
			inner = append(inner, edit("role", nil))
		} else {
			all |= fresh
		}
	}
	content := share(0)
	for i := range p.lanes {
		key := laneKey(r.t.Endpoint, i)
		rest, s, why := r.repeat(&k.lanes[i], rawjson.Inside(p.lanes[i].Of(data)))
		if why != "" {
			return dst, 0, &Mismatch{Why: why, Part: key, Choice: k.index, Offset: k.lanes[i].at}
		}
		if content |= s; s&repeated != 0 {
			inner = append(inner, edit(key, rest))
		}
	}
	if p.calls > 0 {
		s, why := r.toolCalls(data, p, k)
		if why != nil {
			return dst, 0, why
		}
		content |= s
		switch {
		case s&repeated == 0:
		case s&fresh == 0:
			inner = append(inner, edit("tool_calls", nil))
		default:
			inner = append(inner, rawjson.Edit{Op: rawjson.Set, Key: "tool_calls", Value: r.tools})
		}
	}
	if k.finish != nil && content&fresh != 0 {
		return dst, 0, &Mismatch{Why: GoesOn, Part: "finish_reason", Choice: k.index}
	}
	finish, why := r.finish(data, p, k)
	if why != nil {
		return dst, 0, why
	}
	switch all |= content | finish; {
	case all&repeated == 0:
		return append(dst, p.at.Of(data)...), all, nil
	case all&fresh == 0:
		return dst, all, nil
	}
	outer := inner
	if r.t.Endpoint == sdk.Chat {
		outer = nil
		if len(inner) > 0 {
			if r.delta, why = splice(r.delta, p.delta.Of(data), inner); why != nil {
				return dst, 0, why
			}
			outer = []rawjson.Edit{{Op: rawjson.Set, Key: "delta", Value: r.delta}}
		}
	} else {
		for i := range outer {
			if outer[i].Op == rawjson.Delete {
				// A chunk of completions always has its text.
				outer[i] = rawjson.Edit{Op: rawjson.Set, Key: outer[i].Key, Value: []byte(`""`)}
			}
		}
	}
	if finish&repeated != 0 {
		outer = append(outer, rawjson.Edit{Op: rawjson.Set, Key: "finish_reason", Value: []byte("null")})
	}
	if r.choice, why = splice(r.choice, p.at.Of(data), outer); why != nil {
		return dst, 0, why
	}
	return append(dst, r.choice...), all, nil
}

// splice is rawjson.Splice into a buffer of ours.
func splice(room, object []byte, edits []rawjson.Edit) ([]byte, *Mismatch) {
	out, err := rawjson.Splice(room[:0], object, edits)
	if err != nil {
		return out, &Mismatch{Why: Malformed}
	}
	return out, nil
}

// finish compares why a choice ends.
func (r *Resume) finish(data []byte, p *piece, k *due) (share, *Mismatch) {
	if !p.finish.Present() {
		return 0, nil
	}
	if r.left > 0 {
		if why := k.short(r.t.Endpoint); why != nil {
			return 0, why
		}
	}
	if k.finish == nil {
		return fresh, nil
	}
	if !bytes.Equal(k.finish, p.finish.Of(data)) {
		return 0, &Mismatch{Why: Differs, Part: "finish_reason", Choice: k.index}
	}
	if !k.ended {
		k.ended = true
		r.left--
	}
	return repeated, nil
}

// toolCalls leaves in r.tools what the client lacks of a piece's calls.
func (r *Resume) toolCalls(data []byte, p *piece, k *due) (share, *Mismatch) {
	var all share
	out := append(r.tools[:0], '[')
	for i := range r.chunk.calls[p.first : p.first+p.calls] {
		end := len(out)
		if end > 1 {
			out = append(out, ',')
		}
		start := len(out)
		var s share
		var why *Mismatch
		if out, s, why = r.toolCall(out, data, &r.chunk.calls[p.first+i], k); why != nil {
			return 0, why
		}
		if all |= s; len(out) == start {
			out = out[:end]
		}
	}
	r.tools = append(out, ']')
	return all, nil
}

// toolCall appends to dst what the client lacks of a call. A call that it has
// keeps the id that it has there.
func (r *Resume) toolCall(dst, data []byte, p *callPiece, k *due) ([]byte, share, *Mismatch) {
	id := p.id.Of(data)
	if len(id) <= 2 {
		id = nil
	}
	var c *dueCall
	for i := range k.calls {
		switch has := &k.calls[i]; {
		case has.index == p.index:
			c = has
		case id != nil && bytes.Equal(has.id, id):
			// The second stream's name for another call.
			return dst, 0, &Mismatch{Why: Differs, Part: "id", Choice: k.index, Call: p.index}
		}
	}
	if c == nil {
		return append(dst, p.at.Of(data)...), fresh, nil
	}
	if !c.begun {
		c.begun = true
		r.left--
	}
	all := share(0)
	var outer, inner []rawjson.Edit
	if id != nil {
		if c.theirs == nil {
			c.theirs = bytes.Clone(id)
		}
		if !bytes.Equal(c.theirs, id) {
			// Two calls under one index.
			return dst, 0, &Mismatch{Why: Differs, Part: "id", Choice: k.index, Call: p.index}
		}
		if all |= fresh; c.id != nil {
			all = repeated
			outer = append(outer, edit("id", nil))
		}
	}
	if raw := rawjson.Inside(p.name.Of(data)); len(raw) > 0 && len(c.name.want) > 0 {
		// A name is the whole name: search is not the start of search_web.
		_, s, why := r.repeat(&c.name, raw)
		if why == "" && s&fresh != 0 {
			why = Differs
		}
		if why != "" {
			return dst, 0, &Mismatch{Why: why, Part: "name", Choice: k.index, Call: c.index, Offset: c.name.at}
		}
		all |= s
		inner = append(inner, edit("name", nil))
	} else if len(raw) > 0 {
		all |= fresh
	}
	rest, s, why := r.repeat(&c.arguments, rawjson.Inside(p.arguments.Of(data)))
	if why != "" {
		return dst, 0, &Mismatch{Why: why, Part: "arguments", Choice: k.index, Call: c.index, Offset: c.arguments.at}
	}
	if all |= s; s&repeated != 0 {
		inner = append(inner, edit("arguments", rest))
	}
	switch {
	case all&repeated == 0:
		return append(dst, p.at.Of(data)...), all, nil
	case all&fresh == 0:
		return dst, all, nil
	}
	if c.id != nil {
		outer = append(outer, edit("type", nil))
	}
	if len(inner) > 0 {
		function, bad := splice(nil, p.function.Of(data), inner)
		if bad != nil {
			return dst, 0, bad
		}
		outer = append(outer, rawjson.Edit{Op: rawjson.Set, Key: "function", Value: function})
	}
	call, bad := splice(nil, p.at.Of(data), outer)
	if bad != nil {
		return dst, 0, bad
	}
	return append(dst, call...), all, nil
}

// says tells whether there is anything in a choice that the client has nothing of.
func (k *chunk) says(p *piece, data []byte) share {
	if p.calls > 0 || p.finish.Present() || len(rawjson.Inside(p.role.Of(data))) > 0 {
		return fresh
	}
	for i := range p.lanes {
		if len(rawjson.Inside(p.lanes[i].Of(data))) > 0 {
			return fresh
		}
	}
	return 0
}
