package batch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// kind says what a record of the journal is about.
type kind byte

const (
	kindHead  kind = 'h' // what was asked for: always the first
	kindState kind = 's' // a new status
	kindGood  kind = 'g' // a line that was answered, as it is in the output file
	kindBad   kind = 'b' // a line that failed, as it is in the error file
)

// record is one line of a journal:
//
//	crc32c kind line input,output,cached,reasoning payload\n
//
// with the sum in hex over all that follows it, and the number of the line in
// the input from 1. The payload is JSON on one line.
type record struct {
	kind    kind
	line    int
	usage   wire.Usage
	payload []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of a sum with the space behind it.
const sumLen = 9

func (r *record) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, "00000000 "...)
	dst = append(dst, byte(r.kind), ' ')
	dst = strconv.AppendInt(dst, int64(r.line), 10)
	for i, n := range [...]int64{r.usage.Input, r.usage.Output, r.usage.Cached, r.usage.Reasoning} {
		dst = append(dst, " ,,,"[i])
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, ' ')
	dst = append(dst, r.payload...)
	sum := crc32.Checksum(dst[start+sumLen:], castagnoli)
	copy(dst[start:], fmt.Sprintf("%08x", sum))
	return append(dst, '\n')
}

var errTorn = errors.New("the record is torn")

// parse reads a record without its newline; the payload points into b.
func parse(b []byte) (r record, err error) {
	if len(b) < sumLen || b[sumLen-1] != ' ' {
		return r, errTorn
	}
	sum, err := strconv.ParseUint(string(b[:sumLen-1]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(b[sumLen:], castagnoli) {
		return r, errTorn
	}
	parts := bytes.SplitN(b[sumLen:], []byte(" "), 4)
	if len(parts) != 4 || len(parts[0]) != 1 {
		return r, errTorn
	}
	r.kind, r.payload = kind(parts[0][0]), parts[3]
	if r.line, err = strconv.Atoi(string(parts[1])); err != nil || r.line < 0 {
		return r, errTorn
	}
	counts := bytes.Split(parts[2], []byte(","))
	if len(counts) != 4 {
		return r, errTorn
	}
	for i, to := range [...]*int64{&r.usage.Input, &r.usage.Output, &r.usage.Cached, &r.usage.Reasoning} {
		if *to, err = strconv.ParseInt(string(counts[i]), 10, 64); err != nil || *to < 0 {
			return r, errTorn
		}
	}
	r.usage.Total = r.usage.Input + r.usage.Output
	return r, nil
}

// span is where something stands in a file.
type span struct {
	at int64
	n  int
}

// journal is a file that only grows. A record that add has answered for
// survives the end of the process; sync makes it survive the machine's.
type journal struct {
	path string

	mu    sync.Mutex
	file  *os.File
	end   int64
	dirty bool
	buf   []byte
}

// createJournal makes a journal with its head, durably.
func createJournal(path string, head []byte) error {
	return replace(path, func(w io.Writer) error {
		_, err := w.Write((&record{kind: kindHead, payload: head}).append(nil))
		return err
	})
}

// openJournal reads a journal and tells each of its records, with the place of
// its payload. A torn end is cut off: what it said is not known. The payload is
// valid until each returns.
func openJournal(path string, each func(record, span) error) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, file: f}
	if err := j.read(each); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

func (j *journal) read(each func(record, span) error) error {
	src := bufio.NewReaderSize(j.file, 1<<20)
	var line []byte
	for {
		part, err := src.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return j.cut() // nothing, or a record without its end
		case err != nil:
			return err
		}
		r, err := parse(line[:len(line)-1])
		if err != nil || (j.end == 0) != (r.kind == kindHead) {
			return j.cut()
		}
		at := span{j.end + int64(len(line)-1-len(r.payload)), len(r.payload)}
		if err := each(r, at); err != nil {
			return err
		}
		j.end += int64(len(line))
		line = line[:0]
	}
}

// cut drops what stands behind the last good record.
func (j *journal) cut() error { return j.file.Truncate(j.end) }

// add appends a record. Where that fails the journal is as it was.
func (j *journal) add(r record) (payload span, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf = r.append(j.buf[:0])
	if _, err := j.file.WriteAt(j.buf, j.end); err != nil {
		return span{}, errors.Join(err, j.cut())
	}
	payload = span{j.end + int64(len(j.buf)-1-len(r.payload)), len(r.payload)}
	j.end += int64(len(j.buf))
	j.dirty = true
	if cap(j.buf) > keepBuffer {
		j.buf = nil
	}
	return payload, nil
}

// keepBuffer is how large a journal's buffer may stay, in bytes.
const keepBuffer = 1 << 20

// sync makes all records durable. Records may be added meanwhile.
func (j *journal) sync() error {
	j.mu.Lock()
	dirty, f := j.dirty, j.file
	j.dirty = false
	j.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := f.Sync(); err != nil {
		j.mu.Lock()
		j.dirty = true
		j.mu.Unlock()
		return err
	}
	return nil
}

// payload is what a record carries.
func (j *journal) payload(s span) ([]byte, error) {
	b := make([]byte, s.n)
	_, err := j.file.ReadAt(b, s.at)
	return b, err
}

func (j *journal) close() { j.file.Close() }
