package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// stream writes server-sent events. After an error it writes nothing more.
type stream struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	err error
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, c: http.NewResponseController(w)}
}

// event sends one; the name may be empty.
func (s *stream) event(name string, body any) {
	b, err := json.Marshal(body)
	if s.err == nil {
		s.err = err
	}
	if s.err != nil {
		return
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	s.write(name + "data: " + string(b) + "\n\n")
}

// done ends a stream of OpenAI's older form.
func (s *stream) done() {
	if s.err == nil {
		s.write("data: [DONE]\n\n")
	}
}

func (s *stream) write(text string) {
	if s.err = s.c.SetWriteDeadline(time.Now().Add(writeTimeout)); s.err != nil {
		return
	}
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.c.Flush()
	}
}

// ok reports whether there is still somebody to write to.
func (s *stream) ok() bool { return s.err == nil }

// pause waits as long as a model takes for a word; false: the client left.
func (s *server) pause(ctx context.Context, m model) bool {
	wait := time.Duration(float64(s.delay) * m.pace)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
