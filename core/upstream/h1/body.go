package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// framed is what tells where a body ends.
type framed uint8

const (
	byLength framed = iota
	byChunks
	byClose
)

// body is an answer's.
type body struct {
	k      *conn // nil: it has ended
	err    error // how
	framed framed
	length int64 // of all; -1: not known
	left   int64 // of all, or of the present chunk
	next   part  // of chunks: what follows what is left
	excess int64 // of chunks: framing so far, beyond what is reasonable
}

// part is a piece of what chunks are made of.
type part uint8

const (
	chunkSize part = iota
	chunkEnd
	chunkTrailer
)

const (
	// A chunk's first line and the trailer are at most so long, in bytes.
	maxChunkLine = 1 << 10
	maxTrailer   = 4<<10 - 2
	// Beyond some bytes for each chunk and one for each byte of data, at most
	// this much of a chunked body may be framing.
	maxExcess = 16 << 10
)

var errClosed = errors.New("the answer's body is closed")

func (b *body) begin(k *conn, h *head, headOnly bool) {
	b.k, b.length = k, h.length
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
	var n int
	var err error
	switch b.framed {
	case byChunks:
		n, err = b.readChunks(p)
	case byLength:
		n, err = b.readPart(p)
		if err == nil && b.left == 0 {
			err = io.EOF
		}
	default:
		n, err = b.readOn(p)
	}
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

// isHere tells whether what is not read yet has come, and skips it.
func (b *body) isHere() bool {
	k := b.k
	for b.framed != byClose {
		here := min(b.left, int64(k.at-k.start))
		k.start += int(here)
		if b.left -= here; b.left > 0 {
			return false
		}
		if b.framed == byLength {
			return true
		}
		if ok, err := b.chunk(); !ok || err != nil {
			return errors.Is(err, io.EOF)
		}
	}
	return false
}

// readOn reads what comes.
func (b *body) readOn(p []byte) (int, error) {
	k := b.k
	if k.start == k.at {
		if len(p) >= inputSize || b.framed == byLength && int64(len(p)) == b.left {
			return k.read(p)
		}
		if err := k.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, k.buffered())
	k.start += n
	return n, nil
}

// readPart reads of what is left of the body or of the chunk.
func (b *body) readPart(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.readOn(p)
	b.left -= int64(n)
	return n, cut(err)
}

// cut makes the end of a connection one that came too soon.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readChunks reads of as many chunks as have come.
func (b *body) readChunks(p []byte) (n int, err error) {
	k := b.k
	for {
		for b.left > 0 {
			if n == len(p) || n > 0 && k.start == k.at {
				return n, nil
			}
			if k.start == k.at && b.left < inputSize {
				// With what frames it, in one read.
				if err := k.fill(); err != nil {
					return n, cut(err)
				}
			}
			m, err := b.readPart(p[n:])
			n += m
			if err != nil {
				return n, err
			}
		}
		ok, err := b.chunk()
		switch {
		case err != nil:
			return n, err
		case ok:
		case n > 0:
			return n, nil
		default:
			if err := k.fill(); err != nil {
				return n, cut(err)
			}
		}
	}
}

// chunk takes the next part of the framing from what has come. It is not ok
// where more of it has to come first; io.EOF is the end of the body.
func (b *body) chunk() (ok bool, err error) {
	k := b.k
	have := k.buffered()
	switch b.next {
	case chunkEnd:
		if len(have) < 2 {
			return false, nil
		}
		if have[0] != '\r' || have[1] != '\n' {
			return false, malformed("a chunk is longer than it says")
		}
		k.start += 2
		b.next = chunkSize
	case chunkSize:
		i := bytes.IndexByte(have[:min(len(have), maxChunkLine)], '\n')
		if i < 0 {
			if len(have) >= maxChunkLine {
				return false, malformed("a chunk's first line is longer than %d bytes", maxChunkLine)
			}
			return false, nil
		}
		if b.left, err = sizeOf(have[:i]); err != nil {
			return false, err
		}
		if b.excess = max(0, b.excess+int64(i+1)+2-16-2*min(b.left, maxExcess)); b.excess > maxExcess {
			return false, malformed("more framing than data in its chunks")
		}
		k.start += i + 1
		b.next = chunkEnd
		if b.left == 0 {
			b.next = chunkTrailer
		}
	default:
		return b.trailer(have)
	}
	return true, nil
}

// sizeOf reads a chunk's first line, which is without its line feed here.
func sizeOf(line []byte) (int64, error) {
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return 0, malformed("a chunk's first line ends without a carriage return")
	}
	line = line[:len(line)-1]
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		for _, c := range line[i:] {
			if c < ' ' && c != '\t' || c == 0x7f {
				return 0, malformed("a control character in a chunk's extension")
			}
		}
		line = line[:i]
	} else {
		line = bytes.TrimRight(line, " \t") // some servers fill up
	}
	const digits = 15 // fit into an int64
	if len(line) == 0 || len(line) > digits {
		return 0, malformed("a chunk's size of %d digits", len(line))
	}
	var n int64
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, malformed("a chunk's size is no number")
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}

// trailer skips the fields behind the last chunk.
func (b *body) trailer(have []byte) (ok bool, err error) {
	if len(have) < 2 {
		return false, nil
	}
	if have[0] == '\r' && have[1] == '\n' {
		b.k.start += 2
		return true, io.EOF
	}
	end := bytes.Index(have[:min(len(have), maxTrailer)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(have) >= maxTrailer {
			return false, malformed("its trailer is longer than %d bytes", maxTrailer)
		}
		return false, nil
	}
	for line := range bytes.SplitSeq(have[:end], []byte("\r\n")) {
		if _, _, err := field(string(line)); err != nil {
			return false, err
		}
	}
	b.k.start += end + 4
	return true, io.EOF
}
