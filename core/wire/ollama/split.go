package ollama

import (
	"bytes"

	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// splitter cuts a stream into its lines, one JSON object each. The zero
// splitter is ready.
type splitter struct {
	in   []byte // not given out yet
	at   int    // there is no end of a line before
	held []byte // the buffer of a line whose end is not here yet
	err  error
}

// Feed is part of hub.Splitter.
func (s *splitter) Feed(piece []byte) {
	if len(s.in) == 0 {
		s.in = piece
		return
	}
	s.held = append(s.held, piece...)
	s.in = s.held
}

// Err is part of hub.Splitter.
func (s *splitter) Err() error { return s.err }

// Next is part of hub.Splitter.
func (s *splitter) Next(e *sse.Event) bool {
	if s.err != nil {
		return false
	}
	n := bytes.IndexByte(s.in[s.at:], '\n')
	end := s.at + n + 1
	if n < 0 {
		end = len(s.in)
	}
	if end > sse.EventLimit {
		s.err, s.in, s.held = sse.ErrTooLong, nil, nil
		return false
	}
	if n < 0 {
		s.hold()
		return false
	}
	s.give(e, end)
	return true
}

// Flush is part of hub.Splitter.
func (s *splitter) Flush(e *sse.Event) bool {
	if s.err != nil || len(s.in) == 0 {
		return false
	}
	s.give(e, len(s.in))
	return true
}

func (s *splitter) give(e *sse.Event, n int) {
	*e = sse.Event{Raw: s.in[:n], Data: bytes.TrimSpace(s.in[:n])}
	s.in, s.at = s.in[n:], 0
}

// hold keeps the beginning of a line until its end comes.
func (s *splitter) hold() {
	s.at = len(s.in)
	if len(s.in) == 0 {
		s.in = nil
		return
	}
	if len(s.held) > 0 && &s.in[0] == &s.held[0] {
		return
	}
	// It is a piece of the caller's, or the tail of held itself.
	s.held = append(s.held[:0], s.in...)
	s.in = s.held
}
