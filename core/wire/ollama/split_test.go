package ollama

import (
	"bytes"
	"errors"
	"testing"

	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// A stream cannot fill the memory: a line has the limit of any event, whether it
// comes at once or in pieces.
func TestALineHasALimit(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("x"), sse.EventLimit)
	for _, pieces := range [][][]byte{
		{append(long[:sse.EventLimit:sse.EventLimit], '\n')},
		{long[:sse.EventLimit/2], long[:sse.EventLimit/2], []byte("x")},
	} {
		var s splitter
		var e sse.Event
		for _, p := range pieces {
			s.Feed(p)
			for s.Next(&e) {
				t.Fatalf("a line of %d bytes", len(e.Raw))
			}
		}
		if !errors.Is(s.Err(), sse.ErrTooLong) || s.Flush(&e) {
			t.Errorf("the error is %v", s.Err())
		}
	}
	var s splitter
	var e sse.Event
	s.Feed(append(long[:sse.EventLimit-1:sse.EventLimit-1], '\n'))
	if !s.Next(&e) || len(e.Raw) != sse.EventLimit {
		t.Errorf("the longest line is %d bytes, %v", len(e.Raw), s.Err())
	}
}

func TestEveryByteOfAStreamComesOutOnce(t *testing.T) {
	t.Parallel()
	in := []byte("{\"a\":1}\r\n\n {\"b\":2}\n{\"c\"")
	for size := 1; size <= len(in); size++ {
		var s splitter
		var e sse.Event
		var raw, data []byte
		for at := 0; at < len(in); at += size {
			s.Feed(bytes.Clone(in[at:min(at+size, len(in))]))
			for s.Next(&e) {
				raw, data = append(raw, e.Raw...), append(append(data, e.Data...), '|')
			}
		}
		if s.Flush(&e) {
			raw, data = append(raw, e.Raw...), append(append(data, e.Data...), '|')
		}
		if !bytes.Equal(raw, in) || string(data) != `{"a":1}||{"b":2}|{"c"|` {
			t.Errorf("in pieces of %d: %q, %q", size, raw, data)
		}
	}
}
