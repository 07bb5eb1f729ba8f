package upstream

import (
	"bytes"
	"net/http"

	"github.com/smart-ai-router/smartrouter/core/wire"
	"github.com/smart-ai-router/smartrouter/core/wire/openai"
	"github.com/smart-ai-router/smartrouter/core/wire/rawjson"
	"github.com/smart-ai-router/smartrouter/core/wire/sse"
)

// through decides how the stream's events reach the client. In OpenAI's own
// format, the hub's, they need no translation even to be compared.
func (s *stream) through() {
	client := s.f.call.format()
	native := client == openai.Format
	switch {
	case !s.translated && (native || s.transcript == nil):
		return
	case !s.translated && s.resume == nil:
		s.shadow = true
	}
	q := s.f.question // nil where the target got the client's own bytes
	s.reader = s.to.Out.Reader(q)
	s.hub.Now = s.f.watch.begun.Unix()
	s.hub.ID, s.hub.Model = s.names()
	if q != nil && s.to.EmulatesCustom(q) {
		s.hub.Customs = q.Customs()
	}
	if s.to.Out.Split != nil {
		s.cut = s.to.Out.Split()
	}
	if s.writer = s.f.writer; s.writer == nil {
		s.writer = client.In.Writer(s.f.call.Request)
	}
}

// hubbed tells whether events are the hub's by the time they are looked at.
func (s *stream) hubbed() bool { return s.reader != nil && !s.shadow }

func (s *stream) feed(piece []byte) {
	if s.cut != nil {
		s.cut.Feed(piece)
		return
	}
	s.split.Feed(piece)
}

func (s *stream) next(e *sse.Event) bool {
	if s.cut != nil {
		return s.cut.Next(e)
	}
	return s.split.Next(e)
}

// unsplit is why the stream can't be cut into events; nil: it can.
func (s *stream) unsplit() *failure {
	err := s.split.Err()
	if s.cut != nil {
		err = s.cut.Err()
	}
	switch {
	case err == nil:
		return nil
	case s.cut != nil:
		return unexpected("%v", err)
	}
	return unexpected("an event is longer than %d bytes", sse.EventLimit)
}

// read takes in an event of the upstream's.
func (s *stream) read(e *sse.Event) (v verdict, over bool) {
	if !s.hubbed() || e.Data == nil {
		return s.event(e)
	}
	if s.ending || len(bytes.TrimSpace(e.Data)) == 0 {
		return elsewhere, false
	}
	if !isDone(e) && !rawjson.Valid(e.Data) {
		return s.broken(unexpected("an event is no JSON")), true
	}
	s.hub.Reset()
	if err := s.reader.Event(&s.hub, e); err != nil {
		return s.broken(unexpected("%v", err)), true
	}
	var h sse.Event
	any := false
	for s.hub.Next(&h) {
		any = true
		if v, over = s.event(&h); over {
			return v, true
		}
	}
	if !any && s.committed && !s.ending {
		s.f.watch.touch() // a ping is a sign of life too
	}
	return elsewhere, false
}

func isDone(e *sse.Event) bool {
	return bytes.HasPrefix(bytes.TrimLeft(e.Data, " "), []byte("[DONE]"))
}

// put appends what the client gets for an event.
func (s *stream) put(e *sse.Event) *failure {
	if !s.hubbed() {
		s.out = append(s.out, e.Raw...)
		return nil
	}
	var err error
	if s.out, err = s.writer.Event(s.out, e); err != nil {
		return unexpected("%v", err)
	}
	return nil
}

// note keeps the transcript of what the client has.
func (s *stream) note(e *sse.Event) {
	if !s.shadow {
		s.transcript.Add(e)
		return
	}
	s.hub.Reset()
	if s.reader.Event(&s.hub, e) != nil {
		return // then it breaks off, or can't be rescued
	}
	var h sse.Event
	for s.hub.Next(&h) {
		s.transcript.Add(&h)
		s.resumed, _ = s.writer.Event(s.resumed[:0], &h) // only its state counts
	}
}

// handOver makes the stream's writer the client's: what comes after, be it
// another stream, goes on with it.
func (s *stream) handOver() {
	if s.writer != nil {
		s.f.writer = s.writer
		s.f.client.mu.Lock()
		s.f.client.writer = s.writer
		s.f.client.mu.Unlock()
	}
}

// goOnWith gives an event to the rescue, and the client what comes of it.
func (s *stream) goOnWith(e *sse.Event) (more bool, err error) {
	if !s.hubbed() {
		known := len(s.out)
		s.out, err = s.resume.Event(s.out, e)
		return len(s.out) > known, err
	}
	if s.resumed, err = s.resume.Event(s.resumed[:0], e); err != nil {
		return false, err
	}
	var split sse.Splitter
	var h sse.Event
	split.Feed(s.resumed)
	for split.Next(&h) {
		if s.out, err = s.writer.Event(s.out, &h); err != nil {
			return false, err
		}
	}
	return len(s.resumed) > 0, nil
}

// count notes the usage that an event tells.
func (s *stream) count(e *sse.Event) {
	if s.hubbed() {
		s.usage = openai.ReadUsage(e)
	} else {
		s.to.Usage(e, &s.usage)
	}
	s.f.out.Usage = s.usage
}

// judgeEvent says what an error means that came as an event.
func (s *stream) judgeEvent(body []byte) *failure {
	read := failureReader(s.to.Failure)
	if s.hubbed() {
		read = openai.ReadError
	}
	said := read(http.StatusOK, nil, body)
	return judgeError(read, s.answer.Header, body, &said.Error)
}

// flush takes in what is left at the end of the body, and ends the hub's stream
// where its upstream's ends without a terminator.
func (s *stream) flush() (v verdict, over bool) {
	var e sse.Event
	if s.cut != nil {
		for s.cut.Flush(&e) {
			if v, over = s.read(&e); over {
				return v, true
			}
		}
		if err := s.unsplit(); err != nil {
			return s.broken(err), true
		}
	}
	switch {
	case s.cut != nil || !s.split.Flush(&e) || e.Data == nil:
	case s.hubbed():
		if isDone(&e) || rawjson.Valid(e.Data) {
			if v, over = s.read(&e); over {
				return v, true
			}
		}
	case s.classify(&e, false).Is(wire.Done | wire.Finished):
		// Somebody forgot the blank line behind the last event.
		if v, over = s.event(&e); over {
			return v, true
		}
		s.out = append(s.out, "\n\n"...)
	}
	if s.hubbed() && s.progress.Seen.Is(wire.Finished) && !s.progress.Seen.Is(wire.Done|wire.Failed) {
		return s.event(&sse.Event{Raw: []byte("data: [DONE]\n\n"), Data: []byte("[DONE]")})
	}
	return elsewhere, false
}
