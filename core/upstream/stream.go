package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/board"
	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/hub"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
	"github.com/smart-ai-router/smartrouter/sdk"
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
// they are where the client speaks its format; only whole events are handed on, so that nothing is torn when the
// upstream dies within one.
type stream struct {
	*attempt
	split     sse.Splitter
	progress  wire.Progress
	out       []byte // whole events that the client has not got
	committed bool   // what comes now is the client's
	caughtUp  bool   // it has repeated what the client knows
	ending    bool   // the last event was seen
	pieces    int64  // of content
	again     openai.Again
	kept      []byte
	keep      bool
	// transcript is of what the client has got; nil: the stream is not rescued.
	transcript *openai.Transcript

	// Where the stream goes through the hub, reader makes its events and writer
	// the client's; cut is of a framing of its own.
	reader  hub.Reader
	writer  hub.Writer
	hub     hub.Events
	cut     hub.Splitter
	resumed []byte // events of the hub that the writer gets
	// shadow: the client gets the upstream's bytes, and both halves only follow
	// what it has, for the sake of a rescue.
	shadow bool
	usage  wire.Usage
}

// stream hands events on until they end.
func (a *attempt) stream() verdict {
	piece, out := takeBuffer(), takeBuffer()
	defer giveBuffer(piece)
	s := stream{attempt: a, out: *out, keep: a.f.call.Capture > 0 && a.resume == nil}
	if a.resume != nil {
		s.transcript = a.f.rescue.transcript
	} else {
		s.transcript = a.f.watched()
	}
	s.through()
	v := s.run((*piece)[:cap(*piece)])
	*out = s.out
	giveBuffer(out)
	return v
}

func (s *stream) run(piece []byte) verdict {
	for {
		n, err := s.answer.Body.Read(piece)
		if n > 0 {
			s.feed(piece[:n])
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
	for s.next(&e) {
		if v, over = s.read(&e); over {
			return v, true
		}
	}
	if err := s.unsplit(); err != nil {
		return s.broken(err), true
	}
	if s.committed && !s.send() {
		return s.leave(s.progress.Events), true
	}
	return elsewhere, false
}

// event takes one event in.
func (s *stream) event(e *sse.Event) (v verdict, over bool) {
	if s.ending {
		return elsewhere, false // nothing follows the terminator, least of all a second one
	}
	if e.Data == nil {
		// A comment is no sign of life of the model.
		if s.resume != nil && !s.committed {
			return elsewhere, false
		}
		s.out = append(s.out, e.Raw...)
		return s.held()
	}
	class := wire.Text
	if !s.again.Is(e) {
		class = s.classify(e, s.hubbed())
		switch {
		case len(bytes.TrimSpace(e.Data)) == 0:
			return elsewhere, false // clients would read it as JSON
		case !s.hubbed() && !isDone(e) && !rawjson.Valid(e.Data):
			return s.broken(unexpected("an event is no JSON")), true
		case class.Is(wire.Failed):
			if v, over = s.failure(e); over {
				return v, true
			}
		}
		if s.to == openai.Format && s.f.call.Endpoint == sdk.Chat {
			s.again.Learn(e, class)
		}
	}
	s.progress.Add(class)
	if class.Content() {
		s.pieces++
	}
	if s.id == "" && s.f.call.Keeper != nil && !s.committed && !s.hubbed() {
		s.id = openai.ReadID(e.Data)
	}
	if class.Is(wire.HasUsage) {
		s.count(e)
		if !s.hubbed() && class.Is(wire.UsageOnly) && s.f.call.Rules.AskUsage && !s.f.call.Request.Usage {
			s.f.watch.touch()
			return elsewhere, false // only we have asked for it
		}
	}
	if s.resume != nil {
		if v, over = s.goOn(e, class); over || !s.committed {
			return v, over
		}
	} else {
		if why := s.put(e); why != nil {
			return s.broken(why), true
		}
		if s.transcript != nil {
			s.note(e)
		}
		if !s.committed && (class.Content() || class.Is(wire.Finished)) {
			s.committed = true
			s.first()
			s.handOver()
			s.commit(-1, asEvents)
			s.f.watch.limit(s.target.Channel.Config.Timeouts.Idle, errIdle, &s.scope)
			s.f.watch.wake()
		}
		if !s.committed {
			return s.held()
		}
	}
	if class.Is(wire.Done | wire.Failed) {
		s.ending = true
		s.f.watch.limit(drainWait, errDrain, &s.scope)
	} else {
		s.f.watch.touch()
	}
	if len(s.out) >= writeAt && !s.send() {
		return s.leave(s.progress.Events), true
	}
	return elsewhere, false
}

// failure deals with an error in the place of an event. It is over unless the
// client gets it as it is.
func (s *stream) failure(e *sse.Event) (v verdict, over bool) {
	body := append([]byte(nil), e.Data...)
	why := s.judgeEvent(body)
	switch {
	case !s.committed && why.ours:
		return s.passOn(why, body, true), true
	case !s.committed || s.transcript != nil && !why.ours:
		return s.broken(why), true
	}
	return elsewhere, false
}

// goOn takes in an event of a stream that goes on with another's. Until it has
// repeated what the client knows, the client gets nothing of it.
func (s *stream) goOn(e *sse.Event, class wire.Class) (v verdict, over bool) {
	if s.record.TTFT == 0 && class.Content() {
		s.record.TTFT = time.Since(s.begun)
	}
	more, err := s.goOnWith(e)
	if err != nil {
		return s.differs(err), true
	}
	if !s.caughtUp && s.resume.CaughtUp() && (class.Content() || class.Is(wire.Finished)) {
		s.caughtUp = true
		s.f.watch.limit(s.target.Channel.Config.Timeouts.Idle, errIdle, &s.scope)
	}
	// Only who says more than the client knows has rescued anything: one that
	// breaks off at the same place would do so for ever.
	if !s.committed && s.caughtUp && more {
		s.committed = true
		s.f.out.Rescued = true
		s.f.d.observer.Rescue(Rescued)
	}
	return elsewhere, false
}

// differs ends a stream that is no repetition of the one that broke off. That
// is no failure of its target, unless it goes wrong later.
func (s *stream) differs(err error) verdict {
	if s.committed {
		return s.broken(unexpected("%v", err))
	}
	s.over(board.None, err.Error())
	s.f.d.board.Fail(s.target, board.Failure{Class: board.None, Reason: s.record.Reason})
	s.f.rescue.differ = true
	s.spend()
	return elsewhere
}

// spend counts a stream whose content is not the answer.
func (s *stream) spend() {
	if r := s.f.rescue; r != nil && s.pieces > 0 {
		r.spent.streams++
		r.spent.pieces += s.pieces
	}
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
	if v, over := s.flush(); over {
		return v
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
		s.capture(s.kept, asEvents)
	}
	if r := s.f.rescue; r != nil {
		s.f.out.Usage = r.spent.onto(s.f.out.Usage)
	}
	return s.succeed(s.record.TTFT)
}

// broken ends a stream that was cut off. What the client has can't be taken
// back: another target goes on with it, or the client is told, in a way that no
// one can take for the end of an answer.
func (s *stream) broken(why *failure) verdict {
	if !s.committed {
		v := s.fail(why, 0)
		s.spend()
		return v
	}
	if !s.send() || s.parent.Err() != nil {
		return s.leave(s.progress.Events)
	}
	if v := s.fail(why, s.progress.Events); v == final {
		return v // the client left at the same moment
	}
	told := brokeOff
	switch {
	case why.class == board.Timeout:
		told = openai.Fault(http.StatusGatewayTimeout, "The upstream fell silent in the middle of its answer.")
	case why.err.Message != "":
		told = openai.Fault(http.StatusBadGateway, "The upstream failed in the middle of its answer. It says: "+shorten(why.err.Message, 300))
	}
	v := s.brokeOff(why, told)
	s.spend()
	return v
}

// ended tells the board of a stream that failed after the commit.
func (s *stream) ended(why *failure) verdict {
	s.fail(why, s.progress.Events)
	return final
}
