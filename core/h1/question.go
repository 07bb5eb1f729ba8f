package h1

import (
	"errors"
	"io"
	"net/http"
)

// question is a request's body.
type question struct {
	x      *session
	err    error // how it ended; nil: it has not
	expect bool  // the client waits for a word before it sends it
	closed bool
	frames
}

var (
	errQuestionClosed = http.ErrBodyReadAfterClose
	goOn              = []byte("HTTP/1.1 100 Continue\r\n\r\n")
)

func (q *question) begin(x *session, h *requestHead) {
	q.x = x
	q.frames = frames{in: &x.in, from: x, framed: byLength, left: h.length}
	if h.chunked {
		q.framed, q.left = byChunks, 0
	} else if h.length == 0 {
		q.err = io.EOF
	}
	q.expect = h.expect && q.err == nil
}

func (q *question) ended() bool { return q.err != nil }

// Read is part of io.Reader.
func (q *question) Read(p []byte) (int, error) {
	switch {
	case q.closed:
		return 0, errQuestionClosed
	case q.err != nil:
		return 0, q.err
	case len(p) == 0:
		return 0, nil
	case q.expect:
		q.expect = false
		if q.in.empty() {
			if err := q.x.put(goOn, nil); err != nil {
				q.err = err
				return 0, err
			}
		}
	}
	n, err := q.readFrames(p)
	if err != nil {
		q.err = err
		q.x.asked()
		if n > 0 && !errors.Is(err, io.EOF) {
			err = nil // it is for the next time
		}
	}
	return n, err
}

// Close is part of io.Closer.
func (q *question) Close() error {
	q.closed = true
	return nil
}

// skip goes over what was not read and has come already. It is false where more
// would have to come, or what came is no body: then nothing behind it is one's
// next request.
func (q *question) skip() bool {
	if q.err == nil {
		q.err = errQuestionClosed
		if !q.expect && q.isHere() {
			q.err = io.EOF
		}
	}
	return errors.Is(q.err, io.EOF)
}
