// Package sse cuts a byte stream into server-sent events as it arrives, and
// keeps the bytes as they came so that they can be sent on unchanged.
//
// It reads what the WHATWG's HTML standard, section 9.2.6, says: lines end in
// CR LF, LF or CR, a blank line ends an event, lines of one event's data are
// joined by LF, a byte order mark may come first.
package sse

import (
	"bytes"
	"errors"
)

// EventLimit is how many bytes one event may have where nothing else is said.
const EventLimit = 4 << 20

// keep is the largest buffer in bytes that a splitter holds on to once a large
// event is through.
const keep = 64 << 10

// bom is the byte order mark that a stream may start with.
const bom = "\ufeff"

// ErrTooLong is what a splitter ends with when an event outgrows its limit.
var ErrTooLong = errors.New("sse: event is longer than the limit")

// Event is one block of a stream, up to and with the blank line that ends it.
// Its bytes are good until the next call of Next, Flush or Feed.
type Event struct {
	// Raw is every byte of the block, in order: all the Raws of a stream,
	// joined, are the stream.
	Raw []byte
	// Type is the value of its event field, empty where there is none.
	Type []byte
	// Data is the value of its data fields. It is nil where there are none, as
	// in a block of comments, which receivers ignore.
	Data []byte
}

// Splitter takes a stream in pieces cut anywhere and gives out events. The zero
// Splitter is ready. It is used as
//
//	s.Feed(piece)
//	for s.Next(&event) { ... }
//	if s.Err() != nil { ... }
//
// and at the end of the stream Flush gives what is left.
type Splitter struct {
	// Limit is the most bytes that an event may have, 0 for EventLimit. A
	// longer one ends the stream, so a stream cannot fill the memory.
	Limit int

	in      []byte // not given out yet; a piece that was fed, or held
	at      int    // in is looked through up to here
	line    int    // the start of the line that at is in
	cr      bool   // the byte before at is a CR, which an LF may belong to
	ended   bool   // a blank line was seen that ended with that CR
	started bool   // the first event is through, a byte order mark with it
	held    []byte // the buffer for the start of an event whose end is not here yet
	joined  []byte // the buffer for data of several lines
	err     error
}

// Feed hands over the next piece of the stream. Next must have returned false
// before, and piece must stay as it is until Next returns false again.
func (s *Splitter) Feed(piece []byte) {
	if len(s.in) == 0 {
		s.in = piece
		return
	}
	s.held = append(s.held, piece...)
	s.in = s.held
}

// Err is ErrTooLong once an event was too long. Nothing comes after it.
func (s *Splitter) Err() error { return s.err }

// Next sets e to the next whole event and tells whether there was one.
//
// Where a blank line ends in CR at the very end of what was fed, the event
// waits for the next byte: it may be the LF that belongs to it.
func (s *Splitter) Next(e *Event) bool {
	if s.err != nil {
		return false
	}
	end := s.scan()
	limit := s.Limit
	if limit <= 0 {
		limit = EventLimit
	}
	if end > limit || end < 0 && len(s.in) > limit {
		s.err, s.in, s.held, s.joined = ErrTooLong, nil, nil, nil
		return false
	}
	if end < 0 {
		s.hold()
		return false
	}
	s.give(e, end)
	return true
}

// Flush gives what is left at the end of the stream: a last event, or the part
// of one that came before the stream was cut off. Receivers drop such a part,
// but it may hold a terminator whose blank line somebody forgot.
func (s *Splitter) Flush(e *Event) bool {
	if s.err != nil || len(s.in) == 0 {
		return false
	}
	s.give(e, len(s.in))
	return true
}

// scan returns the length of the event that in starts with, or -1 where its
// end is not here yet.
func (s *Splitter) scan() int {
	for s.at < len(s.in) {
		if s.cr {
			s.cr = false
			if s.in[s.at] == '\n' {
				s.at++
			}
			s.line = s.at
			if s.ended {
				s.ended = false
				return s.at
			}
			continue
		}
		rest := s.in[s.at:]
		n := bytes.IndexByte(rest, '\n')
		if n >= 0 {
			rest = rest[:n]
		}
		if cr := bytes.IndexByte(rest, '\r'); cr >= 0 {
			n, s.cr = cr, true
		}
		if n < 0 {
			s.at = len(s.in)
			return -1
		}
		line := s.in[s.line : s.at+n]
		s.at += n + 1
		blank := len(line) == 0 || !s.started && s.line == 0 && string(line) == bom
		s.line = s.at
		if blank {
			if !s.cr {
				return s.at
			}
			s.ended = true
		}
	}
	return -1
}

// hold keeps the start of an event until its end comes.
func (s *Splitter) hold() {
	if len(s.in) == 0 {
		if s.in = nil; cap(s.held) > keep {
			s.held = nil
		}
		return
	}
	if len(s.held) > 0 && &s.in[0] == &s.held[0] {
		return
	}
	// in is a piece of the caller's, or the tail of held itself.
	s.held = append(s.held[:0], s.in...)
	s.in = s.held
}

// give cuts the first n bytes off and reads their fields.
func (s *Splitter) give(e *Event, n int) {
	raw := s.in[:n]
	s.in = s.in[n:]
	s.at, s.line, s.cr, s.ended = 0, 0, false, false
	*e = Event{Raw: raw}
	if !s.started {
		raw = bytes.TrimPrefix(raw, []byte(bom))
		s.started = true
	}
	lines := 0
	for len(raw) > 0 {
		var line []byte
		line, raw = cutLine(raw)
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		switch string(name) {
		case "event":
			e.Type = value
		case "data":
			switch lines++; lines {
			case 1:
				e.Data = value
				if value == nil {
					e.Data = line[len(line):]
				}
			case 2:
				s.joined = append(s.joined[:0], e.Data...)
				fallthrough
			default:
				s.joined = append(append(s.joined, '\n'), value...)
				e.Data = s.joined
			}
		}
	}
	if cap(s.joined) > keep && lines < 2 {
		s.joined = nil
	}
}

// cutLine cuts the first line off raw, without the end of line.
func cutLine(raw []byte) (line, rest []byte) {
	n := bytes.IndexByte(raw, '\n')
	if n >= 0 {
		line, rest = raw[:n], raw[n+1:]
	} else {
		line = raw
	}
	if cr := bytes.IndexByte(line, '\r'); cr >= 0 {
		if cr == len(line)-1 && n >= 0 {
			return line[:cr], rest
		}
		return raw[:cr], raw[cr+1:]
	}
	return line, rest
}
