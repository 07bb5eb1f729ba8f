package h1

import (
	"bytes"
	"errors"
	"io"
)

// framed is what tells where a body ends.
type framed uint8

const (
	byLength framed = iota
	byChunks
	byClose
)

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

// frames is a body as it is framed: all that comes, so many bytes, or chunks.
type frames struct {
	in     *input
	from   reader
	framed framed
	left   int64 // of all, or of the present chunk
	next   part  // of chunks: what follows what is left
	excess int64 // of chunks: framing so far, beyond what is reasonable
}

// readFrames reads of the body. The error is io.EOF at its end, also beside
// the last bytes, and io.ErrUnexpectedEOF where the connection ends before.
// What ends with its connection has no other end.
func (f *frames) readFrames(p []byte) (int, error) {
	switch f.framed {
	case byChunks:
		return f.readChunks(p)
	case byLength:
		n, err := f.readPart(p)
		if err == nil && f.left == 0 {
			err = io.EOF
		}
		return n, err
	default:
		return f.readOn(p)
	}
}

// isHere tells whether what is not read yet has come, and skips it.
func (f *frames) isHere() bool {
	for f.framed != byClose {
		here := min(f.left, int64(f.in.at-f.in.start))
		f.in.start += int(here)
		if f.left -= here; f.left > 0 {
			return false
		}
		if f.framed == byLength {
			return true
		}
		if ok, err := f.chunk(); !ok || err != nil {
			return errors.Is(err, io.EOF)
		}
	}
	return false
}

// readOn reads what comes.
func (f *frames) readOn(p []byte) (int, error) {
	if f.in.empty() {
		if len(p) >= inputSize || f.framed == byLength && int64(len(p)) == f.left {
			return f.from.read(p)
		}
		if err := f.in.fill(f.from); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.in.buffered())
	f.in.start += n
	return n, nil
}

// readPart reads of what is left of the body or of the chunk.
func (f *frames) readPart(p []byte) (int, error) {
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := f.readOn(p)
	f.left -= int64(n)
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
func (f *frames) readChunks(p []byte) (n int, err error) {
	for {
		for f.left > 0 {
			if n == len(p) || n > 0 && f.in.empty() {
				return n, nil
			}
			if f.in.empty() && f.left < inputSize {
				// With what frames it, in one read.
				if err := f.in.fill(f.from); err != nil {
					return n, cut(err)
				}
			}
			m, err := f.readPart(p[n:])
			n += m
			if err != nil {
				return n, err
			}
		}
		ok, err := f.chunk()
		switch {
		case err != nil:
			return n, err
		case ok:
		case n > 0:
			return n, nil
		default:
			if err := f.in.fill(f.from); err != nil {
				return n, cut(err)
			}
		}
	}
}

// chunk takes the next part of the framing from what has come. It is not ok
// where more of it has to come first; io.EOF is the end of the body.
func (f *frames) chunk() (ok bool, err error) {
	have := f.in.buffered()
	switch f.next {
	case chunkEnd:
		if len(have) < 2 {
			return false, nil
		}
		if have[0] != '\r' || have[1] != '\n' {
			return false, malformed("a chunk is longer than it says")
		}
		f.in.start += 2
		f.next = chunkSize
	case chunkSize:
		i := bytes.IndexByte(have[:min(len(have), maxChunkLine)], '\n')
		if i < 0 {
			if len(have) >= maxChunkLine {
				return false, malformed("a chunk's first line is longer than %d bytes", maxChunkLine)
			}
			return false, nil
		}
		if f.left, err = sizeOf(have[:i]); err != nil {
			return false, err
		}
		if f.excess = max(0, f.excess+int64(i+1)+2-16-2*min(f.left, maxExcess)); f.excess > maxExcess {
			return false, malformed("more framing than data in its chunks")
		}
		f.in.start += i + 1
		f.next = chunkEnd
		if f.left == 0 {
			f.next = chunkTrailer
		}
	default:
		return f.trailer(have)
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
func (f *frames) trailer(have []byte) (ok bool, err error) {
	if len(have) < 2 {
		return false, nil
	}
	if have[0] == '\r' && have[1] == '\n' {
		f.in.start += 2
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
	f.in.start += end + 4
	return true, io.EOF
}
