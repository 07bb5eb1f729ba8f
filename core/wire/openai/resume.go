package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// Resume turns the events of a second stream into what a client lacks that has
// the start of a first one. Nothing reaches the client before everything that
// it has was repeated, in whatever order and pieces: what the second stream
// says beyond that is held meanwhile. From then on there is nothing left to
// differ from.
//
// What the client gets has the id, time, model and other marks of the first
// stream, and is noted in the transcript, so that a second stream that breaks
// off can be followed by a third. A stream that did not get that far leaves the
// transcript as it was, so another can be tried.
type Resume struct {
	t     *Transcript
	due   []due
	left  int            // what is still to be repeated: bytes, calls and finishes
	edits []rawjson.Edit // of the head, and room for one more
	held  [][]byte       // the data of events that wait
	bytes int            // of held
	usage wire.Usage
	err   error

	chunk                      chunk
	text, tools, delta, choice []byte // scratch
	choices, out               []byte // scratch
}

// Verify makes a Resume for a stream that answers the same request anew. The
// error is the transcript's.
func Verify(t *Transcript) (*Resume, error) {
	r, err := Continue(t)
	if err != nil {
		return nil, err
	}
	for i := range t.choices {
		r.left += r.due[i].want(&t.choices[i])
	}
	return r, nil
}

// Continue makes a Resume for a stream that answers what [Prefill] made, and
// so goes on where the client's answer stops: nothing is to be repeated, and of
// what is, only the role is left out. The error is the transcript's.
func Continue(t *Transcript) (*Resume, error) {
	if err := t.Err(); err != nil {
		return nil, err
	}
	r := &Resume{t: t}
	if t.chunks {
		r.edits = make([]rawjson.Edit, headCount, headCount+1)
	}
	for i := range r.edits {
		r.edits[i] = rawjson.Edit{Op: rawjson.Set, Key: headKeys[i], Value: bytes.Clone(t.head[i])}
		if t.head[i] == nil {
			r.edits[i].Op = rawjson.Delete
		}
	}
	for i := range t.choices {
		r.due = append(r.due, due{index: t.choices[i].index, role: t.choices[i].role})
	}
	return r, nil
}

// Event takes the next event of the second stream and appends to dst the whole
// events that the client is to get now: none where it knows everything in it.
// Comments go through as they are.
//
// The error is a [*Mismatch], and the same again from then on. Before CaughtUp
// it means that another stream may be tried. After it, that the event is broken
// or would make two tool calls one: the client has to be told of an error.
func (r *Resume) Event(dst []byte, e *sse.Event) ([]byte, error) {
	if r.err == nil && e.Data == nil {
		return append(dst, e.Raw...), nil
	}
	var why *Mismatch
	if r.err == nil {
		if dst, why = r.event(dst, e); why != nil {
			r.err = why
		}
	}
	return dst, r.err
}

// CaughtUp tells whether everything that the client has was repeated: the
// second stream is now the client's.
func (r *Resume) CaughtUp() bool { return r.left == 0 && r.err == nil }

// End says what is wrong where the second stream ends here: a [*Mismatch] where
// it has not repeated everything. Whether it is whole otherwise is for
// [wire.Progress] to say.
func (r *Resume) End() error {
	if r.err == nil && r.left > 0 {
		r.err = r.short()
	}
	return r.err
}

// Usage is what the second stream said last of its usage, swallowed or not. To
// it comes [Transcript.Usage], or an estimate of it.
func (r *Resume) Usage() wire.Usage { return r.usage }

// wellFormed is for scans that look for nothing but mistakes.
var wellFormed = rawjson.NewKeys()

func (r *Resume) event(dst []byte, e *sse.Event) ([]byte, *Mismatch) {
	caught := r.left == 0
	data := bytes.TrimSpace(e.Data)
	switch {
	case len(data) == 0:
		return dst, nil
	case bytes.HasPrefix(data, []byte("[DONE]")):
		if !caught {
			return dst, r.short()
		}
		return r.emit(dst, []byte("[DONE]")), nil
	case string(e.Type) == "error":
		return r.fail(dst, e)
	}
	if wellFormed.Scan(data, rawjson.DefaultDepth, nil) != nil {
		return dst, &Mismatch{Why: Malformed}
	}
	if bytes.IndexByte(data, '\n') >= 0 {
		// Several lines of data: the breaks are white space between values.
		data = bytes.ReplaceAll(data, []byte("\n"), []byte(" "))
	}
	k := &r.chunk
	k.read(r.t.Endpoint, data)
	if k.usage.Present() {
		r.usage = readUsage(k.usage.Of(data))
	}
	switch {
	case k.failed:
		return r.fail(dst, e)
	case k.many || k.odd && !caught:
		return dst, &Mismatch{Why: NotUnderstood}
	}
	s, why := r.compare(data)
	if why != nil {
		return dst, why
	}
	if s&fresh == 0 && (s&repeated != 0 || !caught) {
		return r.release(dst), nil
	}
	edits := r.edits
	if s&repeated != 0 {
		edits = append(edits, rawjson.Edit{Op: rawjson.Set, Key: "choices", Value: r.choices})
	}
	var err error
	if r.out, err = rawjson.Splice(r.out[:0], data, edits); err != nil {
		return dst, &Mismatch{Why: Malformed}
	}
	if r.left > 0 {
		return dst, r.hold(r.out)
	}
	return r.emit(r.release(dst), r.out), nil
}

// fail deals with an error that the second stream sends.
func (r *Resume) fail(dst []byte, e *sse.Event) ([]byte, *Mismatch) {
	if r.left > 0 {
		return dst, &Mismatch{Why: FailsToo}
	}
	r.t.lose(errFailed)
	return append(dst, e.Raw...), nil
}

// compare takes in the choices of the chunk and leaves in r.choices what of
// them the client does not know.
func (r *Resume) compare(data []byte) (share, *Mismatch) {
	var all share
	finish := false
	out := append(r.choices[:0], '[')
	for i := range r.chunk.pieces {
		p := &r.chunk.pieces[i]
		finish = finish || p.finish.Present()
		end := len(out)
		if end > 1 {
			out = append(out, ',')
		}
		start := len(out)
		var s share
		var why *Mismatch
		if out, s, why = r.piece(out, data, p); why != nil {
			return 0, why
		}
		if all |= s; len(out) == start {
			out = out[:end]
		}
	}
	r.choices = append(out, ']')
	// Usage that comes with every chunk goes where the chunk goes.
	if r.chunk.usage.Present() && (finish || len(r.chunk.pieces) == 0) {
		all |= fresh
	}
	return all, nil
}

// hold keeps an event back until everything was repeated.
func (r *Resume) hold(data []byte) *Mismatch {
	if r.bytes += len(data); r.bytes > r.t.limit() {
		return &Mismatch{Why: TooLong}
	}
	r.held = append(r.held, bytes.Clone(data))
	return nil
}

// release lets go what was held, once nothing is left to be repeated.
func (r *Resume) release(dst []byte) []byte {
	if r.left > 0 || r.held == nil {
		return dst
	}
	for _, data := range r.held {
		dst = r.emit(dst, data)
	}
	r.held = nil
	return dst
}

func (r *Resume) emit(dst, data []byte) []byte {
	r.t.note(data)
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, "\n\n"...)
}
