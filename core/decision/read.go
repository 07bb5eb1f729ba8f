package decision

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Reader reads records, line by line.
type Reader struct {
	in   *bufio.Reader
	line int
}

// NewReader reads from in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10)}
}

// BadLine is a line that holds no record of this version. The next ones can be
// read.
type BadLine struct {
	Line   int
	Reason string
}

func (b *BadLine) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Reason) }

// maxLine is the longest line that is read, in bytes.
const maxLine = 16 << 20

// Line is the number of the line that was read last.
func (r *Reader) Line() int { return r.line }

// Next is the next record. The error is io.EOF at the end, *BadLine for a line
// that is none, or that of the file.
func (r *Reader) Next() (*Decision, error) {
	for {
		text, long, err := r.read()
		if len(text) == 0 && !long && err != nil {
			return nil, err
		}
		r.line++
		text = bytes.TrimSpace(text)
		switch {
		case long:
			return nil, &BadLine{r.line, fmt.Sprintf("is longer than %d MiB", maxLine>>20)}
		case len(text) == 0:
			continue
		}
		return r.parse(text)
	}
}

// read answers a line, at most maxLine bytes of it.
func (r *Reader) read() (line []byte, long bool, err error) {
	for {
		piece, err := r.in.ReadSlice('\n')
		if len(line)+len(piece) <= maxLine {
			line = append(line, piece...)
		} else {
			long = true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

func (r *Reader) parse(text []byte) (*Decision, error) {
	// The version first: another one may mean something else by the same names.
	var head struct {
		Version *int `json:"v"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		reason := "is no record: " + err.Error()
		if !json.Valid(text) {
			reason = "is cut or broken: " + err.Error()
		}
		return nil, &BadLine{r.line, reason}
	}
	switch {
	case head.Version == nil:
		return nil, &BadLine{r.line, `is no record: it has no version, "v"`}
	case *head.Version != Version:
		return nil, &BadLine{r.line, fmt.Sprintf("has the version %d, and this program reads %d", *head.Version, Version)}
	}
	d := new(Decision)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, &BadLine{r.line, "is no record: " + err.Error()}
	}
	return d, nil
}
