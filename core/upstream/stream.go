package upstream

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

const (
	// maxHeld bounds what comes before the first content, in bytes.
	maxHeld = sse.EventLimit
	// drainWait is how long the end of a body is waited for once its last
	// event is there, so that the connection can be used again.
	drainWait = 250 * time.Millisecond
	// writeAt is how much is collected of one read before it is written, in bytes.
	writeAt = 64 << 10
)

// stream is an answer of events on its way to the client. Its bytes stay as
// they are; only whole events are handed on, so that nothing is torn when the
// upstream dies within one.
type stream struct {
	*attempt
	split     sse.Splitter
	progress  wire.Progress
	out       []byte // whole events that the client has not got
	committed bool
	ending    bool // the last event was seen
	kept      []byte
	keep      bool
}

// stream hands events on until they end.
func (a *attempt) stream() verdict {
	piece, out := takeBuffer(), takeBuffer()
	defer giveBuffer(piece)
	s := stream{attempt: a, out: *out, keep: a.f.call.Capture > 0}
	v := s.run((*piece)[:cap(*piece)])
	*out = s.out
	giveBuffer(out)
	return v
}

func (s *stream) run(piece []byte) verdict {
	for {
		n, err := s.answer.Body.Read(piece)
		if n > 0 {
			s.split.Feed(piece[:n])
			if v, over := s.events(); over {
				return v
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return s.end(nil)
		default:
			return s.end(err)
		}
	}
}

// events looks at what was fed. It is over where the stream is.
func (s *stream) events() (v verdict, over bool) {
	var e sse.Event
	for s.split.Next(&e) {
		if v, over = s.event(&e); over {
			return v, true
		}
	}
	if err := s.split.Err(); err != nil {
		return s.broken(unexpected("an event is longer than %d bytes", sse.EventLimit)), true
	}
	if s.committed && !s.send() {
		return s.leave(s.progress.Events), true
	}
	return elsewhere, false
}

// event takes one event in.
func (s *stream) event(e *sse.Event) (v verdict, over bool) {
	if e.Data == nil {
		// A comment is no sign of life of the model.
		s.out = append(s.out, e.Raw...)
		return s.held()
	}
	class := openai.Classify(s.f.call.Endpoint, e)
	if class.Is(wire.Failed) && !s.committed {
		body := append([]byte(nil), e.Data...)
		why := judgeError(s.answer.Header, body, errorOf(body))
		if why.ours {
			return s.passOn(why, body, true), true
		}
		return s.fail(why, 0), true
	}
	s.progress.Add(class)
	if s.id == "" && s.f.call.Keeper != nil && !s.committed {
		s.id = openai.ReadID(e.Data)
	}
	if class.Is(wire.HasUsage) {
		s.f.out.Usage = openai.ReadUsage(e)
	}
	s.out = append(s.out, e.Raw...)
	if !s.committed && (class.Content() || class.Is(wire.Finished)) {
		s.committed = true
		s.first()
		s.commit(-1, asEvents)
		s.f.watch.limit(s.target.Channel.Config.Timeouts.Idle, errIdle, s.cancel)
		s.f.watch.wake()
	}
	if !s.committed {
		return s.held()
	}
	switch {
	case s.ending:
	case class.Is(wire.Done | wire.Failed):
		s.ending = true
		s.f.watch.limit(drainWait, errDrain, s.cancel)
	default:
		s.f.watch.touch()
	}
	if len(s.out) >= writeAt && !s.send() {
		return s.leave(s.progress.Events), true
	}
	return elsewhere, false
}

// held ends a stream that has no content but a lot of everything else.
func (s *stream) held() (v verdict, over bool) {
	if s.committed || len(s.out) <= maxHeld {
		return elsewhere, false
	}
	return s.fail(unexpected("%d bytes without any content", len(s.out)), 0), true
}

// send hands on what is there, and remembers it for the cache. It is false once
// the client has gone.
func (s *stream) send() bool {
	if len(s.out) == 0 {
		return true
	}
	ok := s.f.client.write(s.out, true)
	if s.keep {
		if int64(len(s.kept)+len(s.out)) <= s.f.call.Capture {
			s.kept = append(s.kept, s.out...)
		} else {
			s.kept, s.keep = nil, false
		}
	}
	if cap(s.out) > writeAt*2 {
		s.out = nil
	}
	s.out = s.out[:0]
	return ok
}

// end deals with the end of the body, be it clean or not.
func (s *stream) end(err error) verdict {
	var e sse.Event
	if s.split.Flush(&e) && e.Data != nil {
		class := openai.Classify(s.f.call.Endpoint, &e)
		if class.Is(wire.Done | wire.Finished) {
			// Somebody forgot the blank line behind the last event.
			if v, over := s.event(&e); over {
				return v
			}
			s.out = append(s.out, "\n\n"...)
		}
	}
	if s.progress.Seen.Is(wire.Failed) {
		// The upstream has said itself what went wrong, and the client has it.
		s.send()
		s.f.out.Err = openai.Fault(http.StatusBadGateway, "The upstream failed in the middle of its answer.")
		return s.ended(unexpected("an error in the middle of the stream"))
	}
	if !s.committed || s.progress.Truncated() {
		why := unexpected("the stream ended before the answer did")
		switch {
		case err != nil:
			why = s.judgeBody(err)
		case !s.committed:
			why = unexpected("the stream ended without any content")
		}
		return s.broken(why)
	}
	if !s.send() {
		return s.leave(s.progress.Events)
	}
	if s.keep && (err == nil || s.progress.Seen.Is(wire.Done)) {
		s.capture(s.kept)
	}
	return s.succeed(s.record.TTFT)
}

// broken ends a stream that was cut off. What the client has can't be taken
// back: it is told, in a way that no one can take for the end of an answer.
func (s *stream) broken(why *failure) verdict {
	if !s.committed {
		return s.fail(why, 0)
	}
	s.send()
	if s.parent.Err() != nil {
		return s.leave(s.progress.Events)
	}
	v := s.ended(why)
	if s.f.out.Err == nil {
		s.f.out.Err = brokeOff
		if why.class == board.Timeout {
			s.f.out.Err = openai.Fault(http.StatusGatewayTimeout, "The upstream fell silent in the middle of its answer.")
		}
		s.f.client.fault(s.f.out.Err, s.progress.Events)
	}
	return v
}

// ended tells the board of a stream that failed after the commit.
func (s *stream) ended(why *failure) verdict {
	s.fail(why, s.progress.Events)
	return final
}

// errorOf reads the error out of an event's data.
func errorOf(data []byte) *wire.Error {
	f := openai.ReadError(http.StatusOK, nil, data)
	return &f.Error
}
