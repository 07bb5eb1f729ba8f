package h1

import (
	"errors"
	"io"
	"net/http"
)

// body is an answer's.
type body struct {
	k      *conn // nil: it has ended
	err    error // how
	length int64 // of all; -1: not known
	frames
}

var errClosed = errors.New("the answer's body is closed")

func (b *body) begin(k *conn, h *head, headOnly bool) {
	b.k, b.length = k, h.length
	b.frames = frames{in: &k.in, from: k}
	k.tainted = k.tainted || !h.keep
	switch {
	case headOnly:
	case h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		b.length = 0
		// A body that must not be there may be there nevertheless.
		k.tainted = k.tainted || h.chunked || h.status == http.StatusNoContent && h.length > 0
	case h.chunked:
		b.framed = byChunks
		return
	case h.length < 0:
		b.framed = byClose
		k.tainted = true
		return
	default:
		b.left = h.length
	}
	if b.left == 0 {
		b.end(io.EOF)
	}
}

// end notes how the body ended, and gives the connection back.
func (b *body) end(err error) {
	k := b.k
	b.k = nil
	if errors.Is(err, io.EOF) {
		b.err = io.EOF
		k.release()
		return
	}
	b.err = k.failed(err)
	k.close()
}

func (b *body) Read(p []byte) (int, error) {
	if b.k == nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.readFrames(p)
	if err == nil {
		return n, nil
	}
	b.end(err)
	if n > 0 && b.err != io.EOF { //nolint:errorlint // set to it by end
		return n, nil // the error is for the next time
	}
	return n, b.err
}

// Close ends the body. Its connection serves again only if the whole body has
// come, be it unread.
func (b *body) Close() error {
	if b.k == nil {
		if b.err == io.EOF { //nolint:errorlint // set to it by end
			b.err = errClosed
		}
		return nil
	}
	err := errClosed
	if b.isHere() {
		err = io.EOF
	}
	b.end(err)
	b.err = errClosed
	return nil
}
