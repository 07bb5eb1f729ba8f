package openai

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// Again knows chunks of a chat that differ from one before in their text alone,
// as nearly all of a stream do: they are as well-formed as that one was, mean the
// same, and need not be walked through. The zero Again has learned nothing.
type Again struct {
	chunk         []byte // that was learned
	before, after int    // its text is chunk[before:after]
	learned       int
}

// maxLearned is how many chunks are learned of one stream. Where each is unlike
// the others, it is in vain.
const maxLearned = 4

// Is reports that an event is a chunk with some text, and nothing else that the
// learned one did not have.
func (a *Again) Is(e *sse.Event) bool {
	end := len(e.Data) - (len(a.chunk) - a.after)
	return a.learned > 0 && len(e.Type) == 0 && end > a.before &&
		bytes.HasPrefix(e.Data, a.chunk[:a.before]) && bytes.HasSuffix(e.Data, a.chunk[a.after:]) &&
		rawjson.StringEnd(e.Data, a.before-1) == end+1
}

// Learn takes a well-formed event of a class, where that is a chunk with text.
func (a *Again) Learn(e *sse.Event, class wire.Class) {
	if class != wire.Text || len(e.Type) != 0 || a.learned == maxLearned {
		return
	}
	if at, ok := textAt(e.Data); ok {
		a.learned++
		a.chunk = append(a.chunk[:0], e.Data...)
		a.before, a.after = at.Start+1, at.End-1
	}
}

// textAt is where the text of a chunk's first choice is, with its quotes.
func textAt(chunk []byte) (at rawjson.Range, ok bool) {
	c := rawjson.Cursor{Doc: chunk}
	if !into(&c, "choices") || !c.Array() || !c.More() || !into(&c, "delta") || !into(&c, "content") || c.Peek() != '"' {
		return at, false
	}
	return c.Skip(), true
}

// into goes to the value of a key of the object that is next.
func into(c *rawjson.Cursor, key string) bool {
	if c.Object() {
		for c.Key() {
			if string(c.Name) == key {
				return true
			}
			c.Skip()
		}
	}
	return false
}
