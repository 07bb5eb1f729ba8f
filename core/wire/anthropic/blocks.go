package anthropic

import (
	"errors"
	"strconv"

	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
)

// The kinds of blocks.
const (
	none = iota // one that has ended
	textBlock
	thinkingBlock
	toolBlock
)

// errHeld is a call that does not end while much else waits for it.
var errHeld = errors.New("anthropic: what waits for the end of a call is longer than an event may be")

// blocks are those of a stream. A client of Anthropic's gets them one after the
// other, each whole, while pieces of calls that are made at once may come in turns.
// So what comes before a call has all its arguments waits for them.
type blocks struct {
	open    []block // the first is being told, the others wait
	told    int64   // how many are whole
	held    int     // bytes that wait
	scratch []byte
}

type block struct {
	kind  int
	index int64
	out   []byte // its events, where it waits
	// Of a call.
	args   arguments
	custom bool
}

// done tells whether nothing more belongs to the block. Where free text ends,
// nobody knows before the answer does.
func (t *block) done() bool { return t.kind != toolBlock || t.args.whole && !t.custom }

func (b *blocks) last() *block { return &b.open[len(b.open)-1] }

// kind is that of the last block, to which more may be added.
func (b *blocks) kind() int {
	if len(b.open) == 0 {
		return none
	}
	return b.last().kind
}

// at is the block of an index; nil: it was told whole.
func (b *blocks) at(index int64) *block {
	if index < b.told {
		return nil
	}
	return &b.open[index-b.told]
}

// event appends one of a block's: to what the client gets, or to what waits.
func (b *blocks) event(dst []byte, t *block, kind, head string, text hub.Text, tail string) []byte {
	to := dst
	waits := t.index > b.told
	if waits {
		to = t.out
	}
	before := len(to)
	to = append(append(to, "event: content_block_"...), kind...)
	to = append(append(to, "\ndata: {\"type\":\"content_block_"...), kind...)
	to = strconv.AppendInt(append(to, `","index":`...), t.index, 10)
	to = append(append(append(to, head...), text...), tail...)
	to = append(to, "}\n\n"...)
	if !waits {
		return to
	}
	t.out = to
	b.held += len(to) - before
	return dst
}

// begin opens a block. Its content is in three pieces.
func (b *blocks) begin(dst []byte, kind int, head string, text hub.Text, tail string) []byte {
	dst = b.leave(dst)
	b.open = append(b.open, block{kind: kind, index: b.told + int64(len(b.open))})
	return b.event(dst, b.last(), "start", head, text, tail)
}

// need opens a block of a kind where the last is none.
func (b *blocks) need(dst []byte, kind int, content string) []byte {
	if b.kind() == kind {
		return dst
	}
	return b.begin(dst, kind, content, nil, "")
}

func (b *blocks) call(dst []byte, c *hub.CallDelta) []byte {
	named := append(append(append(b.scratch[:0], c.ID...), `","name":"`...), c.Name...)
	b.scratch = named
	dst = b.begin(dst, toolBlock, `,"content_block":{"type":"tool_use","id":"`, named, `","input":{},"caller":{"type":"direct"}}`)
	b.last().custom = c.Custom
	return dst
}

// add is a delta of a block, whose last value is the text.
func (b *blocks) add(dst []byte, t *block, head string, text hub.Text) []byte {
	return b.event(dst, t, "delta", head, text, `"}`)
}

// argue is a piece of a call's arguments.
func (b *blocks) argue(dst []byte, t *block, piece hub.Text) []byte {
	dst = b.add(dst, t, `,"delta":{"type":"input_json_delta","partial_json":"`, piece)
	b.scratch, _ = rawjson.AppendText(b.scratch[:0], piece)
	t.args.feed(b.scratch)
	for len(b.open) > 1 && b.open[0].done() {
		dst = b.stop(dst)
	}
	if b.kind() == none {
		dst = b.leave(dst)
	}
	return dst
}

// sign ends a thought.
func (b *blocks) sign(dst []byte, signature hub.Text) []byte {
	dst = b.need(dst, thinkingBlock, emptyThought)
	return b.end(b.add(dst, b.last(), `,"delta":{"type":"signature_delta","signature":"`, signature))
}

// end is that of the last block.
func (b *blocks) end(dst []byte) []byte {
	b.last().kind = none
	return b.leave(dst)
}

// leave makes way for another block, unless more of this one may come.
func (b *blocks) leave(dst []byte) []byte {
	if len(b.open) != 1 || !b.open[0].done() {
		return dst
	}
	return b.stop(dst)
}

// stop ends the block that is being told, and tells what the next one has so far.
func (b *blocks) stop(dst []byte) []byte {
	dst = b.event(dst, &b.open[0], "stop", "", nil, "")
	b.told++
	if len(b.open) == 1 {
		b.open = b.open[:0]
		return dst
	}
	b.open = b.open[1:]
	next := &b.open[0]
	dst = append(dst, next.out...)
	b.held -= len(next.out)
	next.out = nil
	return dst
}

// finish ends all.
func (b *blocks) finish(dst []byte) []byte {
	for len(b.open) > 0 {
		dst = b.stop(dst)
	}
	return dst
}

// arguments tells when a JSON object or array that comes in pieces is whole.
type arguments struct {
	whole            bool
	depth            int
	inString, escape bool
}

func (a *arguments) feed(piece []byte) {
	for _, c := range piece {
		switch {
		case a.whole:
			return
		case a.escape:
			a.escape = false
		case a.inString:
			a.escape, a.inString = c == '\\', c != '"'
		case c == '"':
			a.inString = true
		case c == '{', c == '[':
			a.depth++
		case c == '}', c == ']':
			a.depth--
			a.whole = a.depth == 0
		}
	}
}
